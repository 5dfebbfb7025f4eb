//! Adapters that err, each in its own way: the check that is there for it complains, and none complains of the right one.
//!
//! One test, for what the kit counts is the process's own.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::Duration;

use discovery_core::Policy;
use discovery_lab::kit::{Adapter, Check, Client, OnHandle, Setup, Timers, Trouble};
use discovery_tokio::Discovery;

/// What is wrong with an adapter.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    /// It has a policy of its own.
    Policy,
    /// It does not ask where to fetch documents from.
    Fetch,
    /// It does not ask where to connect.
    Connect,
    /// It looks at the machine all the time.
    Restless,
    /// Dropping a future stops nothing.
    Stubborn,
    /// Its end stops nothing.
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
        let (discovery, driver) = Discovery::builder(setup.tls)
            .policy(setup.policy)
            .seed(setup.seed)
            .name_servers(setup.name_servers)
            .connect_to(setup.connect_to)
            .fetch_from(setup.fetch_from)
            .clock(setup.clock)
            .probe_routes(false)
            .build()?;
        let driver = tokio::spawn(watcher.watched(driver));
        let handle = discovery.handle().clone();
        if wrong == Wrong::Restless {
            let handle = handle.clone();
            tokio::spawn(async move {
                loop {
                    handle.handle_timeout();
                    tokio::task::yield_now().await;
                }
            });
        }
        let resolve = move |name: &_| {
            let lookup = discovery.resolve(name);
            if wrong == Wrong::Stubborn {
                // A task goes on where nobody waits for it.
                drop(tokio::spawn(discovery.resolve(name)));
            }
            lookup
        };
        let client = OnHandle::new(handle, resolve, move || {
            if wrong != Wrong::Endless {
                driver.abort();
            }
        });
        client.set_routes(routes);
        Ok(Box::new(client))
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
        ("crowd", Wrong::Policy),
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
