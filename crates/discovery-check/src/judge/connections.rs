//! Findings about connections and certificates of the homeserver.

use std::collections::BTreeSet;

use discovery_core::{Fact, TlsName};

use super::words::describe;
use super::{DAY, Judge};
use crate::certificate::VerifyError;
use crate::findings::Severity;
use crate::probe::{TargetProbe, Tcp};
use crate::tls::TlsFailure;

impl Judge<'_> {
    /// Whether a homeserver answers there as other servers demand.
    pub(super) fn is_good(&self, target: &TargetProbe) -> bool {
        target.tls.as_ref().is_some_and(|tls| tls.error.is_none() && tls.verify_error.is_none())
            && target.keys.as_ref().is_some_and(|keys| {
                keys.server_name.as_deref() == Some(&self.evidence.name)
                    && keys.good().next().is_some()
                    && keys.valid_until_ms.is_some_and(|until| until / 1000 > self.now)
            })
    }

    pub(super) fn targets(&mut self) {
        let targets = &self.evidence.targets;
        self.connections();
        for target in targets.iter().filter(|target| target.tcp == Tcp::Connected) {
            if target.tcp_ms > self.thresholds.slow_ms {
                self.add("connect.slow", target.address, format!("{} ms", target.tcp_ms));
            }
            let Some(tls) = &target.tls else { continue };
            if let Some(failure) = &tls.error {
                let id = match failure {
                    TlsFailure::OldVersion => "tls.old-version",
                    _ => "tls.handshake",
                };
                self.add(id, target.address, failure.said());
                continue;
            }
            self.certificate(target);
            self.http(target);
        }
        let leaves: BTreeSet<_> = targets
            .iter()
            .filter_map(|target| target.tls.as_ref()?.chain.first())
            .map(|leaf| (&leaf.subject, &leaf.dns_names, leaf.not_after_s))
            .collect();
        if leaves.len() > 1 {
            self.add("tls.differs", "", "");
        }
        let keys: BTreeSet<Vec<(&String, &String)>> = targets
            .iter()
            .filter_map(|target| target.keys.as_ref())
            .map(|keys| keys.verify_keys.iter().map(|(id, key)| (id, &key.key)).collect())
            .collect();
        if keys.len() > 1 {
            let ids: Vec<String> = targets
                .iter()
                .filter_map(|target| {
                    let keys: Vec<_> = target.keys.as_ref()?.verify_keys.keys().cloned().collect();
                    Some(format!("{} has {}", target.address, keys.join(" ")))
                })
                .collect();
            self.add("keys.differ", "", ids.join(", "));
        }
    }

    fn connections(&mut self) {
        let tried: Vec<&TargetProbe> =
            self.evidence.targets.iter().filter(|target| target.tcp != Tcp::NoRoute).collect();
        let failed: Vec<_> = tried.iter().filter(|target| target.tcp != Tcp::Connected).collect();
        if self.evidence.targets.is_empty() || failed.is_empty() {
            if tried.is_empty() {
                self.add("local", "", "this machine has no route to any of the addresses");
            }
        } else if failed.iter().any(|target| target.tcp == Tcp::Local) {
            self.add("local", "", "this machine could not connect");
        } else {
            let down = |v6: bool| {
                tried.iter().any(|target| target.address.is_ipv6() == v6)
                    && tried
                        .iter()
                        .filter(|target| target.address.is_ipv6() == v6)
                        .all(|target| target.tcp != Tcp::Connected)
            };
            let id = match (failed.len() == tried.len(), down(true), down(false)) {
                (true, ..) => "connect.all",
                (_, true, _) => "connect.ipv6",
                (_, _, true) => "connect.ipv4",
                (false, false, false) => "connect.some",
            };
            for target in failed {
                self.add(id, target.address, target.tcp.said());
            }
            let ports: BTreeSet<u16> = tried.iter().map(|target| target.address.port()).collect();
            if id == "connect.all"
                && let (Some(port), 1) = (ports.first(), ports.len())
            {
                let title = format!("nothing answers on port {port}");
                self.found
                    .iter_mut()
                    .filter(|finding| finding.id == id)
                    .for_each(|finding| finding.title.clone_from(&title));
            }
        }
        let v4 = self.evidence.targets.iter().any(|target| target.address.is_ipv4());
        let v6 = self.evidence.targets.iter().any(|target| target.address.is_ipv6());
        let named = self
            .evidence
            .resolved()
            .is_some_and(|resolved| matches!(resolved.tls_name, TlsName::Dns(_)));
        if v4 != v6 && named {
            self.add("dns.one-family", "", if v4 { "IPv4" } else { "IPv6" });
        }
        // Failures are kept for a short time as well, and say nothing of the zone.
        let failed = self.evidence.decisions().iter().any(|decision| {
            matches!(decision.fact(), Some(Fact::Failed(_) | Fact::Unusable(_) | Fact::Late))
        });
        if !failed && self.evidence.cache_s.is_some_and(|seconds| seconds < 60) {
            self.add("dns.ttl-low", "", "");
        }
    }

    fn certificate(&mut self, target: &TargetProbe) {
        let Some(tls) = &target.tls else { return };
        let Some(leaf) = tls.chain.first() else { return };
        let until = leaf.not_after_s.saturating_sub(self.now);
        let days = until.div_euclid(DAY);
        let expected = self.evidence.resolved().map(|resolved| resolved.tls_name.to_string());
        let expected = expected.unwrap_or_default();
        let (id, detail) = match &tls.verify_error {
            None if days >= self.thresholds.certificate_warning_days => return,
            None => ("tls.expires-soon", format!("in {days} days")),
            Some(VerifyError::WrongName) => (
                "tls.wrong-name",
                format!("must be valid for {expected}, is valid for {}", describe(leaf)),
            ),
            Some(VerifyError::Expired) => {
                ("tls.expired", format!("{} days ago", days.saturating_neg()))
            }
            Some(VerifyError::NotYetValid) => ("tls.not-yet-valid", describe(leaf)),
            Some(VerifyError::SelfSigned) => ("tls.self-signed", leaf.subject.clone()),
            Some(VerifyError::StagingCa) => ("tls.staging-ca", leaf.issuer_name()),
            Some(VerifyError::CloudflareOrigin) => ("tls.cloudflare-origin", leaf.issuer_name()),
            Some(VerifyError::IncompleteChain) => (
                "tls.incomplete-chain",
                format!("the certificate of the issuer, {}, is not presented", leaf.issuer_name()),
            ),
            Some(VerifyError::Untrusted) => {
                ("tls.untrusted", format!("issued by {}", leaf.issuer_name()))
            }
            Some(VerifyError::Other { message }) => ("tls.untrusted", message.clone()),
        };
        let soon = days < self.thresholds.certificate_error_days;
        let Some(found) = self.add(id, target.address, detail) else { return };
        match id {
            "tls.wrong-name" => {
                found.fix = format!(
                    "Give port {} a certificate for {expected}: that is the name asked for by SNI.",
                    target.address.port()
                );
            }
            "tls.expires-soon" => {
                found.title = format!("the certificate expires in {days} days");
                if soon {
                    found.severity = Severity::Error;
                }
            }
            "tls.expired" => {
                found.title = format!("the certificate expired {} days ago", days.saturating_neg())
            }
            _ => {}
        }
    }
}
