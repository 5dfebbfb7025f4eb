//! What was seen, in words.

use crate::certificate::Certificate;
use crate::probe::{DocumentProbe, HttpFailure, Tcp};
use crate::tls::TlsFailure;

impl Tcp {
    /// In words.
    pub const fn said(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Refused => "connection refused",
            Self::Timeout => "no answer in time",
            Self::Unreachable => "unreachable",
            Self::NoRoute => "not tested: this machine has no route",
            Self::Local => "not tested: this machine failed",
        }
    }
}

impl TlsFailure {
    /// In words.
    pub fn said(&self) -> String {
        match self {
            Self::OldVersion => "only versions before TLS 1.2".to_owned(),
            Self::NotTls => "what answers does not speak TLS".to_owned(),
            Self::Timeout => "the handshake does not end".to_owned(),
            Self::Closed => "the connection is closed during the handshake".to_owned(),
            Self::Other { message } => printable(message),
        }
    }
}

impl DocumentProbe {
    /// What became of the request, in words.
    pub fn said(&self) -> String {
        if self.tcp != Tcp::Connected {
            return self.tcp.said().to_owned();
        }
        match (&self.answer, &self.error, &self.tls) {
            (Some(answer), ..) => format!("status {}", answer.status),
            (_, Some(HttpFailure::Timeout), _) => "no answer in time".to_owned(),
            (_, Some(HttpFailure::TooLarge), _) => "longer than 50 KiB".to_owned(),
            (_, Some(HttpFailure::Broken { message }), _) => printable(message),
            (None, None, Some(tls)) => {
                tls.error.as_ref().map_or_else(|| "no answer".to_owned(), TlsFailure::said)
            }
            (None, None, None) => "no answer".to_owned(),
        }
    }
}

/// Text of a server, without characters that a terminal acts upon.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(300) {
        if matches!(c, ' '..='~') {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

/// The names that a certificate is for.
pub(super) fn describe(leaf: &Certificate) -> String {
    let names: Vec<String> =
        leaf.dns_names.iter().chain(&leaf.ip_addresses).map(|name| printable(name)).collect();
    match names.len() {
        0 => printable(&leaf.subject),
        1..=3 => names.join(", "),
        more => format!(
            "{} and {} more",
            names.iter().take(3).cloned().collect::<Vec<_>>().join(", "),
            more.saturating_sub(3)
        ),
    }
}

pub(super) fn is_json(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|content_type| {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    })
}
