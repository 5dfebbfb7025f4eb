//! The worlds and steps of a session, each written as a few numbers.

use std::time::Duration;

pub(super) const NAMES: [&str; 5] =
    ["a.example", "b.example", "c.example", "fed.example.net:443", "gone.example"];
const DOCUMENTS: [&str; 11] = [
    "200 \"Cache-Control: max-age=1000\" {\"m.server\":\"fed.example.net:443\"}",
    "200 \"Cache-Control: max-age=1000\" {\"m.server\":\"fed.example.net\"}",
    "200 {\"m.server\":\"192.0.2.1\"}",
    "200 \"Cache-Control: max-age=9999999\" {\"m.server\":\"fed.example.net\"}",
    "200 \"Cache-Control: max-age=1000, must-revalidate\" {\"m.server\":\"192.0.2.2\"}",
    "200 \"Cache-Control: no-store\" {\"m.server\":\"192.0.2.3\"}",
    "404",
    "503",
    "timeout",
    "expired",
    "wrong-name",
];
const ZONES: [&str; 10] = [
    "A 192.0.2.7 ttl=60",
    "A 192.0.2.8 ttl=300",
    "A 192.0.2.9 ttl=0",
    "A 192.0.2.9 ttl=200000",
    "A 192.0.2.9 after=2500ms",
    "A SERVFAIL",
    "A REFUSED",
    "A TIMEOUT",
    "A NXDOMAIN nosoa",
    "A 192.0.2.20 ttl=900 repeat=3",
];
const SERVICES: [&str; 4] =
    ["SRV 1 1 9 fed.example.net ttl=300", "SRV NXDOMAIN soa=9999", "SRV SERVFAIL", "SRV TIMEOUT"];
/// Both sides of what happens in time.
const WAITS: [u64; 22] = [
    1,
    900,
    1100,
    1799,
    1801,
    9000,
    11_000,
    29_000,
    31_000,
    54_000,
    61_000,
    119_000,
    241_000,
    299_000,
    301_000,
    801_000,
    1_001_000,
    3_599_000,
    3_601_000,
    70_000_000,
    86_401_000,
    172_801_000,
];

/// The name of that number.
pub(super) fn name(which: usize) -> &'static str {
    NAMES.get(which % NAMES.len()).copied().unwrap_or_default()
}

/// The span of time of that number.
pub(super) fn span(which: usize) -> Duration {
    Duration::from_millis(WAITS.get(which % WAITS.len()).copied().unwrap_or_default())
}

/// The world, as indices into the tables above, and how the resolver is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    documents: [usize; 2],
    zones: [usize; 3],
    service: usize,
    silent: bool,
    /// Whether results are remembered, or facts alone.
    pub(super) remembers: bool,
    /// Whether there are more slots than attackers can take.
    pub(super) roomy: bool,
}

impl Setup {
    /// A setup; numbers that are too large start over.
    pub fn new(remembers: bool, documents: [usize; 2], service: usize) -> Self {
        let documents = documents.map(|document| document % DOCUMENTS.len());
        Self { documents, service: service % SERVICES.len(), remembers, ..Self::default() }
    }

    /// The same with more slots than attackers can take, or as many as the policy has.
    #[must_use]
    pub fn roomy(self, roomy: bool) -> Self {
        Self { roomy, ..self }
    }

    /// Changes the setup by a step.
    pub fn change(&mut self, step: &Step) {
        let set = |place: Option<&mut usize>, what: usize| {
            if let Some(place) = place {
                *place = what;
            }
        };
        match *step {
            Step::Document(at, what) => set(self.documents.get_mut(at), what % DOCUMENTS.len()),
            Step::Zone(at, what) => set(self.zones.get_mut(at), what % ZONES.len()),
            Step::Service(what) => self.service = what % SERVICES.len(),
            Step::Silent(silent) => self.silent = silent,
            Step::Resolve(_)
            | Step::Ask(_)
            | Step::Abandon(_)
            | Step::Wait(_)
            | Step::Forget(_)
            | Step::Report(..)
            | Step::Import(_)
            | Step::Swap
            | Step::Sleep(_)
            | Step::Back(_)
            | Step::Crowd(_) => {}
        }
    }

    /// The world as the text of a scenario.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        let told =
            |list: &[&'static str], which: usize| list.get(which).copied().unwrap_or_default();
        for (host, which) in ["a", "b"].iter().zip(self.documents) {
            lines.push(format!("https {host}.example {}", told(&DOCUMENTS, which)));
        }
        let hosts = ["a.example", "b.example", "fed.example.net"];
        for (host, which) in hosts.iter().zip(self.zones) {
            lines.push(format!("dns {host} {}", told(&ZONES, which)));
            lines.push(format!("dns {host} AAAA NODATA"));
        }
        lines.push("https c.example 404".to_owned());
        lines.push("dns c.example A 192.0.2.4".to_owned());
        lines.push(format!("dns _matrix-fed._tcp.c.example {}", told(&SERVICES, self.service)));
        if self.silent {
            lines.push("server 0 SERVFAIL".to_owned());
        }
        if self.roomy {
            lines.push("set limits.dns_slots=5000\nset limits.http_slots=5000".to_owned());
        }
        if !self.remembers {
            lines.push("set cache.max_results=0".to_owned());
        }
        lines.join("\n")
    }
}

/// One step of a session. Numbers are indices; those that are too large start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A name is asked for, and waited for.
    Resolve(usize),
    /// A name is resolved.
    Ask(usize),
    /// A ticket is abandoned.
    Abandon(usize),
    /// Time passes: one of a few spans, both sides of what happens in time.
    Wait(usize),
    /// A name is forgotten.
    Forget(usize),
    /// A caller tells of a place of a name, the second tells which and what.
    Report(usize, usize),
    /// A host has another document.
    Document(usize, usize),
    /// A host has other addresses.
    Zone(usize, usize),
    /// Another service is told of.
    Service(usize),
    /// The name server fails at everything, or not.
    Silent(bool),
    /// The other resolver tells what it has learnt.
    Import(usize),
    /// The other resolver is asked from now on.
    Swap,
    /// The clock jumps: one of the same spans.
    Sleep(usize),
    /// The clock goes back, or stands still: one of the same spans.
    Back(usize),
    /// So many attacker-chosen names, which do not exist, are asked for.
    Crowd(usize),
}

impl Step {
    /// Bytes of a step.
    pub const BYTES: usize = 2;

    /// Reads a step: every pair of bytes is one. What is missing is zero.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or_default());
        let (what, which) = (byte(0), byte(1));
        // As often as a session needs them: names are asked for and time passes, the rest is rarer.
        match what % 16 {
            2 if which >= 160 => Self::Swap,
            3 if which >= 128 => Self::Import(which),
            0..=3 => Self::Resolve(which),
            4 | 5 => Self::Ask(which),
            6 => Self::Abandon(which),
            7..=10 => Self::Wait(which),
            // Half of the first byte's values leave a bit that says nothing yet.
            11 if what >= 128 => Self::Report(which % 8, which / 8),
            11 => Self::Forget(which),
            12 => Self::Document(which % 2, which / 2),
            13 => Self::Zone(which % 3, which / 3),
            14 => Self::Service(which),
            _ => Self::Silent(which % 2 == 1),
        }
    }
}
