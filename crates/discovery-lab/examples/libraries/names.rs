//! Answers DNS requests with hickory-resolver, and translates its results.

use discovery_core::{DnsError, DnsReply, DnsRequest};
use discovery_tokio::hickory;
use discovery_wire::Transport;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::common::Settings;

/// A resolver without a cache, because the machine has one. There is one for each question: on a shared connection, a
/// broken reply of a server would fail other questions.
fn resolver(settings: &Settings) -> Result<TokioResolver, NetError> {
    let mut servers = Vec::new();
    for server in &settings.name_servers {
        let [udp, tcp] =
            [Transport::Udp, Transport::Tcp].map(|by| (settings.connect_to)(*server, by));
        if udp.ip() != tcp.ip() {
            return Err("a name server is at one address, whatever it is spoken to by".into());
        }
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for (connection, place) in connections.iter_mut().zip([udp, tcp]) {
            connection.port = place.port();
        }
        // After "no such name" no other server is asked.
        servers.push(NameServerConfig::new(udp.ip(), true, connections));
    }
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    // The library retries within this time; the machine decides what follows.
    options.attempts = 0;
    options.timeout = settings.policy.dns.timeout;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.case_randomization = true;
    builder.build()
}

/// Sends the question and translates the result.
pub(crate) async fn ask(settings: &Settings, question: &DnsRequest) -> Result<DnsReply, DnsError> {
    let resolver = resolver(settings).map_err(|_| DnsError::Local)?;
    hickory::answer(&resolver, question).await
}
