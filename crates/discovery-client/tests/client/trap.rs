//! Two servers with one host name, one port and one certificate name.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpListener;

use super::*;

/// The two homeservers, at two loopback addresses and one port.
async fn servers() -> (Net, Site, Site, u16) {
    let (first, second) = loop {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        if let Ok(second) = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).await {
            break (first, second);
        }
    };
    let port = first.local_addr().unwrap().port();
    let net = Net::new(&format!(
        "https x.example 200 {{\"m.server\":\"fed2.example:{port}\"}}\n\
         https fed2.example 404\n\
         dns fed2.example A 127.0.0.1\n\
         dns _matrix-fed._tcp.fed2.example SRV 10 5 {port} place.example\n\
         dns place.example A 127.0.0.2\n"
    ));
    let first = Site::start_on(first, net.lab.authority(), "fed2.example", Act::Serve);
    let second = Site::start_on(second, net.lab.authority(), "fed2.example", Act::Serve);
    (net, first, second, port)
}

#[tokio::test]
async fn two_servers_with_one_host_name_are_never_confused() {
    let (net, first, second, port) = servers().await;
    let client = FederationClient::builder(net.discovery.clone()).build();
    for _ in 0..3 {
        let (x, fed2) = (get(&client, "x.example").await, get(&client, "fed2.example").await);
        let path = "/_matrix/federation/v1/version";
        assert_eq!(
            x.unwrap(),
            format!("fed2.example {} fed2.example:{port} {path}", first.address)
        );
        assert_eq!(fed2.unwrap(), format!("fed2.example {} fed2.example {path}", second.address));
    }
    assert_eq!((first.connections(), second.connections()), (1, 1));
}

/// Resolves every host name to an address that the caller sets before each request, which is all that a DNS hook can do.
#[derive(Clone, Default)]
struct Hook(Arc<AtomicUsize>);

impl Resolve for Hook {
    fn resolve(&self, _: Name) -> Resolving {
        let last = u8::try_from(self.0.load(Ordering::Relaxed)).unwrap();
        let addresses: Addrs =
            Box::new([SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))].into_iter());
        Box::pin(async move { Ok(addresses) })
    }
}

/// The negative control: the world has the trap, and a client that pools by host name falls into it.
#[tokio::test]
async fn a_client_that_pools_by_host_name_sends_a_request_to_the_wrong_server() {
    let (net, first, second, port) = servers().await;
    let hook = Hook::default();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(rustls::ClientConfig::clone(&net.lab.client_config()))
        .dns_resolver(Arc::new(hook.clone()))
        .build()
        .unwrap();
    let url = format!("https://fed2.example:{port}/_matrix/federation/v1/version");
    for (address, host) in [(1, format!("fed2.example:{port}")), (2, "fed2.example".to_owned())] {
        hook.0.store(address, Ordering::Relaxed);
        let response = client.get(&url).header("host", host).send().await.unwrap();
        response.text().await.unwrap();
    }
    assert_eq!((first.requests(), second.requests()), (2, 0), "both went to the first server");
}
