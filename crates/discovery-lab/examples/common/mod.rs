//! The setup of every example: authorities, name servers, hooks, and names to resolve.
//!
//! Each example resolves the names in its own way.

pub(crate) mod messages;
pub(crate) mod sockets;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use discovery_core::{Config, HttpGet, Outcome, Policy, Request, Routes, ServerName};
use discovery_driver::{Builder, Environment, System};
use discovery_lab::{Lab, LabOptions, built_in, built_in_names, hurried};
use discovery_wire::{Exchange, NameServers, NoEntropy, Transport, client_config};
use rustls::ClientConfig;

/// Replaces the address to connect to.
pub(crate) type ConnectTo = Box<dyn Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync>;

/// The setup for resolving names.
pub(crate) struct Settings {
    /// The TLS configuration.
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) policy: Policy,
    pub(crate) seed: u64,
    /// The name servers. Requests refer to them by index.
    pub(crate) name_servers: Vec<SocketAddr>,
    /// The hook that replaces addresses to connect to.
    pub(crate) connect_to: ConnectTo,
    /// The hook that replaces addresses of GETs.
    pub(crate) fetch_from: Box<dyn Fn(&HttpGet) -> SocketAddr + Send + Sync>,
    pub(crate) routes: Routes,
    /// The clock of the machine. Timers may use another one, because early and late timeouts are harmless.
    pub(crate) clock: Box<dyn Fn() -> Instant + Send + Sync>,
}

impl Settings {
    /// The configuration of the machine.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(self.policy.clone());
        config.name_servers = u8::try_from(self.name_servers.len()).unwrap_or(u8::MAX);
        config.seed = self.seed;
        config.routes = self.routes;
        config
    }

    /// The exchange for a request. None: the name server does not exist, which is a local failure.
    pub(crate) fn exchange(&self, request: &Request) -> Option<Exchange> {
        let mut entropy =
            |bytes: &mut [u8]| -> Result<(), NoEntropy> { System::default().fill_random(bytes) };
        match request {
            Request::Dns(question) => {
                let server = self.name_servers.get(usize::from(question.server))?;
                Some(Exchange::dns(question, *server, &mut entropy))
            }
            Request::Http(get) => {
                let mut get = HttpGet::clone(get);
                get.address = (self.fetch_from)(&get);
                Some(Exchange::http(&get, Arc::clone(&self.tls)))
            }
        }
    }

    /// A builder with this setup.
    pub(crate) fn into_builder(self) -> Builder {
        Builder::new(self.tls)
            .policy(self.policy)
            .seed(self.seed)
            .name_servers(self.name_servers)
            .connect_to(self.connect_to)
            .fetch_from(self.fetch_from)
            .clock(self.clock)
            .probe_routes(false)
    }

    /// The name servers and authorities of the system.
    fn of_system() -> Result<Self, Box<dyn Error>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = client_config(rustls::crypto::ring::default_provider(), roots)?;
        let system = System::default();
        let interface_index = |name: &str| system.interface_index(name);
        Ok(Self {
            tls: Arc::new(tls),
            policy: Policy::default(),
            seed: getrandom::u64()?,
            name_servers: NameServers::from_resolv_conf(&system.resolv_conf(), interface_index)
                .addresses,
            connect_to: Box::new(|address, _| address),
            fetch_from: Box::new(|get| get.address),
            routes: Routes::default(),
            clock: Box::new(Instant::now),
        })
    }

    /// The setup for a lab whose seconds are divided by `divisor`.
    pub(crate) fn of_lab(lab: &Lab, divisor: u32) -> Self {
        Self {
            tls: lab.client_config(),
            policy: hurried(built_in().policy(), divisor),
            seed: 0,
            name_servers: lab.dns_servers().to_vec(),
            connect_to: Box::new(lab.connector()),
            fetch_from: Box::new(|get| get.address),
            routes: Routes::default(),
            clock: Box::new(Instant::now),
        }
    }
}

/// Resolves the names of the command line, or those of the lab's built-in world, and prints the results.
pub(crate) fn run(
    resolve_all: impl FnOnce(Settings, &[ServerName]) -> io::Result<Vec<Outcome>>,
) -> Result<(), Box<dyn Error>> {
    const DIVISOR: u32 = 20;
    let given: Vec<String> = std::env::args().skip(1).collect();
    let (settings, texts, lab);
    if given.is_empty() {
        let mut options = LabOptions::default();
        options.divisor = DIVISOR;
        lab = Lab::start_with(built_in().world_at(Duration::ZERO), options)?;
        settings = Settings::of_lab(&lab, DIVISOR);
        texts = built_in_names().into_iter().map(|built_in| built_in.name).collect();
    } else {
        settings = Settings::of_system()?;
        texts = given;
    }
    // An invalid server name is an error by itself.
    let (names, no_names): (Vec<_>, Vec<_>) = texts
        .iter()
        .map(|text| ServerName::parse(text).map_err(|why| (text, why)))
        .partition(Result::is_ok);
    let names: Vec<ServerName> = names.into_iter().flatten().collect();
    for (name, outcome) in names.iter().zip(resolve_all(settings, &names)?) {
        match &outcome {
            Ok(resolved) => {
                let places: Vec<_> = resolved.socket_addrs().map(|to| to.to_string()).collect();
                println!("{name}: {} (Host: {})", places.join(" "), resolved.host_header_str());
            }
            Err(failed) => println!("{name}: {failed}"),
        }
    }
    for (text, why) in no_names.into_iter().filter_map(Result::err) {
        println!("{text}: {why}");
    }
    Ok(())
}
