//! Servers that fail in every phase: each leads to another endpoint or to an error that says which phase, where and why.

use std::error::Error;
use std::io;

use discovery_client::{ClientErrorKind, Endpoint};

use super::*;

const TWO: &str = "https a.example 404
dns _matrix-fed._tcp.a.example SRV 10 5 8448 one.example
dns _matrix-fed._tcp.a.example SRV 20 5 8448 two.example
dns one.example A 192.0.2.1
dns two.example A 192.0.2.2
";

/// A client with short limits.
fn hasty(net: &Net) -> FederationClient {
    let limit = Duration::from_millis(300);
    net.builder().connect_timeout(limit).tls_timeout(limit).response_timeout(limit).build()
}

#[tokio::test]
async fn a_target_that_fails_before_the_request_is_replaced_by_the_next() {
    for act in [Act::SilentFromTheStart, Act::CloseFromTheStart] {
        let net = Net::new(TWO);
        let bad = net.site("192.0.2.1:8448", "a.example", act).await;
        let good = net.site("192.0.2.2:8448", "a.example", Act::Serve).await;
        let client = hasty(&net);
        for number in 1..=2 {
            get(&client, "a.example").await.unwrap();
            assert_eq!((bad.requests(), good.requests()), (0, number), "{act:?}");
        }
        assert_eq!(good.connections(), 1);
    }
}

#[tokio::test]
async fn a_refused_address_is_replaced_by_the_next_and_tried_last_from_then_on() {
    let net = Net::new("dns a.example A 192.0.2.1\ndns a.example A 192.0.2.2\n");
    let good = net.site("192.0.2.2:1", "a.example", Act::Serve).await;
    let client = hasty(&net);
    get(&client, "a.example:1").await.unwrap();
    assert_eq!(good.requests(), 1);
    let resolved = net.discovery.resolve("a.example:1").await.unwrap();
    let order: Vec<_> = resolved.socket_addrs().map(|it| it.to_string()).collect();
    assert_eq!(order, ["192.0.2.2:1", "192.0.2.1:1"]);
}

/// The kind of the only server's failure, whether the request can be sent again, and how many requests arrived.
async fn failure(act: Act) -> (ClientErrorKind, bool, usize) {
    let net = Net::new("dns a.example A 192.0.2.1\n");
    let site = net.site("192.0.2.1:1", "a.example", act).await;
    let client = hasty(&net);
    let sent = client.get(&name("a.example:1"), "/_matrix/x").await;
    let error = match sent {
        Err(error) => error,
        Ok(response) => response.into_body().collect().await.map(|_| ()).unwrap_err(),
    };
    let endpoint = error.endpoint().map(Endpoint::to_string);
    assert_eq!(endpoint.as_deref(), Some("192.0.2.1:1 (a.example)"), "{error}");
    assert!(error.source().is_some() && error.to_string().contains("192.0.2.1:1"), "{error}");
    drop(client);
    site.all_closed().await;
    (error.kind(), error.is_retryable(), site.requests())
}

#[tokio::test]
async fn each_phase_has_its_error() {
    use ClientErrorKind as Kind;
    assert_eq!(failure(Act::SilentFromTheStart).await, (Kind::Timeout, true, 0));
    assert_eq!(failure(Act::CloseFromTheStart).await, (Kind::Tls, true, 0));
    assert_eq!(failure(Act::SilentAfterRequest).await, (Kind::Timeout, false, 1));
    assert_eq!(failure(Act::CloseAfterRequest).await, (Kind::Http, false, 1));
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    assert_eq!(failure(Act::Raw(half)).await, (Kind::Body, false, 1));
    assert_eq!(failure(Act::Raw("SSH-2.0-OpenSSH_9.2\r\n")).await, (Kind::Http, false, 1));
    assert_eq!(failure(Act::EndlessHead).await, (Kind::Http, false, 1));
}

#[tokio::test]
async fn a_connection_closed_after_tls_or_broken_http2_is_an_http_error() {
    for act in [Act::CloseAfterTls, Act::BrokenHttp2] {
        let (kind, _, requests) = failure(act).await;
        assert_eq!((kind, requests), (ClientErrorKind::Http, 0), "{act:?}");
    }
}

#[tokio::test]
async fn a_misdirected_response_is_returned_and_its_connection_not_used_again() {
    let net = Net::new(TWO);
    let answer = "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n\r\n";
    let wrong = net.site("192.0.2.1:8448", "a.example", Act::Raw(answer)).await;
    let right = net.site("192.0.2.2:8448", "a.example", Act::Serve).await;
    let client = net.client();
    let response = client.get(&name("a.example"), "/").await.unwrap();
    assert_eq!(response.status(), 421);
    drop(response);
    assert_eq!(client.pool_stats().idle, 0);
    // The endpoint has been reported, so it is tried last.
    get(&client, "a.example").await.unwrap();
    assert_eq!((wrong.requests(), right.requests()), (1, 1));
}

#[tokio::test]
async fn a_page_of_html_is_returned_and_its_endpoint_tried_last() {
    let net = Net::new(TWO);
    let page =
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html";
    let wrong = net.site("192.0.2.1:8448", "a.example", Act::Raw(page)).await;
    let right = net.site("192.0.2.2:8448", "a.example", Act::Serve).await;
    let client = net.client();
    let response = client.get(&name("a.example"), "/_matrix/federation/v1/version").await.unwrap();
    assert_eq!(text(response).await, "<html");
    get(&client, "a.example").await.unwrap();
    assert_eq!((wrong.requests(), right.requests()), (1, 1));
}

#[tokio::test]
async fn redirects_are_returned_and_followed_within_the_route_if_asked_for() {
    let net = Net::new("dns a.example A 192.0.2.1\n");
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let site = net.site("192.0.2.1:1", "a.example", Act::Raw(redirect)).await;
    let status = net.client().get(&name("a.example:1"), "/").await.unwrap().status();
    assert_eq!((status.as_u16(), site.requests()), (302, 1));
    let client = net.builder().max_redirects(3).build();
    let status = client.get(&name("a.example:1"), "/").await.unwrap().status();
    assert_eq!((status.as_u16(), site.requests()), (302, 5));
    for elsewhere in ["https://b.example:1/", "http://a.example:1/", "//b.example/"] {
        let text =
            format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
        *site.act.lock().unwrap() = Act::Raw(text.leak());
        let before = site.requests();
        let status = client.get(&name("a.example:1"), "/").await.unwrap().status();
        assert_eq!((status.as_u16(), site.requests()), (302, before + 1), "{elsewhere}");
    }
}

#[tokio::test]
async fn a_certificate_that_changes_between_connections_is_refused() {
    let net = Net::new("dns a.example A 192.0.2.1\n");
    let site = net.site("192.0.2.1:1", "a.example", Act::CloseAfterResponse).await;
    let client = net.client();
    get(&client, "a.example:1").await.unwrap();
    site.set_certificate(net.lab.authority(), "b.example");
    let error = get(&client, "a.example:1").await.unwrap_err();
    assert_eq!((error.kind(), site.requests()), (ClientErrorKind::Tls, 1), "{error}");
}

#[tokio::test]
async fn a_lack_of_file_descriptors_is_not_held_against_the_endpoint() {
    let net = Net::new("dns a.example A 192.0.2.1\ndns a.example A 192.0.2.2\n");
    let client = FederationClient::builder(net.discovery.clone())
        .connect(|_| async { Err::<TcpStream, _>(io::Error::from_raw_os_error(24)) })
        .build();
    let error = get(&client, "a.example:1").await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ClientErrorKind::Connect, true));
    let resolved = net.discovery.resolve("a.example:1").await.unwrap();
    let order: Vec<_> = resolved.socket_addrs().map(|it| it.to_string()).collect();
    assert_eq!(order, ["192.0.2.1:1", "192.0.2.2:1"]);
}

#[test]
fn a_runtime_that_shuts_down_in_the_middle_leaves_an_error() {
    let own = tokio::runtime::Runtime::new().unwrap();
    let (net, client) = own.block_on(async {
        let net = Net::new("dns a.example A 192.0.2.1\n");
        let site = net.site("192.0.2.1:1", "a.example", Act::Serve).await;
        let client = net.client();
        get(&client, "a.example:1").await.unwrap();
        drop(site);
        (net, client)
    });
    own.shutdown_background();
    let other = tokio::runtime::Runtime::new().unwrap();
    let error = other.block_on(get(&client, "a.example:1")).unwrap_err();
    assert!(!error.to_string().is_empty());
    drop(net);
}

#[tokio::test]
async fn requests_without_a_valid_server_name_are_refused() {
    use tower::ServiceExt;
    let net = Net::new("dns a.example A 192.0.2.1\n");
    let _site = net.site("192.0.2.1:1", "a.example", Act::Serve).await;
    let send = |uri: &str| {
        let request = http::Request::get(uri).body(String::new()).unwrap();
        net.client().oneshot(request)
    };
    for uri in ["https://a.example:1/", "/_matrix", "matrix-federation://a_b.example/"] {
        assert_eq!(send(uri).await.unwrap_err().kind(), ClientErrorKind::Request, "{uri}");
    }
    let response = send("matrix-federation://a.example:1/_matrix/x?y").await.unwrap();
    assert!(text(response).await.ends_with(" a.example:1 /_matrix/x?y"));
}
