//! Texts as fuzz targets: scenarios, and documents against the reference model.
//!
//! Knows nothing of machines.

use std::time::Duration;

use crate::reference::m_server;
use crate::scenario::Scenario;

/// Parses bytes as a scenario: one that parses is printed as one that parses to the same, and its world can be built.
///
/// # Panics
/// If that does not hold.
pub fn scenario_target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(scenario) = Scenario::parse(text) else { return };
    let printed = scenario.to_string();
    let world = scenario.world_at(Duration::MAX);
    let again = Scenario::parse(&printed);
    assert_eq!(again.as_ref(), Ok(&scenario), "{printed}");
    assert_eq!(again.map(|again| again.world_at(Duration::MAX)), Ok(world), "{printed}");
}

/// Reads bytes as a document: the machine and the reference model take the same ones as valid, and read the same name in
/// them.
///
/// # Panics
/// If they do not.
pub fn document_target(bytes: &[u8]) {
    let read = discovery_core::parse_document(bytes).ok();
    assert_eq!(read, m_server(bytes), "{:?}", String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;

    #[test]
    fn texts_that_mean_nothing_break_nothing() {
        for bytes in [&b""[..], b"\0", b"\xff", b"---", b"resolve a.example", b"{", b"{}", b"[[["] {
            scenario_target(bytes);
            document_target(bytes);
        }
    }

    #[test]
    fn machine_and_reference_read_the_same_documents() {
        let parts = [
            "{",
            "}",
            "\"m.server\"",
            ":",
            ",",
            "\"a.example\"",
            "\"a..b\"",
            "[",
            "]",
            "1",
            " ",
            "\"x\"",
            "null",
            "\"m\\u002eserver\"",
            "\u{feff}",
            "\"[::1]:1\"",
            "\"\\ud800\"",
        ];
        let mut draw = Draw::new(2);
        let mut valid = 0;
        for _ in 0..50_000 {
            let inner: String = (0..draw.below(8)).map(|_| *draw.one_of(&parts)).collect();
            let text = format!("{{\"m.server\":{inner}}}");
            document_target(text.as_bytes());
            valid += usize::from(m_server(text.as_bytes()).is_some());
        }
        assert!(valid > 100, "{valid}");
    }
}
