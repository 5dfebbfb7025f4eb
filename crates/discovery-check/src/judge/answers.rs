//! Findings about the homeserver's answers and its keys.

use super::words::{is_json, printable};
use super::{DAY, HOUR, Judge};
use crate::findings::Severity;
use crate::keys::Signature;
use crate::probe::{Body, HttpFailure, TargetProbe};

impl Judge<'_> {
    pub(super) fn http(&mut self, target: &TargetProbe) {
        let at = target.address;
        if let Some(offset) = target.clock_offset_s.filter(|offset| offset.abs() > 60) {
            let direction = if offset > 0 { "ahead" } else { "behind" };
            let found =
                self.add("clock.skew", at, format!("{} s {direction}", offset.saturating_abs()));
            if let Some(found) = found
                && offset.abs() > HOUR
            {
                found.severity = Severity::Error;
            }
        }
        let answer = match (&target.keys_answer, &target.keys_error) {
            (Some(answer), _) => answer,
            (None, Some(HttpFailure::TooLarge)) => {
                self.add("keys.none", at, "the answer is longer than 256 KiB");
                return;
            }
            (None, Some(HttpFailure::Timeout)) => {
                self.add("http.silent", at, "no answer within 5 s");
                return;
            }
            (None, Some(HttpFailure::Broken { message })) => {
                self.add("http.silent", at, message);
                return;
            }
            (None, None) => {
                self.add("http.silent", at, "the connection ended");
                return;
            }
        };
        if let Some(other) = &target.other_host {
            let host = self.evidence.resolved().map_or("", |resolved| resolved.host_header_str());
            let detail = format!(
                "it answers {} to Host {host}, and with keys to Host {other}",
                answer.status
            );
            self.add("http.wrong-host", at, detail);
            return;
        }
        match answer.status {
            200 if target.keys_body == Some(Body::Html) => {
                self.add("http.html", at, "");
            }
            200 => self.keys(target),
            300..=399 => {
                let to = answer.location.as_deref().unwrap_or("nowhere");
                self.add("http.redirect", at, format!("status {} to {to}", answer.status));
            }
            status => {
                self.add("http.status", at, format!("status {status} for /_matrix/key/v2/server"));
            }
        }
    }

    fn keys(&mut self, target: &TargetProbe) {
        let at = target.address;
        let Some(keys) = &target.keys else {
            let why = target.keys_unreadable.clone().unwrap_or_default();
            self.add("keys.none", at, format!("the answer is not a key document: {why}"));
            return;
        };
        let content_type =
            target.keys_answer.as_ref().and_then(|answer| answer.content_type.as_deref());
        if !is_json(content_type) {
            self.add("http.content-type", at, content_type.unwrap_or("there is none"));
        }
        if target.software.is_none() {
            let status =
                target.version_answer.as_ref().map(|answer| format!("status {}", answer.status));
            self.add("version.missing", at, status.unwrap_or_else(|| "no answer".to_owned()));
        }
        match keys.server_name.as_deref() {
            Some(name) if name == self.evidence.name => {}
            other => {
                let found = match other {
                    Some(other) => {
                        self.add("keys.server-name", at, format!("it calls itself {other:?}"))
                    }
                    None => self.add("keys.none", at, "the document has no server_name"),
                };
                if let (Some(found), Some(other)) = (found, other) {
                    found.title = format!("the server there calls itself {}", printable(other));
                }
                return;
            }
        }
        let ed25519: Vec<_> = keys
            .verify_keys
            .iter()
            .filter(|(_, key)| key.signature != Signature::UnknownAlgorithm)
            .collect();
        if ed25519.is_empty() {
            self.add("keys.none", at, "there is no Ed25519 key under verify_keys");
            return;
        }
        for (id, key) in ed25519 {
            let why = match key.signature {
                Signature::Valid | Signature::UnknownAlgorithm => continue,
                Signature::Invalid => "the signature is wrong",
                Signature::Missing => "the signature is missing",
                Signature::BadKey => "the key is not 32 bytes in base64",
            };
            self.add("keys.signature", at, format!("{}: {why}", printable(id)));
        }
        if !keys.canonical {
            self.add("keys.non-canonical", at, "");
        }
        match keys.valid_until_ms.map(|until| until.div_euclid(1000).saturating_sub(self.now)) {
            None => self.add("keys.expired", at, "there is no valid_until_ts"),
            Some(left) if left <= 0 => {
                self.add("keys.expired", at, format!("{} s ago", left.saturating_neg()))
            }
            Some(left) if left < HOUR => {
                self.add("keys.expires-within-hour", at, format!("in {left} s"))
            }
            Some(left) if left > 7 * DAY => {
                self.add("keys.above-7-days", at, format!("{} days", left.div_euclid(DAY)))
            }
            Some(_) => None,
        };
        for (id, expired) in &keys.old_verify_keys {
            if expired.is_some_and(|at| at.div_euclid(1000) > self.now) {
                self.add("keys.old-in-future", at, printable(id));
            }
        }
    }
}
