//! One check: the lookup, then every address of everything that it leads to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use discovery_core::{Instant as CoreInstant, ServerName, Step, TlsName};
use discovery_driver::Discovery;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::judge::{Evidence, Lookup, has_document, places};
use crate::probe::{DocumentProbe, Place, TargetProbe, now};
use crate::tls::Tls;

/// How long a whole check may take.
const TOTAL: Duration = Duration::from_secs(10);
/// Addresses of the homeserver that are tried, at most.
const MAX_TARGETS: usize = 8;
/// Addresses of the web server that are tried, at most.
const MAX_DOCUMENTS: usize = 4;

/// Where to connect instead of an address.
type Connector = Arc<dyn Fn(&str, SocketAddr) -> SocketAddr + Send + Sync>;

/// Checks servers. It can be cloned: clones share the discoveries and the certificate authorities.
#[derive(Clone)]
pub struct Checker {
    discovery: Discovery,
    legacy: Option<Discovery>,
    tls: Arc<Tls>,
    connector: Connector,
    total: Duration,
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").finish_non_exhaustive()
    }
}

impl Checker {
    /// A checker that resolves by `discovery` and trusts `roots`.
    ///
    /// # Errors
    /// When the roots are of no use.
    pub fn new(
        discovery: Discovery,
        provider: Arc<CryptoProvider>,
        roots: Arc<RootCertStore>,
    ) -> Result<Self, String> {
        Ok(Self {
            discovery,
            legacy: None,
            tls: Arc::new(Tls::new(provider, roots)?),
            connector: Arc::new(|_, address| address),
            total: TOTAL,
        })
    }

    /// Also looks names up by a discovery that follows a revision before `_matrix-fed` (v1.7), to see where older servers go.
    #[must_use]
    pub fn legacy(mut self, discovery: Discovery) -> Self {
        self.legacy = Some(discovery);
        self
    }

    /// Connects elsewhere in place of each address of a host: for tests and for `--connect-to`.
    #[must_use]
    pub fn connect_to(
        mut self,
        connector: impl Fn(&str, SocketAddr) -> SocketAddr + Send + Sync + 'static,
    ) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// How long a whole check may take; 10 s. What is not known by then counts as silent.
    #[must_use]
    pub fn timeout(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// Gathers what there is to know about a name. It never fails: what fails is part of the evidence.
    ///
    /// To be called within a tokio runtime with I/O and time.
    pub async fn check(&self, input: &str) -> Evidence {
        let begun = Instant::now();
        let at_s = now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut evidence = Evidence {
            input: input.to_owned(),
            name: input.to_owned(),
            at_s,
            took_ms: 0,
            lookup: Lookup::Invalid(discovery_core::InvalidServerName::EmptyHost),
            cache_s: None,
            legacy: None,
            documents: Vec::new(),
            targets: Vec::new(),
            left_out: 0,
        };
        match ServerName::parse(input) {
            Ok(name) => self.evidence(&name, begun, &mut evidence).await,
            Err(why) => evidence.lookup = Lookup::Invalid(why),
        }
        evidence.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        evidence
    }

    async fn evidence(&self, name: &ServerName, begun: Instant, evidence: &mut Evidence) {
        let lookup = self.discovery.resolve(name);
        let outcome = match timeout(self.total, lookup).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Arc::new(discovery_core::ResolveError::bare(
                discovery_core::ErrorKind::TimedOut,
            ))),
        };
        let mut probes = JoinSet::new();
        if has_document(name) {
            self.probe_documents(name, &mut probes);
        }
        if let Ok(resolved) = &outcome {
            let clock = self.discovery.clock().to_core(Instant::now());
            let left = |until: CoreInstant| until.saturating_duration_since(clock).as_secs();
            evidence.cache_s = resolved.expires.map(left);
            evidence.left_out = self.probe_targets(name, resolved, &mut probes);
        }
        if let (Some(legacy), Ok(resolved)) = (&self.legacy, &outcome)
            && matches!(resolved.step, Step::FedService | Step::DelegatedFedService)
        {
            let (legacy, name) = (legacy.clone(), name.clone());
            probes.spawn(async move {
                Probe::Legacy(match legacy.resolve(&name).await {
                    Ok(resolved) => places(&resolved),
                    Err(_) => Default::default(),
                })
            });
        }
        evidence.lookup = Lookup::Ended(outcome);
        let left = self.total.saturating_sub(begun.elapsed());
        let _ = timeout(left, async {
            while let Some(probe) = probes.join_next().await {
                match probe {
                    Ok(Probe::Document(documents)) => evidence.documents.extend(documents),
                    Ok(Probe::Target(target)) => evidence.targets.push(*target),
                    Ok(Probe::Legacy(places)) => evidence.legacy = Some(places),
                    Err(_) => {}
                }
            }
        })
        .await;
        // Probes that did not end in time are stopped; their servers count as silent.
        if let Lookup::Ended(Ok(resolved)) = &evidence.lookup {
            for (address, host) in endpoints(resolved).into_iter().take(MAX_TARGETS) {
                if !evidence
                    .targets
                    .iter()
                    .any(|target| target.address == address && target.host == host)
                {
                    evidence.targets.push(TargetProbe::silent(address, host));
                }
            }
        }
        // As they come is by chance; IPv4 first reads better.
        evidence.documents.sort_by_key(|document| (document.address.is_ipv6(), document.address));
        evidence.targets.sort_by_key(|target| (target.address.is_ipv6(), target.address));
    }

    /// Fetches the document from every address of the name.
    fn probe_documents(&self, name: &ServerName, probes: &mut JoinSet<Probe>) {
        let host = name.host_str().to_owned();
        // With a port nothing but addresses is asked for.
        let Ok(place) = ServerName::parse(&format!("{host}:443")) else { return };
        let (discovery, tls, connector) =
            (self.discovery.clone(), Arc::clone(&self.tls), Arc::clone(&self.connector));
        probes.spawn(async move {
            let Ok(resolved) = discovery.resolve(&place).await else {
                return Probe::Document(Vec::new());
            };
            let mut fetches = JoinSet::new();
            for address in resolved.socket_addrs().take(MAX_DOCUMENTS) {
                let (tls, tls_name, host) =
                    (Arc::clone(&tls), resolved.tls_name.clone(), host.clone());
                let real = connector(&host, address);
                fetches.spawn(async move {
                    tls.document(Place { address, real, tls_name: &tls_name, host: &host }).await
                });
            }
            Probe::Document(fetches.join_all().await)
        });
    }

    /// Tries every address of the homeserver. Returns how many were left out.
    fn probe_targets(
        &self,
        name: &ServerName,
        resolved: &discovery_core::Resolved,
        probes: &mut JoinSet<Probe>,
    ) -> usize {
        let all = endpoints(resolved);
        let host = resolved.host_header_str().to_owned();
        // Where a proxy does not know the right name, it most likely knows the other one.
        let others = [resolved.tls_name.to_string(), name.as_str().to_owned()];
        let other = others.into_iter().find(|other| *other != host);
        for (address, target) in all.iter().take(MAX_TARGETS).cloned() {
            let (tls, host, other) = (Arc::clone(&self.tls), host.clone(), other.clone());
            let tls_name: TlsName = resolved.tls_name.clone();
            let real = (self.connector)(&target, address);
            probes.spawn(async move {
                let place = Place { address, real, tls_name: &tls_name, host: &host };
                Probe::Target(Box::new(tls.target(place, target, other.as_deref()).await))
            });
        }
        all.len().saturating_sub(MAX_TARGETS)
    }
}

/// Every address of a result, with its host.
fn endpoints(resolved: &discovery_core::Resolved) -> Vec<(SocketAddr, String)> {
    let targets = resolved.targets.iter();
    targets
        .flat_map(|target| target.socket_addrs().map(|address| (address, target.host.to_string())))
        .collect()
}

enum Probe {
    Document(Vec<DocumentProbe>),
    Target(Box<TargetProbe>),
    Legacy(std::collections::BTreeSet<String>),
}
