//! The steps of the specification, by name and by number.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::revision::Revision;

/// A step of the specification. `Display` and serde use its number in the latest release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// 1: the host is an IP literal.
    #[serde(rename = "1")]
    IpLiteral,
    /// 2: the port is explicit.
    #[serde(rename = "2")]
    ExplicitPort,
    /// 3: the `.well-known` document; decides by one of its sub-steps.
    #[serde(rename = "3")]
    WellKnown,
    /// 3.1: the delegated host is an IP literal.
    #[serde(rename = "3.1")]
    DelegatedIpLiteral,
    /// 3.2: the delegated port is explicit.
    #[serde(rename = "3.2")]
    DelegatedPort,
    /// 3.3: `_matrix-fed` SRV record of the delegated host.
    #[serde(rename = "3.3")]
    DelegatedFedService,
    /// 3.4: `_matrix` SRV record of the delegated host.
    #[serde(rename = "3.4")]
    DelegatedService,
    /// 3.5: port 8448 of the delegated host.
    #[serde(rename = "3.5")]
    DelegatedDefault,
    /// 4: `_matrix-fed` SRV record of the host.
    #[serde(rename = "4")]
    FedService,
    /// 5: `_matrix` SRV record of the host.
    #[serde(rename = "5")]
    Service,
    /// 6: port 8448 of the host.
    #[serde(rename = "6")]
    Default,
}

impl Step {
    /// The stable name of the step, the same in every revision: for scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpLiteral => "ip_literal",
            Self::ExplicitPort => "explicit_port",
            Self::WellKnown => "well_known",
            Self::DelegatedIpLiteral => "delegated_ip_literal",
            Self::DelegatedPort => "delegated_port",
            Self::DelegatedFedService => "delegated_srv_fed",
            Self::DelegatedService => "delegated_srv",
            Self::DelegatedDefault => "delegated_default_port",
            Self::FedService => "srv_fed",
            Self::Service => "srv",
            Self::Default => "default_port",
        }
    }

    /// The number of the step in the text of a revision. Before v1.8 there is no `_matrix-fed`, and later steps have lower
    /// numbers.
    pub const fn number_in(self, revision: Revision) -> &'static str {
        match (revision, self) {
            (Revision::V1_8, _) => self.number(),
            (_, Self::DelegatedService) => "3.3",
            (_, Self::DelegatedDefault) => "3.4",
            (_, Self::Service) => "4",
            (_, Self::Default) => "5",
            _ => self.number(),
        }
    }

    /// The number of the step in the latest release.
    pub const fn number(self) -> &'static str {
        match self {
            Self::IpLiteral => "1",
            Self::ExplicitPort => "2",
            Self::WellKnown => "3",
            Self::DelegatedIpLiteral => "3.1",
            Self::DelegatedPort => "3.2",
            Self::DelegatedFedService => "3.3",
            Self::DelegatedService => "3.4",
            Self::DelegatedDefault => "3.5",
            Self::FedService => "4",
            Self::Service => "5",
            Self::Default => "6",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_v1_8_later_steps_have_lower_numbers() {
        let steps = [Step::Service, Step::Default, Step::DelegatedService, Step::DelegatedDefault];
        let numbers = |revision| steps.map(|step| step.number_in(revision));
        assert_eq!(numbers(Revision::V1_8), ["5", "6", "3.4", "3.5"]);
        for revision in [Revision::V1_7, Revision::DraftOld, Revision::DraftNew] {
            assert_eq!(numbers(revision), ["4", "5", "3.3", "3.4"]);
        }
        assert_eq!(Step::ExplicitPort.number_in(Revision::V1_7), "2");
        assert_eq!(Step::Service.name(), "srv");
    }
}
