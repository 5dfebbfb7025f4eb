//! Documents, redirects and statuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::name::{BadUrl, InvalidDnsName, InvalidServerName};

fn url() -> Url {
    Url::parse("https://a.example/.well-known/matrix/server").unwrap()
}

fn response(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> HttpResponse {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    HttpResponse::new(status, map, body.to_vec())
}

fn useless(fact: &Fact) -> UnusableResponse {
    let Fact::Unusable(why) = fact else { panic!("{fact:?}") };
    *why
}

#[test]
fn r68_m_server_of_an_object_is_the_delegated_name() {
    for text in [
        r#"{"m.server":"b.example:443"}"#,
        " \t\r\n{ \"m.server\" : \"b.example:443\" } \n",
        r#"{"m.server":"b.example\u003a443"}"#,
        r#"{"m\u002eserver":"b.example:443"}"#,
        r#"{"a":[1,{"m.server":"x"}],"m.server":"b.example:443","M.Server":"y","b":1e400000}"#,
        r#"{"a":null,"a":true,"m.server":"b.example:443"}"#,
    ] {
        assert_eq!(
            parse(text.as_bytes()).map(|name| name.to_string()),
            Ok("b.example:443".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn r131_of_two_m_server_neither_counts() {
    for text in [
        r#"{"m.server":"a","m.server":"b"}"#,
        r#"{"m.server":"a","m.server":"a"}"#,
        r#"{"m.server":"a","m\u002eserver":"b"}"#,
        r#"{"\u006d.server":1,"m.server":"b"}"#,
        r#"{"m.server":"a","m.server":1}"#,
        r#"{"m.server":"a","m.server":"b","m.server":"c"}"#,
        r#"{"m.server":[{}],"m.server":{"x":[]}}"#,
    ] {
        assert_eq!(parse(text.as_bytes()), Err(DocumentError::Duplicate), "{text}");
    }
}

#[test]
fn what_is_not_one_json_object_is_invalid() {
    for text in [
        "",
        " ",
        "{",
        "{}x",
        "{} {}",
        r#"{"m.server":"a"},"#,
        r#"{"m.server":"a",}"#,
        r#"{m.server:"a"}"#,
        r#"{'m.server':'a'}"#,
        "{\"m.server\":\"a\n\"}",
        r#"{"m.server":"\x"}"#,
        r#"{"m.server":"\ud800"}"#,
        "<html>",
        "NaN",
        "nul",
        "// x\n{}",
        r#"{"m.server":"a"}]"#,
        "{\"m.server\":\"a\"}\0",
    ] {
        assert_eq!(parse(text.as_bytes()), Err(DocumentError::NotJson), "{text:?}");
    }
    for text in ["[]", "null", "true", "1", "1.5", "-1", r#""m.server""#, r#"[{"m.server":"a"}]"#] {
        assert_eq!(parse(text.as_bytes()), Err(DocumentError::NotAnObject), "{text}");
    }
    for text in [
        "{}",
        r#"{"server":"a"}"#,
        r#"{"M.SERVER":"a"}"#,
        r#"{"m.server ":"a"}"#,
        r#"{"m":{"server":"a"}}"#,
    ] {
        assert_eq!(parse(text.as_bytes()), Err(DocumentError::Missing), "{text}");
    }
    for value in ["null", "1", "-1", "1.5", "true", "[]", r#"["a"]"#, "{}", r#"{"m.server":"a"}"#] {
        let text = format!(r#"{{"m.server":{value}}}"#);
        assert_eq!(parse(text.as_bytes()), Err(DocumentError::NotAString), "{text}");
    }
}

#[test]
fn r22_bytes_that_are_not_utf_8_are_invalid() {
    assert_eq!(parse(b"{\"m.server\":\"a\xff\"}"), Err(DocumentError::NotUtf8));
    assert_eq!(parse(b"{\"x\":\"\xc0\xaf\",\"m.server\":\"a\"}"), Err(DocumentError::NotUtf8));
    assert_eq!(parse(b"\xff\xfe{\0}\0"), Err(DocumentError::NotUtf8));
    assert_eq!(parse("\u{feff}{\"m.server\":\"a\"}".as_bytes()), Err(DocumentError::ByteOrderMark));
    assert_eq!(parse("{\u{feff}\"m.server\":\"a\"}".as_bytes()), Err(DocumentError::NotJson));
}

#[test]
fn depth_is_bounded_by_length_alone() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(20_000), close.repeat(20_000));
    assert_eq!(parse(deep("[", "]").as_bytes()), Err(DocumentError::NotAnObject));
    assert_eq!(parse("[".repeat(20_000).as_bytes()), Err(DocumentError::NotJson));
    assert_eq!(parse(r#"{"a":"#.repeat(10_000).as_bytes()), Err(DocumentError::NotJson));
    for nest in [deep("[", "]"), format!("{}1{}", r#"{"a":"#.repeat(8_000), "}".repeat(8_000))] {
        let text = format!(r#"{{"x":{nest},"m.server":"a"}}"#);
        assert_eq!(parse(text.as_bytes()).unwrap().as_str(), "a");
        let text = format!(r#"{{"m.server":{nest}}}"#);
        assert_eq!(parse(text.as_bytes()), Err(DocumentError::NotAString));
    }
}

#[test]
fn r12_m_server_obeys_the_grammar_of_server_names() {
    let server = |value: &str| parse(format!(r#"{{"m.server":"{value}"}}"#).as_bytes());
    assert_eq!(server(""), Err(DocumentError::ServerName(InvalidServerName::EmptyHost)));
    assert_eq!(server("a_b"), Err(DocumentError::ServerName(InvalidServerName::Character)));
    assert_eq!(server("a\\u0000"), Err(DocumentError::ServerName(InvalidServerName::Character)));
    assert_eq!(server("b.example:"), Err(DocumentError::ServerName(InvalidServerName::Port)));
    assert_eq!(server("b.example:0"), Err(DocumentError::ServerName(InvalidServerName::Port)));
    assert_eq!(server("https://b.example"), Err(DocumentError::ServerName(InvalidServerName::Url)));
    assert_eq!(server(" b.example"), Err(DocumentError::ServerName(InvalidServerName::Character)));
    assert_eq!(server("a..b"), Err(DocumentError::Unresolvable(InvalidDnsName::EmptyLabel)));
    assert_eq!(server("010.0.0.1"), Err(DocumentError::Unresolvable(InvalidDnsName::Numeric)));
    assert_eq!(server("[::1]").unwrap().as_str(), "[::1]");
}

#[test]
fn a_body_longer_than_allowed_is_invalid_and_a_coded_one_too() {
    let body = br#"{"m.server":"b.example"}"#;
    let read = |headers: &[_], max| read(&url(), &response(200, headers, body), max);
    assert!(matches!(read(&[], body.len()), Fact::Document(_)));
    assert_eq!(
        useless(&read(&[], body.len() - 1)),
        UnusableResponse::Document(DocumentError::TooLong)
    );
    assert!(matches!(read(&[("content-encoding", " Identity ")], 100), Fact::Document(_)));
    for coding in ["", " , ", "identity,", "identity, Identity"] {
        assert!(
            matches!(read(&[("content-encoding", coding)], 100), Fact::Document(_)),
            "{coding:?}"
        );
    }
    for coding in ["gzip", "identity, gzip", ",gzip", "x"] {
        let fact = read(&[("content-encoding", coding)], 100);
        assert_eq!(
            useless(&fact),
            UnusableResponse::Document(DocumentError::ContentCoding),
            "{coding:?}"
        );
    }
    // R66: the content type says nothing.
    assert!(matches!(read(&[("content-type", "text/html")], 100), Fact::Document(_)));
}

#[test]
fn r34_five_redirects_are_followed_and_no_other_status() {
    // R42: 200 alone is success, whatever else begins with 2.
    let to = |status| read(&url(), &response(status, &[("location", "/x")], b"{}"), 100);
    for status in [301, 302, 303, 307, 308] {
        assert_eq!(
            to(status),
            Fact::Redirect(Url::parse("https://a.example/x").unwrap()),
            "{status}"
        );
    }
    let document = br#"{"m.server":"b.example"}"#;
    for status in [201, 202, 203, 204, 206, 226, 300, 304, 305, 306, 400, 404, 410, 500, 503, 999] {
        let fact = read(&url(), &response(status, &[("location", "/x")], document), 100);
        assert_eq!(
            useless(&fact),
            UnusableResponse::Status(status),
            "R42: 200 alone is success: {status}"
        );
    }
}

#[test]
fn a_redirect_leads_to_one_place_or_nowhere() {
    let to = |headers: &[(&'static str, &str)]| {
        useless(&read(&url(), &response(302, headers, b""), 100))
    };
    assert_eq!(to(&[]), UnusableResponse::Redirect(RedirectError::NoLocation));
    assert_eq!(
        to(&[("location", "/x"), ("location", "/y"), ("location", "/x")]),
        UnusableResponse::Redirect(RedirectError::ManyLocations)
    );
    assert_eq!(
        to(&[("location", "http://a.example/x")]),
        UnusableResponse::Redirect(RedirectError::Url(BadUrl::Downgrade))
    );
    let mut answer = response(302, &[], b"");
    answer.headers.insert("location", HeaderValue::from_bytes(b"//\xff/").unwrap());
    assert_eq!(
        useless(&read(&url(), &answer, 100)),
        UnusableResponse::Redirect(RedirectError::Url(BadUrl::Syntax))
    );
    answer.headers.insert("location", HeaderValue::from_bytes(b"/\xff").unwrap());
    let encoded = Url::parse("https://a.example/%FF").unwrap();
    assert_eq!(read(&url(), &answer, 100), Fact::Redirect(encoded));
    let twins = response(302, &[("location", "/x"), ("location", "/x")], b"");
    assert_eq!(
        read(&url(), &twins, 100),
        Fact::Redirect(Url::parse("https://a.example/x").unwrap())
    );
}

#[test]
fn temporary_are_the_statuses_that_say_so() {
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert!(UnusableResponse::Status(status).is_temporary(), "{status}");
    }
    for status in [201, 300, 400, 401, 403, 404, 410, 451, 600] {
        assert!(!UnusableResponse::Status(status).is_temporary(), "{status}");
    }
    assert!(!UnusableResponse::Document(DocumentError::NotJson).is_temporary());
    assert!(!UnusableResponse::Redirect(RedirectError::NoLocation).is_temporary());
}

proptest! {
    #[test]
    fn reading_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&body);
    }

    #[test]
    fn near_documents_agree_with_a_reader_of_the_whole_tree(
        text in "[ \\n]?\\{(\"(m\\.server|m\\\\u002eserver|a)\" ?: ?(\"[a-z.:0-9]{0,6}\"|1|null|\\[1\\]|\\{\"m\\.server\":\"x\"\\}),?){0,3}\\}.?"
    ) {
        let tree: Result<serde_json::Value, _> = serde_json::from_str(&text);
        match (parse(text.as_bytes()), tree) {
            (Err(DocumentError::NotJson), tree) => prop_assert!(tree.is_err()),
            (Err(DocumentError::Duplicate), tree) => prop_assert!(tree.is_ok()),
            (found, Ok(tree)) => {
                let server = tree.get("m.server");
                match found {
                    Ok(name) => prop_assert_eq!(server.and_then(|v| v.as_str()), Some(name.as_str())),
                    Err(DocumentError::Missing) => prop_assert!(server.is_none()),
                    Err(DocumentError::NotAString) => prop_assert!(server.is_some_and(|v| !v.is_string())),
                    Err(_) => prop_assert!(server.is_some_and(serde_json::Value::is_string)),
                }
            }
            (found, Err(_)) => prop_assert!(false, "{found:?}"),
        }
    }

    #[test]
    fn what_a_careful_writer_writes_is_read(host in "[a-z]{1,10}(\\.[a-z]{1,10}){0,3}", port in proptest::option::of(1..=u16::MAX)) {
        let name = port.map_or(host.clone(), |port| format!("{host}:{port}"));
        let body = serde_json::json!({"m.server": name, "extra": {"m.server": 1}}).to_string();
        prop_assert_eq!(parse(body.as_bytes()).map(|name| name.to_string()), Ok(name));
    }
}

#[test]
fn what_is_no_document_is_told_in_words() {
    let status = UnusableResponse::Status(503);
    let document = UnusableResponse::Document(DocumentError::NotJson);
    let redirect = UnusableResponse::Redirect(RedirectError::NoLocation);
    let told = [status, document, redirect].map(|why| why.to_string());
    let words = ["status 503", "invalid document: not JSON", "leads nowhere: no Location"];
    assert!(told.iter().zip(words).all(|(told, words)| told.ends_with(words)), "{told:?}");
}
