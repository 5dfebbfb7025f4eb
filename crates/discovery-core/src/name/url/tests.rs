//! URLs and redirects.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;

const BASE: &str = "https://a.example/.well-known/matrix/server";

fn join(location: &str) -> Result<String, BadUrl> {
    Url::parse(BASE).unwrap().join(location).map(|url| url.to_string())
}

#[test]
fn r32_the_document_is_rooted_at_the_host_on_port_443() {
    // R111.
    let url = Url::well_known(&DnsName::parse("A.Example.").unwrap());
    assert_eq!(url.text(), BASE);
    assert_eq!((url.port(), url.host().to_string().as_str()), (443, "a.example"));
    assert_eq!(url, Url::parse(BASE).unwrap());
}

#[test]
fn r113_a_relative_location_is_resolved_against_the_url() {
    for (location, expected) in [
        ("/other", "https://a.example/other"),
        ("other", "https://a.example/.well-known/matrix/other"),
        ("./other", "https://a.example/.well-known/matrix/other"),
        ("../other", "https://a.example/.well-known/other"),
        ("../../../../../other", "https://a.example/other"),
        ("/x/./y/../z", "https://a.example/x/z"),
        ("//b.example/other", "https://b.example/other"),
        ("//b.example", "https://b.example/"),
        ("?q=1", "https://a.example/.well-known/matrix/server?q=1"),
        ("", "https://a.example/.well-known/matrix/server"),
        ("#top", "https://a.example/.well-known/matrix/server"),
        ("https://b.example/x#top", "https://b.example/x"),
        ("HTTPS://B.Example./x", "https://b.example/x"),
        ("https://b.example:443/x", "https://b.example/x"),
        ("https://b.example:0443/x", "https://b.example/x"),
        ("https://b.example:/x", "https://b.example/x"),
        ("https://b.example:8443/x", "https://b.example:8443/x"),
        ("https://b.example/x/../y", "https://b.example/y"),
        ("https://b.example/x/.", "https://b.example/x/"),
        ("https://1.2.3.4/x", "https://1.2.3.4/x"),
        ("https://[2001:DB8:0::1]:8448/x", "https://[2001:db8::1]:8448/x"),
        ("https://b.example/a%20b?c=%2F", "https://b.example/a%20b?c=%2F"),
        ("https://b.example/x#a#b c", "https://b.example/x"),
    ] {
        assert_eq!(join(location).as_deref(), Ok(expected), "{location:?}");
    }
    // Browsers take such a segment for a drive, above which nothing is; RFC 3986 knows none.
    let below = Url::parse("https://a.example/t:/b").unwrap();
    assert_eq!(below.join("../d").unwrap().text(), "https://a.example/d");
}

#[test]
fn r113_what_a_uri_does_not_allow_is_percent_encoded() {
    for (location, expected) in [
        ("/a b?c d", "https://a.example/a%20b?c%20d"),
        (" /x ", "https://a.example/x"),
        ("/\u{e4}?\u{fc}", "https://a.example/%C3%A4?%C3%BC"),
        ("https://b.example/\u{1f600}", "https://b.example/%F0%9F%98%80"),
        ("/{a|b}^`\"<>[]", "https://a.example/%7Ba%7Cb%7D%5E%60%22%3C%3E%5B%5D"),
        (
            "?{a|b}^`\"<>[]",
            "https://a.example/.well-known/matrix/server?%7Ba%7Cb%7D%5E%60%22%3C%3E%5B%5D",
        ),
        ("/%", "https://a.example/%25"),
        ("/%zz%4", "https://a.example/%25zz%254"),
        ("/100%/%41%", "https://a.example/100%25/%41%25"),
        ("https://b.example?a b", "https://b.example/?a%20b"),
        ("//b.example/a b", "https://b.example/a%20b"),
        ("a b", "https://a.example/.well-known/matrix/a%20b"),
        ("/a b#c d", "https://a.example/a%20b"),
        ("https://[2001:db8::1]/a b", "https://[2001:db8::1]/a%20b"),
    ] {
        assert_eq!(join(location).as_deref(), Ok(expected), "{location:?}");
    }
    // Bytes that are no UTF-8 are encoded one by one.
    let url = Url::parse(BASE).unwrap().join(b"/caf\xe9").unwrap();
    assert_eq!(url.text(), "https://a.example/caf%E9");
    // Encoding may make a URL too long.
    assert_eq!(join(&format!("/{}", " ".repeat(2000) + "x")), Err(BadUrl::TooLong));
    // What is kept as text is strict.
    assert_eq!(Url::parse("https://a.example/a b"), Err(BadUrl::Syntax));
}

#[test]
fn r115_a_location_that_leads_away_from_https_is_refused() {
    // R14, R69.
    for location in [
        "http://a.example/",
        "HTTP://a.example/x",
        "ftp://a.example/",
        "file:///etc/passwd",
        "data:,x",
        "javascript:x",
    ] {
        assert_eq!(join(location), Err(BadUrl::Downgrade), "{location}");
    }
}

#[test]
fn a_host_that_nothing_can_be_asked_for_is_refused() {
    for location in [
        "https://0x7f.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https:///x",
        "https://a..b/",
        "https://./",
        "https://ex%61mple.org/",
        "https://[v1.x]/",
        "https:x",
        "https:/x",
        "https://a!b/",
        "//",
    ] {
        assert_eq!(join(location), Err(BadUrl::Host), "{location}");
    }
}

#[test]
fn a_user_is_refused() {
    for location in [
        "https://u@b.example/",
        "https://u:p@b.example/",
        "//u@b.example/",
        "https://@b.example/",
        "https://a.example@b.example/",
    ] {
        assert_eq!(join(location), Err(BadUrl::User), "{location}");
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_refused() {
    for location in [
        "https://b.example:0/",
        "https://b.example:65536/",
        "https://b.example:99999999999999999999/",
        "//b.example:00/",
    ] {
        assert_eq!(join(location), Err(BadUrl::Port), "{location}");
    }
}

#[test]
fn what_is_no_reference_is_refused() {
    for location in [
        "https://b.example:x/",
        "https://bä.example/",
        "//b .example/",
        "https://b%.example/",
        "x y:z",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "\\x",
        "/x\\y",
        "https://b.example\\@a.example/",
        "/x#\\",
        "/x\0",
        "/x\ty",
        "/x\r\ny",
        "/x\u{7f}",
        "http s://a/",
    ] {
        assert_eq!(join(location), Err(BadUrl::Syntax), "{location:?}");
    }
}

#[test]
fn a_location_over_4_kib_is_refused() {
    let fits = format!("/{}", "x".repeat(MAX_URL_LENGTH - "https://a.example/".len()));
    assert_eq!(join(&fits).unwrap().len(), MAX_URL_LENGTH);
    assert_eq!(join(&format!("{fits}x")), Err(BadUrl::TooLong));
    assert_eq!(join(&format!("/{}", "x".repeat(1_000_000))), Err(BadUrl::TooLong));
    assert_eq!(Url::parse(&format!("https://a.example{fits}x")), Err(BadUrl::TooLong));
}

#[test]
fn parsing_alone_brings_a_url_into_normal_form() {
    let url = |text| Url::parse(text).unwrap();
    assert_eq!(url("HTTPS://A.example.:443/x/./y/../z?q#f").text(), "https://a.example/x/z?q");
    assert_eq!(url("https://a.example").text(), "https://a.example/");
    assert_eq!(url("https://a.example?q").text(), "https://a.example/?q");
    for text in ["", "/x", "//a.example/x", "a.example", "?q"] {
        assert_eq!(Url::parse(text), Err(BadUrl::Syntax), "{text:?}");
    }
}

fn locations() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(https?:)?(//)?[a-z0-9.%@:\\[\\]-]{0,20}(:[0-9]{0,6})?(/[a-z0-9.%_~-]{0,5}){0,6}(\\?[a-z/?&=]{0,5})?(#[a-z]{0,3})?",
        "https://[a-z]{1,5}(\\.[a-z]{1,5}){0,2}(:[1-9][0-9]{0,3})?(/[a-zA-Z0-9._~!$&'()*+,;=:@-]{0,6}){0,6}(\\?[a-z/?&=!$'()*,;:@]{0,8})?",
    ]
}

proptest! {
    #[test]
    fn joining_never_panics_and_gives_normal_forms(location in locations(), again in locations()) {
        let base = Url::parse(BASE).unwrap();
        if let Ok(url) = base.join(&location) {
            prop_assert_eq!(Url::parse(&url.text()), Ok(url.clone()), "a normal form is its own");
            prop_assert_eq!(base.join(&*url.text()), Ok(url.clone()), "an absolute location does not need its base");
            prop_assert!(url.text().len() <= MAX_URL_LENGTH);
            prop_assert!(!url.text().contains('#'));
            let uri: http::Uri = url.text().parse().expect("every URL is a URI of the http crate");
            prop_assert_eq!(uri.scheme_str(), Some("https"));
            prop_assert_eq!(uri.port_u16().unwrap_or(443), url.port());
            prop_assert_eq!(uri.to_string(), url.text());
            let json = serde_json::to_string(&url).unwrap();
            prop_assert_eq!(serde_json::from_str::<Url>(&json).unwrap(), url.clone());
            let _ = url.join(&again);
        }
    }

    #[test]
    fn parsing_and_joining_agree_on_absolute_urls(text in locations()) {
        if let Ok(url) = Url::parse(&text) {
            prop_assert_eq!(Url::parse(BASE).unwrap().join(&text), Ok(url.clone()));
            prop_assert_eq!(Url::parse(&url.text()), Ok(url));
        }
    }
}
