//! Which requests share a connection, and when connections end.

use discovery_client::discovery_tokio::discovery_core::Resolved;
use discovery_client::{Endpoint, Reused};

use super::*;

const ONE: &str = "https a.example 200 {\"m.server\":\"fed.example:8448\"}
https b.example 200 {\"m.server\":\"fed.example:8448\"}
dns fed.example A 192.0.2.1
";

#[tokio::test]
async fn names_with_the_same_route_share_a_connection() {
    let net = Net::new(ONE);
    let site = net.site("192.0.2.1:8448", "fed.example", Act::Serve).await;
    let client = net.client();
    for to in ["a.example", "b.example", "fed.example:8448", "a.example"] {
        assert!(get(&client, to).await.unwrap().contains(" fed.example:8448 "));
    }
    assert_eq!((site.connections(), site.requests()), (1, 4));
    let stats = client.pool_stats();
    assert_eq!((stats.opened, stats.reused, stats.routes), (1, 3, 1));
}

#[tokio::test]
async fn names_that_differ_in_host_alone_do_not_share_a_connection() {
    let net = Net::new(
        "https fed.example 404\ndns fed.example A 192.0.2.1\n\
         dns _matrix-fed._tcp.fed.example SRV 10 5 8449 fed.example\n",
    );
    let site = net.site("192.0.2.1:8449", "fed.example", Act::Serve).await;
    let client = net.client();
    for to in ["fed.example", "fed.example:8449", "fed.example", "fed.example:8449"] {
        let host = format!(" {to} ");
        assert!(get(&client, to).await.unwrap().contains(&host));
    }
    assert_eq!((site.connections(), site.requests()), (2, 4));
}

#[tokio::test]
async fn http2_requests_share_one_connection() {
    let net = Net::new(ONE);
    let site = net.site("192.0.2.1:8448", "fed.example", Act::ServeHttp2).await;
    let client = net.client();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        requests.spawn(async move { get(&client, "a.example").await.unwrap() });
    }
    for answer in requests.join_all().await {
        assert!(answer.contains(" fed.example:8448 /_matrix"), "{answer}");
    }
    assert_eq!((site.connections(), site.requests()), (1, 20));
    drop(client);
    site.all_closed().await;
}

#[tokio::test]
async fn a_response_names_its_endpoint_and_result() {
    let net = Net::new(ONE);
    let _site = net.site("192.0.2.1:8448", "fed.example", Act::Serve).await;
    let client = net.client();
    for reused in [false, true] {
        let response = client.get(&name("a.example"), "/").await.unwrap();
        let of = response.extensions();
        let endpoint = of.get::<Endpoint>().unwrap();
        assert_eq!(endpoint.address, Some("192.0.2.1:8448".parse().unwrap()));
        assert_eq!(endpoint.to_string(), "192.0.2.1:8448 (fed.example)");
        assert_eq!(of.get::<Arc<Resolved>>().unwrap().server_name.as_str(), "a.example");
        assert_eq!(of.get::<Reused>(), Some(&Reused(reused)));
        text(response).await;
    }
}

#[tokio::test]
async fn concurrent_requests_and_connections_are_bounded() {
    let net = Net::new(ONE);
    let site = net.site("192.0.2.1:8448", "fed.example", Act::Serve).await;
    let client = net.builder().max_requests_per_route(3).build();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let client = client.clone();
        requests.spawn(async move { get(&client, "a.example").await.unwrap() });
    }
    requests.join_all().await;
    assert_eq!(site.requests(), 60);
    assert!(site.seen.most_open.load(std::sync::atomic::Ordering::Relaxed) <= 3);
}

#[tokio::test]
async fn a_dropped_client_closes_its_connections() {
    let net = Net::new(ONE);
    let site = net.site("192.0.2.1:8448", "fed.example", Act::Serve).await;
    let client = net.client();
    get(&client, "a.example").await.unwrap();
    assert_eq!(client.pool_stats().idle, 1);
    drop(client);
    site.all_closed().await;
}

#[tokio::test]
async fn a_dropped_request_closes_its_connection_and_gives_its_slot_back() {
    let net = Net::new(ONE);
    let site = net.site("192.0.2.1:8448", "fed.example", Act::SilentAfterRequest).await;
    let client = net.builder().max_requests_per_route(1).build();
    let mut open = site.seen.open.subscribe();
    let server = name("a.example");
    let mut request = Box::pin(client.get(&server, "/"));
    tokio::select! {
        biased;
        _ = &mut request => panic!("the server is silent"),
        _ = open.wait_for(|open| *open == 1) => {}
    }
    drop(request);
    site.all_closed().await;
    *site.act.lock().unwrap() = Act::Serve;
    get(&client, "a.example").await.unwrap();
}

#[tokio::test]
async fn a_response_body_that_is_dropped_unread_closes_its_connection() {
    let net = Net::new(ONE);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun";
    let site = net.site("192.0.2.1:8448", "fed.example", Act::Raw(head)).await;
    let client = net.builder().max_requests_per_route(1).build();
    drop(client.get(&name("a.example"), "/").await.unwrap());
    site.all_closed().await;
    *site.act.lock().unwrap() = Act::Serve;
    get(&client, "a.example").await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_timeout() {
    let net = Net::new(ONE);
    let site = net.site("192.0.2.1:8448", "fed.example", Act::Serve).await;
    let client = net.builder().idle_timeout(Duration::from_millis(50)).build();
    get(&client, "a.example").await.unwrap();
    site.all_closed().await;
    let stats = client.pool_stats();
    assert_eq!((stats.idle, stats.routes), (0, 0));
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_replaced() {
    let net = Net::new(ONE);
    let site = net.site("192.0.2.1:8448", "fed.example", Act::CloseAfterResponse).await;
    let client = net.client();
    for number in 1..=5 {
        get(&client, "a.example").await.unwrap();
        assert_eq!(site.requests(), number, "no request is sent twice");
    }
}

#[tokio::test]
async fn a_name_that_moves_leaves_its_old_connections() {
    let net = Net::new(ONE);
    let old = net.site("192.0.2.1:8448", "fed.example", Act::Serve).await;
    let new = net.site("192.0.2.2:8448", "moved.example", Act::Serve).await;
    let client = net.client();
    get(&client, "a.example").await.unwrap();
    let moved = Scenario::parse(
        "https a.example 200 {\"m.server\":\"moved.example:8448\"}\ndns moved.example A 192.0.2.2\n",
    );
    net.lab.set_world(moved.unwrap().world_at(Duration::ZERO));
    net.discovery.forget(&name("a.example"));
    assert!(get(&client, "a.example").await.unwrap().contains(" moved.example:8448 "));
    old.all_closed().await;
    assert_eq!((old.requests(), new.requests()), (1, 1));
    assert_eq!(client.pool_stats().routes, 1);
}

#[tokio::test]
async fn a_name_that_no_longer_resolves_fails_though_a_connection_is_open() {
    let net = Net::new(ONE);
    let site = net.site("192.0.2.1:8448", "fed.example", Act::Serve).await;
    let client = net.client();
    get(&client, "a.example").await.unwrap();
    net.lab.set_world(Scenario::parse("").unwrap().world_at(Duration::ZERO));
    net.discovery.forget(&name("a.example"));
    let error = get(&client, "a.example").await.unwrap_err();
    assert_eq!(error.kind(), discovery_client::ClientErrorKind::Resolve);
    assert_eq!(site.requests(), 1);
}

#[tokio::test]
async fn a_thousand_names_at_one_address_stay_within_the_bounds() {
    let mut world = String::from("dns shared.example A 192.0.2.1\n");
    for n in 0..1000 {
        world += &format!("https n{n}.example 200 {{\"m.server\":\"192.0.2.1:{}\"}}\n", 10_000 + n);
    }
    let net = Net::new(&world);
    let site = Site::start(net.lab.authority(), "192.0.2.1", Act::Serve).await;
    for n in 0..1000 {
        let address = format!("192.0.2.1:{}", 10_000 + n).parse().unwrap();
        net.sites.lock().unwrap().insert(address, site.address);
    }
    let client = net.builder().max_idle(50, 2).build();
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..1000 {
        let client = client.clone();
        requests.spawn(async move { get(&client, &format!("n{n}.example")).await.unwrap() });
        if n % 50 == 49 {
            while requests.join_next().await.is_some() {}
        }
    }
    assert_eq!((site.requests(), site.connections()), (1000, 1000));
    assert!(client.pool_stats().idle <= 50, "{:?}", client.pool_stats());
    assert!(client.pool_stats().routes <= 100, "{:?}", client.pool_stats());
}
