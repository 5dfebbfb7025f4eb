//! The adapter for the example that uses libraries for DNS and HTTP, on the runtime of the kit's servers.

#[allow(dead_code, reason = "of an example only its driver is tried")]
#[path = "../../crates/discovery-lab/examples/libraries/main.rs"]
mod example;

use discovery_lab::kit::{Adapter, Client, OnDiscovery, Setup, Timers, Trouble};
use discovery_sim::{Line, Scenario, Served};

/// Checks of the kit that the libraries cannot pass, with reasons.
pub(super) const EXCEPTIONS: [(&str, &str); 3] =
    [("worlds", AN_ADDRESS), ("requests", AN_ADDRESS), ("faults", CLOSED_PORT)];

const AN_ADDRESS: &str = "reqwest connects to an address in a URL, whatever its resolver returns";
const CLOSED_PORT: &str =
    "hickory-resolver's datagram sockets are not connected, so it never hears of a closed port";
const ATTEMPTS: &str = "hickory-resolver has its own times for further attempts";
const FAULTY: &str = "hickory-resolver does not read messages with such faults";
const ALIAS: &str = "to hickory-resolver an alias that leads nowhere is a name without records";

/// The beginnings of headers of scenarios that the libraries cannot run, with reasons.
const BEYOND: [(&str, &str); 16] = [
    ("R97: the port of the only name server is closed", CLOSED_PORT),
    ("`dns.attempts`", ATTEMPTS),
    ("`dns.retry_interval`", ATTEMPTS),
    ("`dns.min_retry_interval`", ATTEMPTS),
    ("`dns.timeout`: 10 s in all", ATTEMPTS),
    ("`dns.timeout`, I14", ATTEMPTS),
    ("RFC 1035 §4.1", FAULTY),
    (
        "`well_known.response_wait`: after 2.5 s without a response another address is tried in parallel; both",
        "reqwest does not tell when it has connected",
    ),
    ("R102: a TTL with the top bit set", "hickory-resolver takes it for a long one"),
    ("R94: aliases in a loop", ALIAS),
    ("R94: a loop that shows only hop by hop", ALIAS),
    ("R94: a loop that does not include the name itself", ALIAS),
    ("R94: a name that is an alias of itself", ALIAS),
    ("R94: an alias to an invalid host name", ALIAS),
    (
        "R94: an alias at the owner of the SRV records",
        "hickory-resolver brings no SRV records behind one",
    ),
    ("R114: a redirect to an IP literal", AN_ADDRESS),
];

/// hickory-resolver and reqwest.
#[derive(Clone, Copy, Debug)]
pub struct Libraries;

impl Adapter for Libraries {
    fn name(&self) -> &'static str {
        "libraries"
    }

    // The libraries use tokio's timers.
    fn timers(&self) -> Timers {
        Timers::Tokio
    }

    fn declines(&self, scenario: &Scenario) -> Option<&'static str> {
        let of_servers = |line: &Line| {
            matches!(line, Line::Servers(_) | Line::Server(..))
                || matches!(line, Line::Set { field, .. } if field == "dns.transport")
        };
        if scenario.lines.iter().any(of_servers) {
            return Some("hickory-resolver chooses how to ask name servers");
        }
        let raw = |line: &Line| matches!(line, Line::Https(line) if matches!(line.page.answer, Served::Raw { .. }));
        if scenario.lines.iter().any(raw) {
            return Some("reqwest reads responses by rules of its own");
        }
        scenario.lines.iter().find_map(|line| {
            let Line::Comment(text) = line else { return None };
            let beyond = BEYOND.iter().find(|(begins, _)| text.trim_start().starts_with(begins));
            beyond.map(|(_, why)| *why)
        })
    }

    fn start(&self, setup: Setup) -> Result<Box<dyn Client>, Trouble> {
        let routes = setup.routes;
        let settings = super::by_hand::settings!(example, setup, setup.clock);
        let discovery = example::spawn(settings)?;
        let closing = discovery.clone();
        Ok(Box::new(OnDiscovery::new(discovery, routes, move || closing.close())))
    }
}
