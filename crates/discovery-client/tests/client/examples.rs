//! The examples run against the servers of these tests.

#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/key_fetcher.rs"]
mod key_fetcher;
#[cfg(feature = "reqwest")]
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/reqwest.rs"]
mod reqwest;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/socks5.rs"]
mod socks5;
#[allow(dead_code, reason = "its `main`")]
#[path = "../../examples/tower_stack.rs"]
mod tower_stack;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::*;

#[tokio::test]
async fn keys_are_fetched_from_many_servers() {
    let net = Net::new("dns a.example A 192.0.2.1\ndns b.example A 192.0.2.2\n");
    let _a = net.site("192.0.2.1:1", "a.example", Act::Serve).await;
    let names = ["a.example:1", "b.example:1"].map(name).to_vec();
    let (client, path) = (net.client(), "/_matrix/key/v2/server");
    let mut keys: Vec<_> = key_fetcher::fetch_all(&client, path, names).collect().await;
    keys.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(keys[0].1.as_ref().unwrap().ends_with("a.example:1 /_matrix/key/v2/server"));
    assert!(keys[1].1.as_ref().unwrap_err().to_string().contains("192.0.2.2:1"));
}

#[tokio::test]
async fn a_stack_retries_what_was_not_sent() {
    let net = Net::new("dns a.example A 192.0.2.1\n");
    let site = net.site("192.0.2.1:1", "a.example", Act::CloseFromTheStart).await;
    let uri = "matrix-federation://a.example:1/_matrix/federation/v1/version";
    let send = || {
        let request = http::Request::get(uri).body(String::new()).unwrap();
        tower_stack::stack(net.client()).oneshot(request)
    };
    send().await.unwrap_err();
    assert_eq!((site.connections(), site.requests()), (2, 0));
    *site.act.lock().unwrap() = Act::CloseAfterRequest;
    send().await.unwrap_err();
    assert_eq!(site.requests(), 1, "what was written is not sent again");
}

#[cfg(feature = "reqwest")]
#[tokio::test]
async fn reqwest_sends_each_request_to_its_own_server() {
    let net = Net::new("dns a.example A 127.0.0.1\ndns b.example A 127.0.0.1\n");
    let a = Site::start(net.lab.authority(), "a.example", Act::Serve).await;
    let b = Site::start(net.lab.authority(), "b.example", Act::Serve).await;
    let clients = discovery_client::reqwest::Clients::new(net.lab.client_config(), 1);
    for _ in 0..2 {
        for (site, host) in [(&a, "a.example"), (&b, "b.example")] {
            let name = format!("{host}:{}", site.address.port());
            let text = reqwest::version(&net.discovery, &clients, &name).await.unwrap();
            assert_eq!(
                text,
                format!("{host} {} {name} /_matrix/federation/v1/version", site.address)
            );
        }
    }
}

/// A SOCKS5 proxy that sends every connection to one address, and tells the hosts that it was asked for.
async fn proxy(to: std::net::SocketAddr) -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let hosts = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut greeting = [0; 3];
            client.read_exact(&mut greeting).await.unwrap();
            client.write_all(&[5, 0]).await.unwrap();
            let mut head = [0; 5];
            client.read_exact(&mut head).await.unwrap();
            let mut host = vec![0; usize::from(head[4])];
            client.read_exact(&mut host).await.unwrap();
            let port = client.read_u16().await.unwrap();
            hosts.lock().unwrap().push(format!("{}:{port}", String::from_utf8(host).unwrap()));
            client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            let mut server = TcpStream::connect(to).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut client, &mut server).await },
            );
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_proxy_resolves_the_names_of_targets() {
    let net = Net::new("");
    let site = Site::start(net.lab.authority(), "abc.onion", Act::Serve).await;
    let (proxy, asked) = proxy(site.address).await;
    let builder = Discovery::builder(net.lab.client_config())
        .name_servers(net.lab.dns_servers().to_vec())
        .connect_to(net.lab.connector());
    let client = socks5::client(builder, proxy).unwrap();
    assert!(get(&client, "abc.onion").await.unwrap().contains(" abc.onion "));
    assert_eq!(*asked.lock().unwrap(), ["abc.onion:8448"]);
}
