//! Server names of `ruma-common`, with the feature `ruma`.
//!
//! Its grammar differs in places: it takes port 0, a sign before the port, and hosts of more than 255 characters. So both conversions can
//! fail.

use ruma_common::{IdParseError, OwnedServerName, ServerName as RumaServerName};

use crate::name::{InvalidServerName, ServerName};

impl TryFrom<&RumaServerName> for ServerName {
    type Error = InvalidServerName;

    fn try_from(name: &RumaServerName) -> Result<Self, InvalidServerName> {
        Self::parse(name.as_str())
    }
}

impl TryFrom<&ServerName> for OwnedServerName {
    type Error = IdParseError;

    fn try_from(name: &ServerName) -> Result<Self, IdParseError> {
        Self::try_from(name.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn names_survive_both_ways() {
        for text in ["example.org", "EXAMPLE.org:8448", "1.2.3.4", "[::1]:1"] {
            let name = ServerName::parse(text).unwrap();
            let theirs = OwnedServerName::try_from(&name).unwrap();
            assert_eq!(ServerName::try_from(&*theirs).unwrap(), name);
        }
    }

    #[test]
    fn names_that_ruma_takes_and_the_specification_does_not_are_refused() {
        let long = format!("{}.example", "a".repeat(256));
        for text in ["example.org:0", "example.org:+8448", &long] {
            let theirs = OwnedServerName::try_from(text).unwrap();
            assert!(ServerName::try_from(&*theirs).is_err(), "{text}");
        }
    }
}
