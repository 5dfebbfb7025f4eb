//! Exports of facts: bytes that may be one, and lessons for a machine that an adversary drives.
//!
//! The end of an export, with its checksum, is written here, so that what stands before it is not refused for that alone.

use std::hash::Hasher;

use discovery_core::{BadExport, Config, Cursor, Export, Resolver, UnixMillis};
use siphasher::sip::SipHasher13;

use crate::run::START;

const HEAD: &str =
    r#"{"format":"matrix-discovery-facts","version":1,"at":1764000000000,"cursor":"0-0-0"}"#;
/// When the lessons, and whatever [`sealed`] makes, were exported.
pub const AT: UnixMillis = UnixMillis(1_764_000_000_000);

/// Reads bytes as an export: as they are, and as facts between a head and an end that fit. What is read is written and read back as
/// it is, and can be taught to anybody.
///
/// # Panics
/// If something does not hold.
pub fn export_target(bytes: &[u8]) {
    judge(bytes);
    judge(&sealed(bytes));
}

fn judge(text: &[u8]) {
    let export = match Export::read(text) {
        Ok(export) => export,
        Err(why) => {
            if let BadExport::Unreadable { line, .. } | BadExport::Impossible { line, .. } = &why {
                let lines = text.split(|byte| *byte == b'\n').count();
                assert!((1..=lines).contains(line), "{why}");
            }
            assert!(!why.to_string().is_empty());
            return;
        }
    };
    assert_eq!(Export::read(export.to_text().as_bytes()).as_ref(), Ok(&export), "read back");
    let mut resolver = Resolver::new(Config::default(), START);
    let taught = resolver.import(export.clone(), START, export.at());
    assert_eq!(taught.taken + taught.known + taught.expired, export.len());
    assert_eq!(resolver.import(export, START, AT).taken, 0, "it is known, or older");
    let back = resolver.export_since(Cursor::START, START, AT);
    assert_eq!(
        Export::read(back.to_text().as_bytes()).as_ref(),
        Ok(&back),
        "what was taken is told on"
    );
    for row in resolver.entries(START) {
        let _ = resolver.explain(&row.name, START);
    }
}

/// A whole export of these lines of facts, made at [`AT`].
pub fn sealed(facts: &[u8]) -> Vec<u8> {
    let mut text = [HEAD.as_bytes(), b"\n", facts].concat();
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let count = text.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
    let mut sum = SipHasher13::new();
    sum.write(&text);
    let end = format!("{{\"end\":{count},\"sum\":\"{:016x}\"}}\n", sum.finish());
    text.extend(end.into_bytes());
    text
}

/// Something to teach, and what the wall clock shows then: each number another.
pub(super) fn lesson(which: u8) -> (Export, UnixMillis) {
    let pick = |list: &[&'static str], at: u8| {
        list.get(usize::from(at) % list.len().max(1)).copied().unwrap_or_default()
    };
    let host = pick(&["a", "b", "c", "d"], which);
    let (age, left) = (u32::from(which) * 1000, u32::from(which / 4) * 900);
    let time = format!("\"age\":{age},\"left\":{left}");
    let addresses = "{\"addresses\":{\"addresses\":[\"192.0.2.1\",\"10.0.0.1\"],\"alias\":null}}";
    let record = match which / 4 % 4 {
        0 => "{\"not_found\":\"no_data\"}",
        1 => "{\"failed\":{\"dns\":\"timeout\"}}",
        _ => addresses,
    };
    let failures = if which / 4 % 4 == 1 { ",\"failures\":3" } else { "" };
    let document = match which / 8 % 4 {
        0 => "{\"document\":\"b.example:1\"}",
        1 => "{\"document\":\"c.example\"}",
        2 => "{\"unusable\":{\"status\":404}}",
        _ => "{\"redirect\":\"https://d.example/\"}",
    };
    let url = format!("https://{host}.example/.well-known/matrix/server");
    let facts = format!(
        "{{\"q\":{{\"dns\":[\"{host}.example\",\"A\"]}},\"f\":{record},{time}{failures}}}\n\
         {{\"q\":{{\"get\":\"{url}\"}},\"f\":{document},{time}}}\n"
    );
    let export = Export::read(&sealed(facts.as_bytes()));
    // Constants, each read by a test.
    #[expect(clippy::expect_used, reason = "constants, each read by a test")]
    let export = export.expect("an export");
    (export, UnixMillis(AT.0 + u64::from(which % 3) * 5000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lesson_can_be_taught() {
        (0..=255).for_each(|which| assert_eq!(lesson(which).0.len(), 2));
    }
}
