//! The report of a check, as data.

use serde::{Deserialize, Serialize};

use crate::findings::{Finding, Severity};
use crate::probe::{DocumentProbe, Software, TargetProbe};

/// The id of the JSON form of a [`Report`]. Within `/1` fields may be added; none changes its meaning.
pub const SCHEMA: &str = "matrix-discovery/check/1";

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The program and its version.
    pub tool: String,
    /// When the check began, in seconds since 1970.
    pub at_s: u64,
    /// How long it took in milliseconds.
    pub took_ms: u64,
    /// What was typed.
    pub input: String,
    /// The server name that was checked.
    pub name: String,
    /// The worst severity that was found.
    pub verdict: Verdict,
    /// Whether other servers can reach it.
    pub federates: Federates,
    /// The answer in one line, beginning with the name.
    pub summary: String,
    /// The homeserver's software, as it says.
    pub software: Option<Software>,
    /// Where the name leads.
    pub resolution: Resolution,
    /// The document at each address of the name.
    pub well_known: Vec<DocumentProbe>,
    /// The homeserver at each address.
    pub targets: Vec<TargetProbe>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub counts: Counts,
}

/// The worst severity of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing worse than information.
    Ok,
    /// A warning.
    Warning,
    /// The check itself failed.
    Unknown,
    /// An error.
    Error,
}

/// Whether other servers can reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Federates {
    /// They can.
    Yes,
    /// Some can, or by some of its addresses.
    Partly,
    /// None can.
    No,
    /// The check could not find out.
    Unknown,
}

/// Where a name leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Resolution {
    /// Whether there is a place to connect to.
    pub resolved: bool,
    /// The step of the specification that decided, such as `3.2`.
    pub step: Option<String>,
    /// The stable name of that step.
    pub step_name: Option<String>,
    /// The server name that the document delegates to.
    pub delegated: Option<String>,
    /// The value of `Host`.
    pub host_header: Option<String>,
    /// What the certificate must be valid for.
    pub tls_name: Option<String>,
    /// For how many seconds the result may be kept; None: for ever, or there is none.
    pub cache_s: Option<u64>,
    /// SRV records that decided, as `PRIORITY WEIGHT PORT TARGET`.
    pub srv: Vec<String>,
    /// Why there is no result.
    pub error: Option<String>,
    /// Every decision, one a line.
    pub explanation: Vec<String>,
}

/// How much was checked, and how many findings there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Addresses that were tried.
    pub addresses: usize,
    /// Errors.
    pub error: usize,
    /// Things that could not be found out.
    pub unknown: usize,
    /// Warnings.
    pub warning: usize,
    /// Information.
    pub info: usize,
}

impl Counts {
    pub(crate) fn of(findings: &[Finding], addresses: usize) -> Self {
        let count =
            |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self {
            addresses,
            error: count(Severity::Error),
            unknown: count(Severity::Unknown),
            warning: count(Severity::Warning),
            info: count(Severity::Info),
        }
    }
}

impl Report {
    /// Days until the first certificate expires; None: there is no certificate.
    pub fn certificate_days(&self) -> Option<i64> {
        let leaves = self.targets.iter().filter_map(|target| target.tls.as_ref()?.chain.first());
        let at = i64::try_from(self.at_s).unwrap_or(i64::MAX);
        leaves.map(|leaf| leaf.not_after_s.saturating_sub(at).div_euclid(86_400)).min()
    }

    /// Whether a finding of this severity, or a worse one, is there.
    pub fn has(&self, severity: Severity) -> bool {
        self.findings.iter().any(|finding| finding.severity == severity)
    }
}
