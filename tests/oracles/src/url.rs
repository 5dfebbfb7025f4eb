//! Redirects: an accepted one leads where browsers would go, by the `url` crate.

use discovery_core::{TlsName, Url};
use http::Uri;

/// Reads two lines as a URL and a `Location`.
///
/// # Panics If a URL is not in normal form, or `url` gives another one.
pub fn url_target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (base, location) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(from) = Url::parse(base) else { return };
    normal(&from);
    same(&from, url::Url::parse(base).ok().as_ref(), base, false);
    let Ok(to) = from.join(location) else { return };
    normal(&to);
    // Both start from the same URL. If `url` rejects it, there is nothing to compare.
    let Ok(start) = url::Url::parse(&from.text()) else { return };
    same(&to, start.join(location).ok().as_ref(), location, has_drive(base));
}

fn normal(url: &Url) {
    let text = url.text();
    assert_eq!(Url::parse(&text).as_ref(), Ok(url), "{text}");
    assert_eq!(url.join(&*text).as_ref(), Ok(url), "{text}");
    assert_eq!(url.join("").as_ref(), Ok(url), "the empty reference is where we are: {text}");
    assert!(text.starts_with("https://") && text.len() <= 4096 + "https://:443/".len(), "{text}");
    // No byte may end a line or a word of a request.
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{text}");
    assert_ne!(url.port(), 0);
    // A request is built with it.
    let Ok(uri) = text.parse::<Uri>() else { panic!("no URI: {text}") };
    assert_eq!(uri.port_u16().unwrap_or(443), url.port(), "{text}");
    let host = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned());
    assert_eq!(host, Some(url.host().to_string()), "{text}");
}

/// `drive` where the URL that this leads on from has a segment that `url` takes for a drive.
fn same(ours: &Url, theirs: Option<&url::Url>, from: &str, drive: bool) {
    // Browsers read `%2e` as a dot in a path. RFC 3986 does so only after normalisation, which is optional. The host is the
    // same.
    let dots = from.to_ascii_lowercase().contains("%2e");
    let drives = drive || has_drive(from);
    // Browsers read `https:a` and `https:/a` as `https://a` or as relative, and a backslash as a slash. Neither is a URI
    // reference with an authority, so they are refused earlier.
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
    // Browsers leave some characters that RFC 3986 encodes.
    if !dots && !drives {
        assert_eq!(plain(theirs.path()), plain(uri.path()), "{from:?}");
        let query = theirs.query().map(plain);
        assert_eq!(query, uri.query().map(plain), "{from:?}");
    }
}

/// Whether `url` stops `..` at a segment such as `c:`, as for file URLs. RFC 3986 has no drives.
fn has_drive(text: &str) -> bool {
    let drive = |segment: &str| segment.len() == 2 && segment.ends_with([':', '|']);
    text.split(['/', '?', '#']).any(drive)
}

/// The text without escapes. Browsers escape an apostrophe in a query, for example, and leave `|`.
fn plain(text: &str) -> String {
    let mut plain = text.replace("%25", "%");
    for c in "'\"<>[]^`{|} ".chars() {
        let encoded = format!("%{:02X}", u32::from(c));
        plain = plain.replace(&encoded, &c.to_string());
    }
    plain
}
