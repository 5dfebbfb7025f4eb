//! Settings near their edges, from bytes.

use std::time::Duration;

use discovery_core::{
    AddressPolicy, Config, Families, OnFailure, OnHttpGone, OnInvalidDocument, Policy, Revision,
    ServerName, Speculation, SrvTargetAlias,
};

use super::reply::server_name;

/// How a machine is set up; zero is the default of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings(pub [u8; Self::BYTES]);

impl Settings {
    /// Length in bytes.
    pub const BYTES: usize = 16;

    /// Reads settings; what is missing is zero.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut settings = [0; Self::BYTES];
        settings.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(settings)
    }

    /// The name that a machine for one name is made with.
    pub fn name(&self) -> ServerName {
        server_name(self.0[0])
    }

    /// The same settings with another speculation.
    #[must_use]
    pub fn speculating(mut self, speculation: u8) -> Self {
        self.0[1] = (self.0[1] & 0b1111_1100) | (speculation & 0b11);
        self
    }

    /// The configuration.
    pub fn config(&self) -> Config {
        let [
            _,
            behaviour,
            choices,
            seed,
            slots,
            limits,
            attempts,
            dns,
            get,
            late,
            ends,
            lives,
            good,
            refresh,
            room,
            _,
        ] = self.0;
        let mut policy = Policy::default();
        policy.spec.speculation = match behaviour & 0b11 {
            0 => Speculation::Addresses,
            1 => Speculation::Off,
            2 => Speculation::Full,
            _ => Speculation::Remembered,
        };
        policy.spec.revision = *pick(&Revision::ALL, 3_u8.wrapping_sub(behaviour >> 2));
        policy.addresses.families =
            *pick(&[Families::Both, Families::V4, Families::V6], behaviour >> 4);
        if behaviour & 0b1000_0000 == 0 {
            policy.addresses = AddressPolicy::any();
        }
        let bit = |bit: u8| choices & (1 << bit) != 0;
        if bit(0) {
            policy.spec.srv_failure = OnFailure::GoOn;
        }
        if bit(1) {
            policy.spec.well_known_dns_failure = OnFailure::GoOn;
        }
        if bit(2) {
            policy.spec.invalid_document = OnInvalidDocument::Abort;
        }
        if bit(3) {
            policy.spec.srv_target_alias = SrvTargetAlias::Reject;
        }
        if bit(4) {
            policy.spec.gone = OnHttpGone::Dead;
        }
        policy.limits.dns_slots = *pick(&[96, 1, 2, 3, 0], slots);
        policy.limits.http_slots = *pick(&[128, 1, 2, 0], slots >> 4);
        policy.limits.max_lookups = *pick(&[20_000, 1, 2, 0], limits);
        policy.well_known.max_redirects = *pick(&[10, 0, 1, 255], limits >> 2);
        policy.dns.max_aliases = *pick(&[8, 0, 1, 255], limits >> 4);
        policy.spec.max_srv_targets = *pick(&[16, 1, 2, 0], limits >> 6);
        policy.dns.attempts = *pick(&[4, 1, 2, 0], attempts);
        policy.addresses.max_per_family = *pick(&[16, 1, 2, 0], attempts >> 2);
        let span = |byte: u8, default: Duration| match byte % 5 {
            0 => default,
            1 => Duration::ZERO,
            2 => Duration::from_millis(1),
            3 => Duration::from_secs(3),
            _ => Duration::MAX,
        };
        policy.dns.timeout = span(dns, policy.dns.timeout);
        policy.dns.retry_interval = span(dns / 5, policy.dns.retry_interval);
        policy.well_known.timeout = span(get, policy.well_known.timeout);
        policy.addresses.connection_attempt_delay =
            span(get / 5, policy.addresses.connection_attempt_delay);
        policy.well_known.response_wait = span(get / 25, policy.well_known.response_wait);
        policy.addresses.resolution_delay = span(late, policy.addresses.resolution_delay);
        policy.addresses.wait = match late / 5 {
            1 => None,
            byte => policy.addresses.wait.map(|patience| span(byte, patience)),
        };
        policy.limits.lookup_deadline = match ends % 4 {
            0 => policy.limits.lookup_deadline,
            1 => Duration::ZERO,
            2 => Duration::from_secs(3),
            _ => Duration::from_secs(400),
        };
        policy.limits.queue_deadline = match ends / 4 % 4 {
            0 => policy.limits.queue_deadline,
            1 => Some(Duration::ZERO),
            2 => Some(Duration::from_secs(3)),
            _ => None,
        };
        policy.well_known.min_ttl = span(lives, policy.well_known.min_ttl);
        policy.dns.failure_ttl = span(lives / 5, policy.dns.failure_ttl);
        policy.cache.serve_stale_after = match good % 4 {
            0 => policy.cache.serve_stale_after,
            1 => None,
            2 => Some(Duration::ZERO),
            _ => Some(Duration::from_secs(20)),
        };
        policy.cache.refresh_ahead_percent = *pick(&[Some(80), None, Some(0), Some(255)], refresh);
        policy.limits.http_slots_per_host = *pick(&[8, 1, 0], slots >> 6);
        policy.cache.max_facts = *pick(&[400_000, 0, 1, 5], room);
        policy.cache.max_results = *pick(&[100_000, 0, 1, 5], room >> 2);
        policy.cache.max_bytes = *pick(&[1 << 28, 0, 1000], room >> 4);
        policy.well_known.max_body = *pick(&[50 * 1024, 0, 40], lives >> 6);
        let mut config = Config::new(policy);
        config.name_servers = *pick(&[1, 2, 3, 0], attempts >> 4);
        config.seed = u64::from(seed);
        // Late timeouts are compared with ones in time, and heartbeats say when there was none.
        config.heartbeat = None;
        config
    }
}

/// One of a list that is not empty; zero picks the first.
fn pick<T>(from: &[T], byte: u8) -> &T {
    let index = usize::from(byte).checked_rem(from.len()).unwrap_or(0);
    // The lists above are not empty, and the remainder lies within.
    #[expect(clippy::indexing_slicing, reason = "the index is less than the length")]
    &from[index]
}
