//! Names resolved by an existing hickory resolver.

use discovery_client::discovery_tokio::hickory;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::*;

#[tokio::test]
async fn dns_goes_through_an_existing_resolver() {
    let net = Net::new(
        "https a.example 200 {\"m.server\":\"fed.example\"}\n\
         dns _matrix-fed._tcp.fed.example SRV 10 5 8449 place.example\n\
         dns place.example A 192.0.2.1\n",
    );
    let site = net.site("192.0.2.1:8449", "fed.example", Act::Serve).await;
    let server = net.lab.dns_servers()[0];
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    connections.iter_mut().for_each(|connection| connection.port = server.port());
    let servers = vec![NameServerConfig::new(server.ip(), true, connections)];
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let resolver =
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
    let connector = net.lab.connector();
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    let builder = Discovery::builder(net.lab.client_config()).policy(policy).connect_to(connector);
    let discovery = hickory::spawn(builder, Arc::new(resolver.unwrap())).unwrap();
    let address = site.address;
    let client =
        FederationClient::builder(discovery).connect(move |_| TcpStream::connect(address)).build();
    assert!(get(&client, "a.example").await.unwrap().contains(" fed.example /_matrix"));
    let asked = net.lab.take_asked();
    assert!(!asked.is_empty(), "the lab's name server was asked");
    let error = get(&client, "nothing.example").await.unwrap_err();
    assert_eq!(error.kind(), discovery_client::ClientErrorKind::Resolve, "{error}");
}
