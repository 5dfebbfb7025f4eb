//! Adversaries: bytes decoded into runs that no well-behaved world or driver would lead to.
//!
//! The bodies of the fuzz targets, and what the property tests are driven by. Every list of bytes is a case, so that corpora
//! stay readable, survive changes and shrink well. Nothing here knows what must come out; [`Monitor`](crate::Monitor) knows what must hold.

mod cache;
mod drive;
mod export;
mod grammar;
mod reply;
mod settings;
mod texts;

use std::net::IpAddr;

use discovery_core::{DnsName, Host, Resolution, Resolver, ServerName};

pub use cache::cache_target;
pub(crate) use drive::nth;
pub use drive::{Adversary, Op, Trace};
pub use export::{AT, export_target, sealed};
pub use grammar::{Form, form};
pub use reply::{HOSTS, NAMES, Table, said, server_name};
pub use settings::Settings;
pub use texts::{document_target, scenario_target};

use crate::run::{START, Violation};

/// A whole case: how the machine is set up, and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// How the machine is set up.
    pub settings: Settings,
    /// The moves, in order.
    pub ops: Vec<Op>,
}

impl Case {
    /// Reads a case: the settings first, then four bytes for each thing done. What is missing is zero.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let (settings, ops) = bytes.split_at(bytes.len().min(Settings::BYTES));
        let ops = ops.chunks(Op::BYTES).map(Op::from_bytes).collect();
        Self { settings: Settings::from_bytes(settings), ops }
    }
}

/// Parses bytes as a server name, compares the result with an independent grammar, and checks the invariants of names.
///
/// # Panics
/// If something does not hold.
pub fn server_name_target(bytes: &[u8]) {
    let form = form(bytes);
    let parsed = std::str::from_utf8(bytes).ok().map(|text| (text, ServerName::parse(text)));
    let Some((text, Ok(name))) = parsed else {
        assert_eq!(form, Form::None, "R1–R7: {:?}", bytes.escape_ascii().to_string());
        return;
    };
    let is = match name.host() {
        Host::Ip(IpAddr::V4(_)) => Form::V4,
        Host::Ip(IpAddr::V6(_)) => Form::V6,
        Host::Name(_) => Form::Name,
    };
    assert_eq!(is, form, "R1–R7: {text:?}");
    assert_eq!(name.as_str(), text, "a name is kept letter for letter");
    assert_eq!(ServerName::parse(name.as_str()).as_ref(), Ok(&name), "and read back");
    assert!(name.host_str().len() <= 255, "R7");
    assert_ne!(name.port(), Some(0), "R2");
    let rest = text.strip_prefix(name.host_str());
    assert_eq!(rest.is_some_and(|rest| rest.starts_with(':')), name.port().is_some(), "R1");
    let Host::Name(host) = name.host() else { return };
    assert!(!host.contains([':', '[', ']']), "R6");
    if let Ok(dns) = DnsName::host(host) {
        assert!(host.trim_end_matches('.').eq_ignore_ascii_case(dns.as_str()), "{host} is {dns}");
        let again = ServerName::parse(dns.as_str());
        assert!(again.is_ok_and(|again| again.host() == Host::Name(dns.as_str())), "R13: {dns}");
    }
}

/// Runs a case on both machines and checks the invariants.
///
/// # Panics
/// If one is broken.
pub fn machine_target(bytes: &[u8]) {
    let case = Case::from_bytes(bytes);
    let broken = violations(&case);
    assert!(broken.is_empty(), "{broken:#?}\n{case:#?}");
}

/// The invariants that either machine breaks in a case.
pub fn violations(case: &Case) -> Vec<Violation> {
    let config = case.settings.config();
    let mut resolver = Adversary::new(Resolver::new(config.clone(), START), &config);
    resolver.all(&case.ops);
    let mut broken = resolver.finish().violations;
    let name = case.settings.name();
    let resolution = Resolution::new(name.clone(), &config, START);
    let mut resolution = Adversary::of_one(resolution, &config, &name);
    resolution.all(&case.ops);
    broken.extend(resolution.finish().violations);
    broken
}
