//! Words of a scenario: durations, quoted texts, base64, and the keywords of outcomes and faults, read and written.
//!
//! Knows nothing of lines.

use std::time::Duration;

use discovery_core::{DnsError, RecordType};

use crate::world::{ConnectFault, DnsOutcome, NoEdns, WireFault, ZoneType};

/// A closed set of words, each with its meaning.
pub(super) trait Keyword: Sized + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];

    fn read(word: &str) -> Option<&'static Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, meaning)| meaning)
    }

    fn write(&self) -> &'static str {
        // Every value of the types below has its word.
        Self::WORDS.iter().find(|(_, meaning)| meaning == self).map_or("?", |(word, _)| word)
    }
}

impl Keyword for ZoneType {
    const WORDS: &'static [(&'static str, Self)] =
        &[("A", Self::A), ("AAAA", Self::Aaaa), ("SRV", Self::Srv), ("CNAME", Self::Cname)];
}

impl Keyword for DnsOutcome {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("NXDOMAIN", Self::NxDomain),
        ("NODATA", Self::NoData),
        ("TIMEOUT", Self::Silence),
        ("SERVFAIL", Self::Error(DnsError::ServerFailure)),
        ("REFUSED", Self::Error(DnsError::Refused)),
        ("NOTIMP", Self::Error(DnsError::NotImplemented)),
        ("FORMERR", Self::Error(DnsError::OtherCode)),
        ("MALFORMED", Self::Error(DnsError::Malformed)),
        ("UNREACHABLE", Self::Error(DnsError::Unreachable)),
        ("NOROUTE", Self::Error(DnsError::NoRoute)),
        ("LOCAL", Self::Error(DnsError::Local)),
        // A driver that gave up by itself.
        ("GIVEN-UP", Self::Error(DnsError::Timeout)),
    ];
}

impl Keyword for WireFault {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("wrong-id", Self::WrongId),
        ("wrong-question", Self::WrongQuestion),
        ("bad-record", Self::BadRecord),
        ("truncated", Self::Truncated),
        ("truncated-twice", Self::TruncatedTwice),
        ("extra-count", Self::ExtraCount),
        ("bad-authority", Self::BadAuthority),
        ("bad-additional", Self::BadAdditional),
        ("opt-owner", Self::OptOwner),
        ("oversize", Self::Oversize),
    ];
}

impl Keyword for NoEdns {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("silent", Self::Silent),
        ("cut", Self::Cut),
        ("FORMERR", Self::FormErr),
        ("NOTIMP", Self::NotImp),
        ("SERVFAIL", Self::ServFail),
        ("BADVERS", Self::BadVers),
    ];
}

impl Keyword for RecordType {
    const WORDS: &'static [(&'static str, Self)] =
        &[("A", Self::A), ("AAAA", Self::Aaaa), ("SRV", Self::Srv)];
}

impl Keyword for ConnectFault {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("refused", Self::Refused),
        ("timeout", Self::Timeout),
        ("reset", Self::Reset),
        ("stall", Self::Stall),
        ("garbage", Self::Garbage),
        ("bad-cert", Self::BadCert),
        ("wrong-name", Self::WrongName),
        ("expired", Self::Expired),
        ("not-yet-valid", Self::NotYetValid),
        ("unknown-algorithm", Self::Algorithm),
        ("long-chain", Self::LongChain),
        ("bad-tls", Self::Tls),
        ("no-route", Self::NoRoute),
        ("rejected", Self::Rejected),
        ("local", Self::Local),
    ];
}

/// A whole number and `ms`, `s`, `m`, `h` or `d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

pub(super) fn write_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

/// A JSON string at the front of a text, and what follows it.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = stream.next()?.ok()?;
    let rest = text.get(stream.byte_offset()..)?;
    Some((value, rest))
}

/// The bytes that a text stands for, of which each character is one: U+0000 to U+00FF.
pub(super) fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

pub(super) fn write_latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The word at the front of a text, and what follows it.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 by RFC 4648 §4, padding optional.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        bits = (bits << 6) | u32::try_from(digit).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    (count < 6 && bits == 0).then_some(out)
}

pub(super) fn write_base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = 0_u32;
        for i in 0..3 {
            word = (word << 8) | chunk.get(i).copied().map_or(0, u32::from);
        }
        for i in 0..4 {
            let digit = usize::try_from((word >> (18 - 6 * i)) & 63).unwrap_or_default();
            let letter = ALPHABET.get(digit).copied().map_or('=', char::from);
            out.push(if i <= chunk.len() { letter } else { '=' });
        }
    }
    out
}
