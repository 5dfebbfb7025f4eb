//! Web servers whose responses have several readings, and web servers that never stop sending.
//!
//! The server has a valid certificate. Its responses are the attack.

use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{Outcome, Policy, Step};

use crate::certificates::{client, server};
use crate::stack::{ADDRESS, Pieces, Stack, Web, at_once, zone};

const DOCUMENT: &str = r#"{"m.server":"evil.example:1"}"#;

fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.addresses.families = discovery_core::Families::V4;
    policy
}

/// A client, and a server with a valid certificate that sends these pieces.
fn against(pieces: impl Fn() -> Pieces + 'static) -> Stack {
    let config = server(&["host.example", "*.host.example"]);
    let site = move |_: &_| Web::Tls(config.clone(), pieces());
    Stack::new(policy(), client(), |query, _| zone(query), site)
}

fn step(outcome: &Outcome) -> Step {
    outcome.as_ref().unwrap().step
}

/// The response is no document, so the name leads to itself.
fn disbelieved(head: &str, body: &str) {
    let text = format!("HTTP/1.1 {head}\r\n\r\n{body}");
    let mut stack = against(move || at_once(text.clone()));
    let outcome = stack.resolve("host.example");
    assert_eq!(step(&outcome), Step::Default, "{head:?}");
    assert_eq!(stack.dialled, [SocketAddr::from((ADDRESS, 443))], "{head:?}");
}

#[test]
fn a_document_in_order_is_believed() {
    for head in [format!("200 OK\r\nContent-Length: {}", DOCUMENT.len()), "200 OK".to_owned()] {
        let text = format!("HTTP/1.1 {head}\r\n\r\n{DOCUMENT}");
        let mut stack = against(move || at_once(text.clone()));
        assert_eq!(step(&stack.resolve("host.example")), Step::DelegatedPort, "{head:?}");
    }
    let chunks = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{DOCUMENT}\r\n0\r\n\r\n",
        DOCUMENT.len()
    );
    let mut stack = against(move || at_once(chunks.clone()));
    assert_eq!(step(&stack.resolve("host.example")), Step::DelegatedPort);
}

/// RFC 9112 §6.3: a response whose end two parsers could see differently is refused.
#[test]
fn framing_that_can_be_read_in_two_ways_is_refused() {
    let length = DOCUMENT.len();
    let chunked = format!("{length:x}\r\n{DOCUMENT}\r\n0\r\n\r\n");
    for fields in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}", chunked.len()),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(),
        "Transfer-Encoding: identity, chunked".to_owned(),
        "Transfer-Encoding: chunked, identity".to_owned(),
        "Transfer-Encoding: \"chunked\"".to_owned(),
        "Transfer-Encoding: chunked;q=1".to_owned(),
        "Transfer-Encoding: \u{b}chunked".to_owned(),
        "Transfer-Encoding:\r\n chunked".to_owned(),
        "Transfer-Encoding : chunked".to_owned(),
        " Transfer-Encoding: chunked".to_owned(),
        "X: y\r\n Transfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding: cow".to_owned(),
        "Transfer-Encoding:".to_owned(),
    ] {
        // Neither reading counts, even if it would give a document.
        disbelieved(&format!("200 OK\r\n{fields}"), &chunked);
        disbelieved(&format!("200 OK\r\n{fields}"), DOCUMENT);
    }
    for fields in [
        format!("Content-Length: {length}\r\nContent-Length: {}", length + 1),
        format!("Content-Length: {length}, {}", length + 1),
        format!("Content-Length: {length},"),
        format!("Content-Length: ,{length}"),
        format!("Content-Length: +{length}"),
        format!("Content-Length: -{length}"),
        format!("Content-Length: 0x{length:x}"),
        format!("Content-Length: {length}.0"),
        format!("Content-Length: {length}e0"),
        format!("Content-Length: {length} {length}"),
        format!("Content-Length: \"{length}\""),
        format!("Content-Length:\r\n {length}"),
        format!("Content-Length : {length}"),
        format!("Content-Length: {length}\0"),
        format!("Content-Length: 1844674407370955161{length}"),
        format!("X: y\r\n\tContent-Length: {length}\r\nContent-Length: {length}"),
        format!("Content-Length: {length}\r\n "),
        format!("X: y\rContent-Length: {length}"),
        format!("No colon\r\nContent-Length: {length}"),
        format!(": empty\r\nContent-Length: {length}"),
        format!("X\u{e4}: y\r\nContent-Length: {length}"),
        "Content-Length:".to_owned(),
    ] {
        disbelieved(&format!("200 OK\r\n{fields}"), DOCUMENT);
    }
}

/// RFC 9112 §5.2: folded lines and lenient parts of the grammar that all parsers read the same way.
#[test]
fn folded_lines_and_lenient_grammar_are_read() {
    let length = DOCUMENT.len();
    let chunks = format!("{length:x} ;a\r\n{DOCUMENT}\r\n0\r\n\r\n");
    for text in [
        format!("HTTP/1.1 200 OK\r\nX: y\r\n\tz\r\nContent-Length: {length}\r\n\r\n{DOCUMENT}"),
        format!("HTTP/1.2 200 OK\r\nContent-Length: {length}\r\n\r\n{DOCUMENT}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked,\r\n\r\n{chunks}"),
    ] {
        let mut stack = against(move || at_once(text.clone()));
        assert_eq!(step(&stack.resolve("host.example")), Step::DelegatedPort);
    }
}

/// RFC 9112 §7.1.
#[test]
fn chunks_that_can_be_read_in_two_ways_are_refused() {
    let size = format!("{:x}", DOCUMENT.len());
    for body in [
        format!("+{size}\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("-{size}\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("0x{size}\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!(" {size}\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("{size} \r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("{size}\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("{size}\r{DOCUMENT}\r\n0\r\n\r\n"),
        format!("{size};a\nb\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("{size};a\0\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("\r\n{size}\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("{size}\r\n{DOCUMENT}\n0\r\n\r\n"),
        format!("{size}\r\n{DOCUMENT}0\r\n\r\n"),
        format!("{size}\r\n{DOCUMENT} \r\n0\r\n\r\n"),
        format!("{size}\r\n{DOCUMENT}\r\n0\n\n"),
        format!("{size}\r\n{DOCUMENT}\r\n0\r\n\n"),
        format!("{size}\r\n{DOCUMENT}\r\n0\r\nA: b\n\r\n"),
        format!("1000000000000000{size}\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        format!("{size}_\r\n{DOCUMENT}\r\n0\r\n\r\n"),
        // Cut short: the last chunk has not come.
        format!("{size}\r\n{DOCUMENT}\r\n"),
        format!("{size}\r\n{DOCUMENT}\r\n0\r\n"),
    ] {
        disbelieved("200 OK\r\nTransfer-Encoding: chunked", &body);
    }
}

/// Data after the response is not read as another response.
#[test]
fn second_response_after_the_first_is_ignored() {
    let smuggled = format!(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{DOCUMENT}",
        DOCUMENT.len()
    );
    let mut stack = against(move || at_once(smuggled.clone()));
    assert_eq!(step(&stack.resolve("host.example")), Step::Default);
}

#[test]
fn other_protocols_than_http_1_are_refused() {
    for version in ["HTTP/2", "HTTP/0.9", "HTTP/1.10", "HTTP/3", "ICY", "http/1.1", "HTTP/1.1\t"] {
        let text =
            format!("{version} 200 OK\r\nContent-Length: {}\r\n\r\n{DOCUMENT}", DOCUMENT.len());
        let mut stack = against(move || at_once(text.clone()));
        assert_eq!(step(&stack.resolve("host.example")), Step::Default, "{version}");
    }
    let mut stack = against(|| at_once(DOCUMENT));
    assert_eq!(step(&stack.resolve("host.example")), Step::Default);
}

/// Interim heads are skipped until they have 128 KiB together.
#[test]
fn a_flood_of_interim_responses_ends_at_its_bound() {
    for (count, expected) in [(5, Step::DelegatedPort), (10_000, Step::Default)] {
        let text =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{DOCUMENT}", DOCUMENT.len());
        let pieces = move || -> Pieces {
            let interim = b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n".to_vec();
            let all = std::iter::repeat_n(interim, count).chain([text.clone().into_bytes()]);
            Box::new(all.map(|piece| (Duration::ZERO, piece)))
        };
        let mut stack = against(pieces);
        assert_eq!(step(&stack.resolve("host.example")), expected, "{count}");
    }
    let mut stack = against(|| endless("", "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_eq!(step(&stack.resolve("host.example")), Step::Default);
    assert!(stack.taken < 320 * 1024, "{}", stack.taken);
}

/// An endless stream, in pieces.
fn endless(start: &str, piece: &str) -> Pieces {
    let start = std::iter::once(start.as_bytes().to_vec());
    let rest = std::iter::repeat(piece.as_bytes().to_vec());
    let now = |piece| (Duration::ZERO, piece);
    Box::new(start.filter(|start| !start.is_empty()).chain(rest).map(now))
}

/// The client reads a bounded part of each, including TLS records.
#[test]
fn endless_streams_are_cut_at_their_limit() {
    const KIB: usize = 1024;
    let line = "X: ".to_owned() + &"y".repeat(997);
    let x = "x".repeat(1000);
    for (start, piece, bound) in [
        // A head with one endless line, with endless lines, without a line.
        ("HTTP/1.1 200 OK\r\nX: ", x.as_str(), 160 * KIB),
        ("HTTP/1.1 200 OK\r\n", &format!("{line}\r\n"), 160 * KIB),
        ("HTTP/1.1 200 OK\r\nX: y", &format!("\r\n {x}"), 160 * KIB),
        ("HTTP/1.1 200 ", &x, 160 * KIB),
        ("", "\r", 3200 * KIB),
        ("", &x, 160 * KIB),
        // A body without a length, with an enormous length, with endless chunks.
        ("HTTP/1.1 200 OK\r\n\r\n", &x, 64 * KIB),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", &x, 64 * KIB),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n", &x, 64 * KIB),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "10\r\n0123456789abcdef\r\n",
            160 * KIB,
        ),
        // Parts other than the body: an extension, leading zeros, trailers.
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", &x, 24 * KIB),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0", 24 * KIB),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            &format!("{line}\r\n"),
            24 * KIB,
        ),
    ] {
        let (start, piece) = (start.to_owned(), piece.to_owned());
        let shown = (start.clone(), piece.len());
        let mut stack = against(move || endless(&start, &piece));
        assert_eq!(step(&stack.resolve("host.example")), Step::Default, "{shown:?}");
        assert_eq!(stack.elapsed(), Duration::ZERO, "nothing is waited for: {shown:?}");
        assert!(stack.taken < bound, "{} {shown:?}", stack.taken);
    }
}

/// A server that sends a byte now and then cannot exceed the timeout of the document, in whichever part.
#[test]
fn a_slow_drip_ends_at_the_deadline() {
    let patience = Policy::default().well_known.timeout;
    let drip = |start: &'static str| {
        let pause = Duration::from_millis(400);
        move || -> Pieces {
            let start = std::iter::once((Duration::ZERO, start.as_bytes().to_vec()));
            Box::new(start.chain(std::iter::repeat((pause, b"x".to_vec()))))
        }
    };
    for start in [
        "HTTP/1.1 200 OK\r\nX: ",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
    ] {
        let mut stack = against(drip(start));
        assert_eq!(step(&stack.resolve("host.example")), Step::Default, "{start:?}");
        assert_eq!(stack.elapsed(), patience, "{start:?}");
    }
    // The same within the handshake.
    let config = server(&["host.example"]);
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{DOCUMENT}", DOCUMENT.len());
    let pause = Duration::from_millis(100);
    let site = move |_: &_| Web::Dripping(config.clone(), at_once(text.clone()), pause);
    let mut stack = Stack::new(policy(), client(), |query, _| zone(query), site);
    assert_eq!(step(&stack.resolve("host.example")), Step::Default);
    assert_eq!(stack.elapsed(), patience);
}

/// Ten redirects of nine seconds each share one timeout of ten seconds.
#[test]
fn a_slow_maze_of_redirects_ends_at_the_same_deadline() {
    let config = server(&["host.example"]);
    let mut count = 0;
    let site = move |_: &_| {
        count += 1;
        let text = format!("HTTP/1.1 302 Found\r\nLocation: /{count}\r\nContent-Length: 0\r\n\r\n");
        let pause = Duration::from_secs(3);
        Web::Tls(config.clone(), Box::new(std::iter::once((pause, text.into_bytes()))))
    };
    let mut stack = Stack::new(policy(), client(), |query, _| zone(query), site);
    assert_eq!(step(&stack.resolve("host.example")), Step::Default);
    assert_eq!(stack.elapsed(), Policy::default().well_known.timeout);
    assert_eq!(stack.dialled.len(), 4);
}

/// A server that redirects to ever new hosts: ten are visited.
#[test]
fn a_maze_of_redirects_ends_after_ten() {
    let config = server(&["host.example", "*.host.example"]);
    let mut count = 0;
    let site = move |_: &_| {
        count += 1;
        let to = format!("https://n{count}.host.example/{count}");
        let text = format!("HTTP/1.1 307 Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        Web::Tls(config.clone(), at_once(text))
    };
    let mut stack = Stack::new(policy(), client(), |query, _| zone(query), site);
    assert_eq!(step(&stack.resolve("host.example")), Step::Default);
    let most = usize::from(Policy::default().well_known.max_redirects) + 1;
    assert_eq!(stack.dialled.len(), most);
    // One question for each host, and the two SRV records of the name.
    assert!(stack.asked.len() <= most + 3, "{}", stack.asked.len());
}

/// R14, R69, R115: no redirect leads out of TLS or to an invalid URL.
#[test]
fn no_redirect_leads_out_of_tls() {
    for location in [
        "http://host.example/",
        "HTTP://host.example/",
        "//user:password@host.example/",
        "https://user@host.example/",
        "ftp://host.example/",
        "file:///etc/passwd",
        "gopher://host.example/",
        "javascript:alert(1)",
        "data:application/json,{}",
        "https:host.example",
        "https://",
        "https:///a",
        "https://host.example:0/",
        "https://host.example:99999/",
        "https://host.example:443:443/",
        "https://host.example\\@other.example/",
        "https://host .example/",
        "https://[::1/",
        "https://[fe80::1%25lo]/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://host.example/\u{1}",
        "",
    ] {
        let text = format!("HTTP/1.1 302 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let mut stack = against(move || at_once(text.clone()));
        assert_eq!(step(&stack.resolve("host.example")), Step::Default, "{location:?}");
        assert_eq!(stack.dialled.len(), 1, "{location:?}: {:?}", stack.fetched);
    }
}

/// A request head has the known lines only, whatever the name and the redirects contain.
#[test]
fn no_redirect_writes_a_line_into_the_next_request() {
    for location in [
        "/a\tb",
        "/a b",
        "/a%0d%0aX-Evil:%201",
        "https://host.example/%0d%0aHost:%20evil.example",
        "/\u{e4}",
        "/a?b\r\n X-Evil: 1",
    ] {
        let config = server(&["host.example"]);
        let mut count = 0;
        let location = location.to_owned();
        let site = move |_: &_| {
            count += 1;
            let text =
                format!("HTTP/1.1 302 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            Web::Tls(config.clone(), at_once(if count == 1 { text } else { String::new() }))
        };
        let mut stack = Stack::new(policy(), client(), |query, _| zone(query), site);
        assert_eq!(step(&stack.resolve("host.example")), Step::Default);
        let sent = String::from_utf8(std::mem::take(&mut stack.requests)).unwrap();
        for line in sent.split("\r\n") {
            let known = ["GET /", "Host: host.example", "Connection: close"];
            let known = line.is_empty()
                || known.iter().any(|known| line.starts_with(known))
                || ["user-agent: ", "accept: ", "accept-encoding: "]
                    .iter()
                    .any(|known| line.starts_with(known));
            assert!(known && !line.contains(['\r', '\n']), "{line:?}");
        }
    }
}
