//! Adapters with one defect each: the check for the defect complains, and no check complains about a correct adapter.
//!
//! One test, because the kit counts resources of the process.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "tests"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use discovery_core::{Disposition, Feedback, Policy, Routes, ServerName};
use discovery_lab::kit::{Adapter, Check, Client, Lookup, OnDiscovery, Setup, Timers, Trouble};
use discovery_tokio::Discovery;

/// The defect of an adapter.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    /// It has a policy of its own.
    Policy,
    /// It does not call the hook for GETs.
    Fetch,
    /// It does not call the hook for connections.
    Connect,
    /// It polls the machine all the time.
    Restless,
    /// Dropping a future stops nothing.
    Stubborn,
    /// Ending the client stops nothing.
    Endless,
    /// Each client leaves a thread behind.
    Leaks,
    /// Its clock stands still.
    Frozen,
}

struct Erring(Wrong);

impl Adapter for Erring {
    fn name(&self) -> &'static str {
        "erring"
    }

    fn timers(&self) -> Timers {
        Timers::Tokio
    }

    fn start(&self, mut setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let (wrong, routes) = (self.0, setup.routes);
        let watcher = setup.watcher();
        match wrong {
            Wrong::Policy => setup.policy = Policy::default(),
            Wrong::Fetch => setup.fetch_from = Box::new(|get| get.address),
            Wrong::Connect => setup.connect_to = Box::new(|address, _| address),
            Wrong::Leaks => drop(std::thread::spawn(std::thread::park)),
            Wrong::Frozen => {
                let now = (setup.clock)();
                setup.clock = Box::new(move || now);
            }
            Wrong::Nothing | Wrong::Restless | Wrong::Stubborn | Wrong::Endless => {}
        }
        let (discovery, driver) = discovery_tokio::build(setup.into_builder())?;
        let driver = tokio::spawn(watcher.watched(discovery_tokio::run(driver)));
        if wrong == Wrong::Restless {
            let discovery = discovery.clone();
            tokio::spawn(async move {
                loop {
                    discovery.handle_timeout();
                    tokio::task::yield_now().await;
                }
            });
        }
        let stubborn = (wrong == Wrong::Stubborn).then(|| discovery.clone());
        let client = OnDiscovery::new(discovery, routes, move || {
            if wrong != Wrong::Endless {
                driver.abort();
            }
        });
        Ok(match stubborn {
            Some(discovery) => Box::new(Stubborn { client, discovery }),
            None => Box::new(client),
        })
    }
}

/// A client whose lookups go on when they are dropped.
struct Stubborn<C> {
    client: C,
    discovery: Discovery,
}

impl<C: Client> Client for Stubborn<C> {
    fn resolve(&self, name: &ServerName) -> Lookup {
        drop(tokio::spawn(self.discovery.resolve(name)));
        self.client.resolve(name)
    }

    fn poke(&self) {
        self.client.poke();
    }

    fn deadline(&self) -> Option<Instant> {
        self.client.deadline()
    }

    fn set_routes(&self, routes: Routes) {
        self.client.set_routes(routes);
    }

    fn report(&self, name: &ServerName, place: SocketAddr, said: Feedback) -> Disposition {
        self.client.report(name, place, said)
    }
}

#[test]
fn each_error_is_found_by_the_check_that_is_there_for_it() {
    for (check, wrong) in [
        ("worlds", Wrong::Policy),
        ("worlds", Wrong::Fetch),
        ("requests", Wrong::Connect),
        ("faults", Wrong::Policy),
        ("descriptors", Wrong::Connect),
        ("cancellation", Wrong::Stubborn),
        ("shutdown", Wrong::Endless),
        ("load", Wrong::Policy),
        ("leaks", Wrong::Leaks),
        ("idle", Wrong::Restless),
        ("deadlines", Wrong::Frozen),
    ] {
        let check = Check::ALL.into_iter().find(|one| one.name == check).unwrap();
        let guard = Duration::from_secs(2);
        let adapter: Arc<dyn Adapter> = Arc::new(Erring(wrong));
        let found = check.run_within(guard, &adapter).unwrap();
        assert!(!found.complaints.is_empty(), "{wrong:?} is not found by {}", check.name);
        println!("{} finds {wrong:?}: {:?}", check.name, found.complaints.first());
    }
    let right: Arc<dyn Adapter> = Arc::new(Erring(Wrong::Nothing));
    for check in Check::ALL {
        let found = check.run(&right).unwrap();
        assert!(found.complaints.is_empty(), "{}: {:#?}", check.name, found.complaints);
    }
}
