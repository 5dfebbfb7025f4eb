//! Redirects: what is taken leads where browsers would be led, by the `url` crate.

use discovery_core::{TlsName, Url};
use http::Uri;

/// Reads two lines as a URL and a `Location`.
///
/// # Panics
/// If a URL is not in normal form, or `url` leads elsewhere.
pub fn url_target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (base, location) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(from) = Url::parse(base) else { return };
    normal(&from);
    same(&from, url::Url::parse(base).ok().as_ref(), base, false);
    let Ok(to) = from.join(location) else { return };
    normal(&to);
    // From the same start: what is written in another way there has been compared above. Where `url` has none, it leads nowhere.
    let Ok(start) = url::Url::parse(&from.text()) else { return };
    same(&to, start.join(location).ok().as_ref(), location, has_drive(base));
}

fn normal(url: &Url) {
    let text = url.text();
    assert_eq!(Url::parse(&text).as_ref(), Ok(url), "{text}");
    assert_eq!(url.join(&*text).as_ref(), Ok(url), "{text}");
    assert_eq!(url.join("").as_ref(), Ok(url), "the empty reference is where we are: {text}");
    assert!(text.starts_with("https://") && text.len() <= 4096 + "https://:443/".len(), "{text}");
    // Nothing that could end a line of a request, or a word of one.
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{text}");
    assert_ne!(url.port(), 0);
    // A request is made with it.
    let Ok(uri) = text.parse::<Uri>() else { panic!("no URI: {text}") };
    assert_eq!(uri.port_u16().unwrap_or(443), url.port(), "{text}");
    let host = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned());
    assert_eq!(host, Some(url.host().to_string()), "{text}");
}

/// `drive` where the URL that this leads on from has a segment that `url` takes for a drive.
fn same(ours: &Url, theirs: Option<&url::Url>, from: &str, drive: bool) {
    // Browsers take `%2e` for a dot in a path. RFC 3986 does so only after normalisation, which a client need not do; the place
    // connected to is the same.
    let dots = from.to_ascii_lowercase().contains("%2e");
    let drives = drive || has_drive(from);
    // They read `https:a` and `https:/a` as `https://a`, or as relative; and a backslash as a slash. Neither is a URI reference with
    // an authority, so it never comes to this.
    let Some(theirs) = theirs else {
        // Names that browsers map by Unicode rules (`xn--` that is none) are plain names in DNS.
        let punycode = ours.host().to_string().contains("xn--");
        assert!(punycode, "url refuses {from:?}, we go to {ours}");
        return;
    };
    assert_eq!(theirs.scheme(), "https", "{from:?}");
    let host = theirs.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match ours.host() {
        TlsName::Ip(ip) => assert_eq!(host.parse().ok(), Some(ip), "{from:?}"),
        // The final dot is the root (R126).
        TlsName::Dns(name) => assert_eq!(
            host.strip_suffix('.').unwrap_or(host),
            name.as_str(),
            "{from:?} {ours} {theirs}"
        ),
    }
    assert_eq!(theirs.port().unwrap_or(443), ours.port(), "{from:?}");
    let text = ours.text();
    let Ok(uri) = text.parse::<Uri>() else { panic!("no URI: {text}") };
    // They leave characters as they are that RFC 3986 has encoded.
    if !dots && !drives {
        assert_eq!(plain(theirs.path()), plain(uri.path()), "{from:?}");
        let query = theirs.query().map(plain);
        assert_eq!(query, uri.query().map(plain), "{from:?}");
    }
}

/// Whether `url` lets `..` stop at a segment like `c:`, as if every URL were a file's; RFC 3986 knows no drives.
fn has_drive(text: &str) -> bool {
    let drive = |segment: &str| segment.len() == 2 && segment.ends_with([':', '|']);
    text.split(['/', '?', '#']).any(drive)
}

/// The same text however much of it is escaped: browsers escape an apostrophe in a query, for instance, and leave `|` as it is.
fn plain(text: &str) -> String {
    let mut plain = text.replace("%25", "%");
    for c in "'\"<>[]^`{|} ".chars() {
        let encoded = format!("%{:02X}", u32::from(c));
        plain = plain.replace(&encoded, &c.to_string());
    }
    plain
}
