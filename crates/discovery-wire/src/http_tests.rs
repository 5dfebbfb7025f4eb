//! HTTP responses in every split, well-formed and hostile.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::{Ipv4Addr, SocketAddr};

use discovery_core::{DnsName, HttpId, TlsName};
use http::Uri;
use proptest::prelude::*;

use super::*;

const NOW: Option<UnixTime> = Some(UnixTime(1_700_000_000));

/// What the stream comes to: told by the bytes, or by its end.
fn read_parts(parts: &[&[u8]], end: Option<bool>, max_body: usize) -> Progress {
    let mut reading = Reading::new(max_body);
    for part in parts {
        let progress = reading.push(part, NOW);
        if progress != Progress::Unfinished {
            return progress;
        }
    }
    match end {
        Some(whole) => Progress::Finished(reading.end(whole)),
        None => Progress::Unfinished,
    }
}

/// The same in one piece, in two pieces cut at every place, and byte by byte.
fn read(text: &[u8], end: Option<bool>) -> Progress {
    let whole = read_parts(&[text], end, 100);
    for cut in 0..=text.len() {
        let (left, right) = text.split_at(cut);
        assert_eq!(read_parts(&[left, right], end, 100), whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(read_parts(&bytes, end, 100), whole, "byte by byte");
    whole
}

fn body(progress: Progress) -> Result<(u16, Vec<u8>), HttpError> {
    match progress {
        Progress::Finished(result) => result.map(|r| (r.status.as_u16(), r.body)),
        Progress::Unfinished => panic!("unfinished"),
    }
}

fn ok(text: &str) -> Result<(u16, Vec<u8>), HttpError> {
    body(read(text.as_bytes(), None))
}

fn refused(text: &str) {
    assert_eq!(ok(text), Err(HttpError::Protocol), "{text:?}");
}

#[test]
fn a_body_ends_with_its_length() {
    assert_eq!(
        ok("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"),
        Ok((200, b"abc".to_vec()))
    );
    assert_eq!(ok("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Ok((200, vec![])));
    assert_eq!(
        ok("HTTP/1.0 200\r\nContent-Length:3 \r\nX: y\r\n\r\nabc"),
        Ok((200, b"abc".to_vec()))
    );
    assert_eq!(ok("HTTP/1.1 200 OK\nContent-Length: 1\n\nx"), Ok((200, b"x".to_vec())));
}

#[test]
fn a_body_ends_with_its_last_chunk() {
    let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: t\r\n\r\n";
    assert_eq!(ok(text), Ok((200, b"abc".to_vec())));
}

#[test]
fn a_body_without_framing_ends_with_the_stream_if_the_server_says_so() {
    let text = b"HTTP/1.1 200 OK\r\n\r\nabc";
    assert_eq!(read(text, None), Progress::Unfinished);
    assert_eq!(body(read(text, Some(true))), Ok((200, b"abc".to_vec())));
    assert_eq!(body(read(text, Some(false))), Err(HttpError::Reset));
}

#[test]
fn a_response_cut_short_is_broken_off() {
    for text in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        assert_eq!(body(read(text.as_bytes(), Some(true))), Err(HttpError::Reset), "{text:?}");
        assert_eq!(body(read(text.as_bytes(), Some(false))), Err(HttpError::Reset), "{text:?}");
    }
}

#[test]
fn another_status_is_answered_at_its_head() {
    let text = "HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\nX-A: 1\r\nX-A: 2\r\n\r\n0123456789";
    let Progress::Finished(Ok(response)) = read(text.as_bytes(), None) else { panic!() };
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_eq!(response.body, b"");
    assert_eq!(response.received, NOW);
    assert_eq!(response.headers.get_all("x-a").iter().count(), 2);
    // Its framing is not read, so it can't be contradictory.
    let odd = "HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(ok(odd), Ok((301, vec![])));
}

#[test]
fn interim_heads_are_skipped_up_to_128_kib() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let flood = |n: usize| interim.repeat(n) + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    for n in [1, 4, 5, 20] {
        assert_eq!(ok(&flood(n)), Ok((200, b"x".to_vec())));
    }
    let most = MAX_HEAD / interim.len();
    let at = |text: &str| body(read_parts(&[text.as_bytes()], None, 100));
    assert_eq!(at(&flood(most)), Ok((200, b"x".to_vec())));
    assert_eq!(at(&flood(most + 1)), Err(HttpError::Protocol));
    refused("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n");
}

#[test]
fn an_interim_head_ends_with_its_empty_line_whatever_it_says_of_a_body() {
    for field in ["Content-Length: 3", "Content-Length: none", "Transfer-Encoding: chunked"] {
        let interim = format!("HTTP/1.1 103 Early Hints\r\n{field}\r\n\r\n");
        let text = interim + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(ok(&text), Ok((200, b"x".to_vec())), "{field}");
    }
}

#[test]
fn framing_that_readers_would_differ_on_is_refused() {
    for headers in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3, 4",
        "Content-Length: +3",
        "Content-Length: -3",
        "Content-Length: 0x3",
        "Content-Length: 3 3",
        "Content-Length:",
        "Content-Length: 3,",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: ,",
        "Transfer-Encoding: chunked,\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\n ",
        "Transfer-Encoding: chun\r\n ked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\n\tcontent-length : 3",
        " X: y",
        "\tX: y",
        "Content-Length: 3\r\n ",
        "Content-Length: 1\n\t3",
        "Transfer-Encoding:\r\n chunked",
        "Content-Length: 3\r\n\tX: y",
        "Transfer-Encoding : chunked",
    ] {
        refused(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
    }
    refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let same = "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(ok(same), Ok((200, b"abc".to_vec())));
}

#[test]
fn empty_list_elements_and_minor_versions_are_accepted() {
    for (version, coding) in [
        ("1.1", "chunked,"),
        ("1.1", ", ,\tchunked ,"),
        ("1.2", "chunked"),
        ("1.9", "CHUNKED"),
        ("1.1", "chunked\r\nTransfer-Encoding:"),
    ] {
        let text = format!(
            "HTTP/{version} 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        );
        assert_eq!(ok(&text), Ok((200, b"x".to_vec())), "{text:?}");
    }
}

/// The value of the field `X` of a 404.
fn x(fields: &str) -> Vec<u8> {
    let text = format!("HTTP/1.1 404 No\r\n{fields}\r\n");
    let Progress::Finished(Ok(response)) = read(text.as_bytes(), None) else { panic!("{text:?}") };
    response.headers.get("x").unwrap().as_bytes().to_vec()
}

#[test]
fn folded_header_lines_are_unfolded_with_one_space() {
    for (fields, value) in [
        ("X: a\r\n b\r\n", "a b"),
        ("X: a\n\tb\n", "a b"),
        ("X: a \r\n \t b \r\n\tc\r\nY: z\r\n", "a b c"),
        ("X:\r\n a\r\n", "a"),
        ("X: a\r\n \r\n b\r\n", "a b"),
        ("X: a\r\n \r\n", "a"),
        ("X:\r\n \r\n", ""),
        ("Y: z\r\n y\r\nX: a\r\n", "a"),
        ("X: a\r\n b: c\r\n", "a b: c"),
        ("X: a,\r\n Content-Length, Transfer-Encoding\r\n", "a, Content-Length, Transfer-Encoding"),
    ] {
        assert_eq!(x(fields), value.as_bytes(), "{fields:?}");
    }
    let text = "HTTP/1.1 103 Hints\r\nLink: a;\r\n b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\nY: a\r\n b\r\n\r\nx";
    assert_eq!(ok(text), Ok((200, b"x".to_vec())));
}

#[test]
fn what_is_no_http_head_is_refused() {
    for text in [
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.10 200\r\n\r\n",
        "HTTP/1. 200\r\n\r\n",
        "HTTP/1.1 200 OK\r\n X: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n \r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r z\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "\r\n\r\n",
        "\n\n",
        "{\"m.server\":\"example.org\"}\n\n",
    ] {
        refused(text);
    }
}

#[test]
fn an_endless_head_is_refused_at_128_kib() {
    let head = |padding: usize| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: {}\r\n\r\nx", "y".repeat(padding))
    };
    let fixed = head(0).len() - 1;
    let at = |text: &str| body(read_parts(&[text.as_bytes()], None, 100));
    assert_eq!(at(&head(MAX_HEAD - fixed)), Ok((200, b"x".to_vec())));
    assert_eq!(at(&head(MAX_HEAD - fixed + 1)), Err(HttpError::Protocol));
    assert_eq!(at(&"x".repeat(MAX_HEAD)), Err(HttpError::Protocol));
    let many = "A: b\r\n".repeat(MAX_HEADERS + 1);
    refused(&format!("HTTP/1.1 200 OK\r\n{many}\r\n"));
    let most = "A: b\r\n".repeat(MAX_HEADERS);
    assert_eq!(ok(&format!("HTTP/1.1 404 No\r\n{most}\r\n")), Ok((404, vec![])));
}

#[test]
fn reading_stops_one_byte_behind_the_longest_body_of_use() {
    for head in
        ["Content-Length: 18446744073709551615", "X: until the end", "Transfer-Encoding: chunked"]
    {
        let size = if head.ends_with("chunked") { "fffff\r\n" } else { "" };
        let text = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{size}{}", "x".repeat(300));
        assert_eq!(ok(&text), Ok((200, vec![b'x'; 101])), "{head}");
    }
    let exact = format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "x".repeat(100));
    assert_eq!(ok(&exact), Ok((200, vec![b'x'; 100])));
}

fn get(url: &'static str) -> HttpGet {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static("test/1"));
    headers.insert("host", HeaderValue::from_static("evil.example"));
    headers.insert("connection", HeaderValue::from_static("keep-alive"));
    let mut get = HttpGet::new(
        HttpId::from_number(0),
        Uri::from_static(url),
        SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
        TlsName::Dns(DnsName::parse("example.org").unwrap()),
    );
    get.headers = headers;
    get.max_body = 100;
    get
}

#[test]
fn a_request_names_the_host_without_the_default_port() {
    let head = |url| String::from_utf8(request(&get(url)).unwrap()).unwrap();
    assert_eq!(
        head("https://example.org/.well-known/matrix/server"),
        "GET /.well-known/matrix/server HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\nuser-agent: test/1\r\n\r\n",
    );
    assert!(head("https://example.org:443/").contains("\r\nHost: example.org\r\n"));
    assert!(
        head("https://example.org:8443/a?b=c")
            .starts_with("GET /a?b=c HTTP/1.1\r\nHost: example.org:8443\r\n")
    );
    assert!(
        head("https://[2001:db8::1]:8443")
            .starts_with("GET / HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n")
    );
    assert_eq!(request(&get("/only/a/path")), None);
}

proptest! {
    #[test]
    fn no_bytes_panic_and_no_split_matters(
        start in prop::sample::select(vec![
            "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
        ]),
        tail in prop::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b';'), Just(b':'), any::<u8>()], 0..60),
        whole: bool,
    ) {
        read(&[start.as_bytes(), &tail].concat(), Some(whole));
    }
}
