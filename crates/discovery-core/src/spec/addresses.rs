//! Reading addresses: along aliases, vetted, in the order to try them.

use std::net::IpAddr;
use std::sync::Arc;

use crate::address::Families;
use crate::address::{self, Denied};
use crate::fact::fixed::given;
use crate::fact::{CachedFact, Fact, Failure, Question};
use crate::io::RecordType;
use crate::name::DnsName;
use crate::spec::{FactView, Family, HostAddresses};
use crate::util::Instant;

impl FactView<'_> {
    /// The known addresses of a host.
    pub(crate) fn addresses(&mut self, host: &DnsName) -> HostAddresses {
        let families = [RecordType::Aaaa, RecordType::A].map(|kind| {
            match (self.policy.addresses.families, kind) {
                (Families::V4, RecordType::Aaaa) | (Families::V6, RecordType::A) => Family::Off,
                _ => self.follow(host, kind),
            }
        });
        let mut denied = Vec::new();
        let mut vetted = families.each_ref().map(|family| match family {
            Family::Known(known) => self.vet(&known.fact, &mut denied),
            Family::Off | Family::Missing(_) => Vec::new(),
        });
        let limit = usize::from(self.policy.addresses.max_per_family);
        vetted.iter_mut().for_each(|addresses| addresses.truncate(limit));
        let [v6, v4] = vetted;
        let mut usable = Vec::new();
        address::order(&v6, &v4, self.routes, self.second, &mut usable);
        // It makes no difference where there is one family, or a route for one.
        let both = !v6.is_empty() && !v4.is_empty() && self.routes.v6 == self.routes.v4;
        HostAddresses { families, usable, second: self.second.filter(|_| both), denied }
    }

    /// Addresses are judged when they are read, not when they are stored.
    fn vet(&self, fact: &Fact, denied: &mut Vec<Denied>) -> Vec<IpAddr> {
        let Fact::Addresses { addresses, .. } = fact else { return Vec::new() };
        let allowed = |ip: &&IpAddr| match self.policy.addresses.judge(**ip) {
            Ok(()) => true,
            Err(why) => {
                denied.push(why);
                false
            }
        };
        addresses.iter().filter(allowed).copied().collect()
    }

    /// The known answer to a question, along the aliases of its name (R94).
    pub(super) fn follow(&mut self, name: &DnsName, kind: RecordType) -> Family {
        if let Some(given) = given(name, kind, self.policy) {
            let question = Question::Dns(name.clone(), kind);
            return Family::Known(Arc::new(CachedFact::new(
                question,
                given,
                Instant::ORIGIN,
                None,
            )));
        }
        let mut question = Question::Dns(name.clone(), kind);
        let mut expiry: Option<Instant> = None;
        // Wider than the policy's bound, so that it gets past every one: aliases may go in a circle that the name is no part of.
        let mut hops: u16 = 0;
        loop {
            let known = self.known(&question).or_else(|| self.recall_on(&question));
            let Some(known) = known else { return Family::Missing(question) };
            let least = expiry.map_or(known.expires, |expiry| {
                Some(known.expires.map_or(expiry, |fresh| fresh.min(expiry)))
            });
            let Fact::Alias(target) = &known.fact else {
                if hops == 0 {
                    return Family::Known(known);
                }
                let known = CachedFact { expires: least, ..CachedFact::clone(&known) };
                return Family::Known(Arc::new(known));
            };
            hops = hops.saturating_add(1);
            let failure = if target == name {
                Some(Failure::AliasLoop)
            } else if hops > u16::from(self.policy.dns.max_aliases) {
                Some(Failure::TooManyAliases)
            } else {
                None
            };
            if let Some(why) = failure {
                let fact = Fact::Failed(why);
                return Family::Known(Arc::new(CachedFact::new(
                    question,
                    fact,
                    known.learnt,
                    least,
                )));
            }
            expiry = least;
            // A special name is special as an alias, too.
            if let Some(fact) = given(target, kind, self.policy) {
                let question = Question::Dns(target.clone(), kind);
                return Family::Known(Arc::new(CachedFact::new(
                    question,
                    fact,
                    known.learnt,
                    least,
                )));
            }
            question = Question::Dns(target.clone(), kind);
        }
    }
}
