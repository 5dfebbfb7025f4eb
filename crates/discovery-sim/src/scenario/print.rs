//! Writing scenarios: what is written parses to the same scenario.
//!
//! Knows nothing of what lines mean.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{Question, RecordData};

use super::Scenario;
use super::expect::{Addresses, Count, Done, Expect, Fresh, Wanted};
use super::line::{DnsLine, HttpsLine, Line, RouteSet};
use super::token::{Keyword, quote, write_base64, write_duration, write_latin1};
use crate::web::{Body, End, Page, Served};
use crate::world::{DEFAULT_SOA, DEFAULT_TTL, Destination, DnsOutcome};

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        if !self.expect.is_empty() {
            writeln!(f, "---")?;
        }
        for expect in &self.expect {
            expect.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => Ok(()),
            Self::Comment(text) => write!(f, "#{text}"),
            Self::Dns(line) => line.fmt(f),
            Self::Https(line) => line.fmt(f),
            Self::Tcp(destination, fault) => {
                write!(f, "tcp {destination} {}", fault.as_ref().map_or("ok", Keyword::write))
            }
            Self::Server(index, fault) => {
                let outcome = fault.outcome.as_ref().map_or("ok", Keyword::write);
                write!(f, "server {index} {outcome}")?;
                option(f, "after", fault.after)?;
                if let Some(edns) = &fault.edns {
                    write!(f, " edns={}", edns.write())?;
                }
                for (is_so, word) in
                    [(fault.udp_silent, "udp=silent"), (fault.folds, "folds"), (fault.bare, "bare")]
                {
                    if is_so {
                        write!(f, " {word}")?;
                    }
                }
                match &fault.only {
                    Some(only) => write!(f, " only={}", only.write()),
                    None => Ok(()),
                }
            }
            Self::Servers(count) => write!(f, "servers {count}"),
            Self::Routes(set) => f.write_str(match set {
                RouteSet::Both => "routes v4 v6",
                RouteSet::V4 => "routes v4",
                RouteSet::V6 => "routes v6",
                RouteSet::Neither => "routes none",
            }),
            Self::Set { field, value } => write!(f, "set {field}={value}"),
            Self::Revision(revision) => write!(f, "revision {revision}"),
            Self::Seed(seed) => write!(f, "seed {seed}"),
            Self::Clock(Some(clock)) => write!(f, "clock {}", clock.0),
            Self::Clock(None) => f.write_str("clock none"),
            Self::Resolve { name, abandon } => {
                write!(f, "resolve {}", bare(name))?;
                match abandon {
                    Some(abandon) => write!(f, " abandon={}", write_duration(*abandon)),
                    None => Ok(()),
                }
            }
            Self::Report { name, place, said } => write!(f, "report {name} {place} {said}"),
            Self::Away(time) => write!(f, "away {}", write_duration(*time)),
            Self::At(time) => write!(f, "at +{}", write_duration(*time)),
        }
    }
}

/// A text as one word: quoted where it would not be one otherwise.
fn bare(text: &str) -> String {
    let plain = !text.is_empty()
        && !text.starts_with('"')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if plain { text.to_owned() } else { quote(text) }
}

fn option(f: &mut fmt::Formatter<'_>, name: &str, duration: Duration) -> fmt::Result {
    if duration.is_zero() {
        return Ok(());
    }
    write!(f, " {name}={}", write_duration(duration))
}

impl fmt::Display for DnsLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dns {} {}", self.name, self.kind.write())?;
        match &self.entry.outcome {
            DnsOutcome::Records(records) => {
                for (data, ttl) in records.iter().take(1) {
                    match data {
                        RecordData::A(ip) => write!(f, " {ip}")?,
                        RecordData::Aaaa(ip) => write!(f, " {ip}")?,
                        RecordData::Cname(name) => write!(f, " {name}")?,
                        RecordData::Srv(s) => {
                            write!(f, " {} {} {} {}", s.priority, s.weight, s.port, s.target)?;
                        }
                        RecordData::Unusable => write!(f, " UNUSABLE")?,
                    }
                    if *ttl != DEFAULT_TTL {
                        write!(f, " ttl={ttl}")?;
                    }
                }
            }
            DnsOutcome::NxDomain
            | DnsOutcome::NoData
            | DnsOutcome::Silence
            | DnsOutcome::Error(_) => write!(f, " {}", self.entry.outcome.write())?,
        }
        if let Some(count) = self.repeat {
            write!(f, " repeat={count}")?;
        }
        match self.entry.soa {
            None => write!(f, " nosoa")?,
            Some(DEFAULT_SOA) => {}
            Some(soa) => write!(f, " soa={soa}")?,
        }
        option(f, "after", self.entry.after)?;
        if self.entry.lost > 0 {
            write!(f, " lost={}", self.entry.lost)?;
        }
        if let Some(wire) = &self.entry.wire {
            write!(f, " wire={}", wire.write())?;
        }
        if self.entry.cut {
            write!(f, " cut")?;
        }
        Ok(())
    }
}

impl fmt::Display for HttpsLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.text();
        let target = url.strip_prefix("https://").unwrap_or(&url);
        // Left out only where nothing but a host stands before it: that is what reading puts it back for.
        let host = target.strip_suffix("/.well-known/matrix/server");
        let target = host.filter(|host| !host.contains('/')).unwrap_or(target);
        write!(f, "https {target}")?;
        if let Some(address) = self.address {
            write!(f, " on={address}")?;
        }
        self.page.fmt(f)
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        option(f, "connect", self.connect)?;
        option(f, "after", self.after)?;
        match &self.answer {
            Served::Fault(fault) => write!(f, " {}", fault.write()),
            Served::Response { status, headers, body, end } => {
                end.fmt(f)?;
                write!(f, " {}", status.as_u16())?;
                for (name, value) in headers {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    write!(f, " {}", quote(&format!("{name}: {value}")))?;
                }
                body.fmt(f)
            }
            Served::Raw { pieces, end } => {
                end.fmt(f)?;
                for (index, piece) in pieces.iter().enumerate() {
                    let start = if index == 0 { "raw=" } else { "" };
                    write!(f, " {start}{}", quote(&write_latin1(&piece.bytes)))?;
                    match piece.count {
                        Some(1) => {}
                        Some(count) => write!(f, "*{count}")?,
                        None => write!(f, "*infinite")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proper => "",
            Self::Stall => " then=stall",
            Self::Reset => " then=reset",
        })
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok("") => Ok(()),
                // A body that starts as a JSON value does can't be taken for an option.
                Ok(text)
                    if text.starts_with(['{', '['])
                        && text.trim() == text
                        && !text.contains(|c: char| c.is_control()) =>
                {
                    write!(f, " {text}")
                }
                Ok(text) => write!(f, " body={}", quote(text)),
                Err(_) => write!(f, " body64={}", write_base64(bytes)),
            },
            Self::Repeat { prefix, unit, count, suffix } => {
                write!(f, " repeat={} {}", quote(prefix), quote(unit))?;
                match count {
                    Some(count) => write!(f, " {count}")?,
                    None => write!(f, " infinite")?,
                }
                write!(f, " {}", quote(suffix))
            }
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::V4 => f.write_str("v4"),
            Self::V6 => f.write_str("v6"),
            Self::All => f.write_str("all"),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut alternatives = self.wanted.iter();
        match alternatives.next() {
            Some(first) => writeln!(f, "{first}")?,
            None => writeln!(f, "any")?,
        }
        for other in alternatives {
            writeln!(f, "or {other}")?;
        }
        if let Some(why) = &self.why {
            writeln!(f, "why {why}")?;
        }
        for (word, questions) in [("asked", &self.asked), ("never", &self.never)] {
            for question in questions {
                match question {
                    Question::Dns(name, kind) => writeln!(f, "{word} {name} {kind}")?,
                    Question::Get(url) => writeln!(f, "{word} GET {url}")?,
                }
            }
        }
        for (word, count) in [("gets", self.gets), ("queries", self.queries)] {
            if let Some(count) = count {
                writeln!(f, "{word} {count}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(done) => done.fmt(f),
            Self::Fail(kind) => write!(f, "fail {kind}"),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("done")?;
        if !self.targets.is_empty() {
            write!(f, " {}", Addresses::write(&self.targets))?;
        }
        let texts = [
            ("host", self.host.clone()),
            ("tls", self.tls.clone()),
            ("sni", self.sni.clone().map(|sni| sni.unwrap_or_else(|| "-".to_owned()))),
            ("step", self.step.map(|step| step.to_string())),
            ("fresh", self.fresh.map(|fresh| fresh.to_string())),
        ];
        for (word, text) in texts {
            if let Some(text) = text {
                write!(f, " {word}={text}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(address) => address.fmt(f),
            Self::AnyOrder(set) => {
                let words: Vec<String> = set.iter().map(SocketAddr::to_string).collect();
                write!(f, "{{{}}}", words.join(" "))
            }
        }
    }
}

impl fmt::Display for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ever => f.write_str("ever"),
            Self::Between(least, most) if least == most => f.write_str(&write_duration(*least)),
            Self::Between(least, most) => {
                write!(f, "{}..{}", write_duration(*least), write_duration(*most))
            }
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(count) => count.fmt(f),
            Self::AtMost(most) => write!(f, "..{most}"),
        }
    }
}
