//! Reports of callers about endpoints: which have failed, how long each is tried last, and when the facts behind a name are refreshed.
//!
//! Reports never become part of a fact or of a cached result: they only order the endpoints of a returned result.
//!
//! An endpoint that fails is listed after all others, even those of the next SRV priority: RFC 2782 asks for the lowest
//! priority that can be reached. Nothing is ever left out.
//!
//! A failure to connect counts for the address and port, whatever the name. A wrong certificate, a 421 or a page of
//! another service counts for the name alone; otherwise an attacker could point a name at another server and move that
//! server's addresses back for everyone.
//!
//! On a dual-stack socket an IPv4 peer is reported as `::ffff:192.0.2.1`. It means the IPv4 endpoint unless the mapped
//! address itself was handed out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::results;
use crate::cache::slru::{Keyed, SegmentedLru};
use crate::config::HashKey;
use crate::name::ServerName;
use crate::outcome::{
    Decision, Effect, Explanation, FailedEndpoint, Feedback, MovedBack, Outcome, Resolved, Target,
};
use crate::policy::Policy;
use crate::util::{Backoff, Instant};

/// Failures in a row beyond which nothing grows any more.
const MAX_TIMES: u8 = 32;
/// The memory of one entry without its texts and lists, in bytes.
const OVERHEAD: usize = 192;

/// A failing endpoint, for one name or for all.
type Key = (SocketAddr, Option<ServerName>);

#[derive(Clone, Debug)]
struct Rest {
    key: Key,
    said: Feedback,
    times: u8,
    until: Instant,
}

/// A name whose facts have been doubted.
#[derive(Clone, Debug)]
struct Doubt {
    name: ServerName,
    /// Whether they still are.
    doubted: bool,
    /// Since when, at the latest.
    told: Instant,
    /// The age of facts from which on they are refreshed.
    age: Duration,
    /// The time and the consecutive number of the last refresh for this reason.
    asked: Option<(Instant, u8)>,
    /// The earliest time of the next refresh.
    not_before: Instant,
}

/// A result with its failing endpoints moved to the end.
#[derive(Clone, Debug)]
struct Arranged {
    name: ServerName,
    plain: Arc<Resolved>,
    moved: Box<[MovedBack]>,
    arranged: Arc<Resolved>,
}

impl Keyed for Rest {
    type Key = Key;

    fn key(&self) -> &Key {
        &self.key
    }
}

impl Keyed for Doubt {
    type Key = ServerName;

    fn key(&self) -> &ServerName {
        &self.name
    }
}

impl Keyed for Arranged {
    type Key = ServerName;

    fn key(&self) -> &ServerName {
        &self.name
    }
}

/// All reports of callers that are still relevant.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    rests: SegmentedLru<Rest>,
    doubts: SegmentedLru<Doubt>,
    /// Kept apart from reports, so that returned results do not evict reports.
    arranged: SegmentedLru<Arranged>,
    backoff: Backoff,
}

impl Reports {
    pub(crate) fn new(policy: &Policy, hash_key: HashKey) -> Self {
        let (entries, bytes) = (policy.feedback.max_reports, policy.cache.max_bytes);
        Self {
            rests: SegmentedLru::new(hash_key, entries, bytes),
            doubts: SegmentedLru::new(hash_key, entries, bytes),
            arranged: SegmentedLru::new(hash_key, entries, bytes),
            backoff: backoff(policy),
        }
    }

    pub(crate) fn set_policy(&mut self, policy: &Policy) {
        let (entries, bytes) = (policy.feedback.max_reports, policy.cache.max_bytes);
        self.rests.set_limits(entries, bytes);
        self.doubts.set_limits(entries, bytes);
        self.arranged.clear();
        self.arranged.set_limits(entries, bytes);
        self.backoff = backoff(policy);
    }

    /// Facts learnt after this instant are not refreshed because of reports, however many names share them.
    pub(crate) fn believed_after(&self, now: Instant) -> Instant {
        let ago = u64::try_from(self.backoff.first.as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(now.as_nanos().saturating_sub(ago))
    }

    /// Processes a report about an endpoint of a name.
    pub(crate) fn note(
        &mut self,
        name: &ServerName,
        place: SocketAddr,
        said: Feedback,
        now: Instant,
    ) {
        let (anybody, own) = ((place, None), (place, Some(name.clone())));
        match said {
            Feedback::Connected => {
                self.rests.remove(&anybody);
                self.rests.remove(&own);
                // How often the facts may be asked stays as it is: a place that works now and then is no reason to ask more often.
                if self.doubts.peek(name).is_some()
                    && let Some(doubt) = self.doubts.get(name)
                {
                    doubt.doubted = false;
                }
            }
            Feedback::ConnectFailed => self.failed(anybody, said, now),
            Feedback::TlsFailed | Feedback::Misdirected | Feedback::NotMatrix => {
                // Something listens there, whoever it is.
                self.rests.remove(&anybody);
                self.failed(own, said, now);
            }
        }
    }

    /// Reports at the same time, or during the back-off, count once.
    fn failed(&mut self, key: Key, said: Feedback, now: Instant) {
        if self.backoff.first.is_zero() {
            return;
        }
        let before = match self.rests.get(&key) {
            Some(rest) if now < rest.until => {
                rest.said = said;
                return;
            }
            // What has not failed for so long starts anew.
            Some(rest) => (now < rest.until + self.backoff.max).then_some(rest.times),
            None => None,
        };
        let times = before.unwrap_or(0).saturating_add(1).min(MAX_TIMES);
        let until = now + self.backoff.after(times.into());
        let weight = OVERHEAD.saturating_add(key.1.as_ref().map_or(0, |name| name.as_str().len()));
        self.rests.insert(Rest { key, said, times, until }, weight);
    }

    /// The failure for which an endpoint is backed off.
    fn rests(&self, key: &Key, now: Instant) -> Option<Feedback> {
        self.rests.peek(key).filter(|rest| now < rest.until).map(|rest| rest.said)
    }

    /// Whether an endpoint is backed off because connections to it failed.
    pub(crate) fn cannot_connect(&self, place: SocketAddr, now: Instant) -> bool {
        self.rests(&(place, None), now).is_some()
    }

    /// The failures of a name's endpoints that are backed off.
    fn look<'a>(
        &'a self,
        name: &ServerName,
        now: Instant,
    ) -> impl Fn(SocketAddr) -> Option<Feedback> + 'a {
        let name = name.clone();
        move |place| {
            if self.rests.len() == 0 {
                return None;
            }
            let own = || self.rests(&(place, Some(name.clone())), now);
            self.rests(&(place, None), now).or_else(own)
        }
    }

    /// Whether all endpoints of a result are backed off.
    pub(crate) fn all_rest(&self, resolved: &Resolved, now: Instant) -> bool {
        let look = self.look(&resolved.server_name, now);
        resolved.socket_addrs().all(|place| look(place).is_some())
    }

    /// Invalidates the facts behind a name, the oldest of which was learnt at this time. Returns whether to refresh them now.
    pub(crate) fn doubt(&mut self, name: &ServerName, oldest: Instant, now: Instant) -> bool {
        if self.backoff.first.is_zero() {
            return false;
        }
        match self.doubts.get(name) {
            Some(doubt) => {
                doubt.doubted = true;
                doubt.told = now;
                let old_enough = oldest + doubt.age;
                let backoff = doubt.asked.map(|(at, times)| at + self.backoff.after(times.into()));
                doubt.not_before = backoff.unwrap_or(old_enough).max(old_enough);
                doubt.not_before <= now
            }
            None => {
                let weight = OVERHEAD.saturating_add(name.as_str().len());
                // Where a back-off is pushed out that may not be over, none is remembered for long enough: the longest goes for all,
                // or whoever has more names than are remembered would be asked each minute.
                let crowded = self.doubts.next_out(weight).is_some_and(|out| {
                    let asked = out.asked.map_or(out.told, |(at, _)| at.max(out.told));
                    now < asked + self.backoff.max.saturating_mul(2)
                });
                let age = if crowded { self.backoff.max } else { self.backoff.first };
                let (name, not_before) = (name.clone(), oldest + age);
                let doubt = Doubt { name, doubted: true, told: now, age, asked: None, not_before };
                self.doubts.insert(doubt, weight);
                not_before <= now
            }
        }
    }

    /// Whether the facts behind a name are invalidated and may be refreshed now.
    pub(crate) fn is_due(&self, name: &ServerName, now: Instant) -> bool {
        self.doubts.len() > 0
            && self.doubts.peek(name).is_some_and(|doubt| doubt.doubted && doubt.not_before <= now)
    }

    /// Notes that the facts behind a name are being refreshed.
    pub(crate) fn asked(&mut self, name: &ServerName, now: Instant) {
        let backoff = self.backoff;
        if let Some(doubt) = self.doubts.get(name) {
            let times = match doubt.asked {
                // Only time makes it forget: a stranger's server could work now and then to be asked more often. And a long time: a
                // name that is used every two minutes would be asked each time.
                Some((at, times)) if now < at + backoff.after(times.into()) + backoff.max => times,
                Some(_) | None => 0,
            };
            doubt.asked = Some((now, times.saturating_add(1).min(MAX_TIMES)));
            doubt.doubted = false;
        }
    }

    /// An outcome with backed-off endpoints moved to the end, in their order; none is left out.
    ///
    /// RFC 2782 puts priorities before weights (R84), for places that can be reached; R89 goes on to the next where one can't be.
    /// That a place that fails comes after all others is where that leads. `keep` what may be handed out again.
    pub(crate) fn arrange(&mut self, outcome: Outcome, keep: bool, now: Instant) -> Outcome {
        // Where nothing was told nothing is looked at, either: the outcome is elsewhere than what led to it.
        if self.rests.len() == 0 {
            return outcome;
        }
        let Ok(resolved) = outcome else { return outcome };
        let name = &resolved.server_name;
        let look = self.look(name, now);
        let mut moved = resolved
            .socket_addrs()
            .filter_map(|place| Some(MovedBack { place, said: look(place)? }))
            .peekable();
        if moved.peek().is_none() {
            return Ok(Arc::clone(&resolved));
        }
        if let Some(arranged) = self.arranged.peek(name).filter(|_| keep)
            && Arc::ptr_eq(&arranged.plain, &resolved)
            && moved.by_ref().eq(arranged.moved.iter().copied())
        {
            return Ok(Arc::clone(&arranged.arranged));
        }
        let moved: Box<[_]> = resolved
            .socket_addrs()
            .filter_map(|place| Some(MovedBack { place, said: look(place)? }))
            .collect();
        let arranged = Arc::new(arranged(&resolved, &moved));
        drop(look);
        if keep {
            let weight = results::weight(name, &Ok(Arc::clone(&arranged)))
                .saturating_add(OVERHEAD)
                .saturating_add(size_of_val(&*moved));
            let (name, plain) = (name.clone(), Arc::clone(&resolved));
            let arranged = Arc::clone(&arranged);
            self.arranged.insert(Arranged { name, plain, moved, arranged }, weight);
        }
        Ok(arranged)
    }

    /// The endpoints with recent failures.
    pub(crate) fn iter(&self) -> impl Iterator<Item = FailedEndpoint> {
        self.rests.iter().map(|rest| FailedEndpoint {
            place: rest.key.0,
            name: rest.key.1.clone(),
            said: rest.said,
            times: rest.times,
            rests_until: rest.until,
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        let all = [self.rests.bytes(), self.doubts.bytes(), self.arranged.bytes()];
        all.into_iter().fold(0, usize::saturating_add)
    }
}

fn backoff(policy: &Policy) -> Backoff {
    Backoff { first: policy.feedback.backoff, max: policy.feedback.max_backoff }
}

/// A result with the moved endpoints last. A target of which only some endpoints are moved occurs twice: with its good endpoints in its
/// own position, and with the others at the end.
fn arranged(resolved: &Resolved, moved: &[MovedBack]) -> Resolved {
    let rests = |place: &SocketAddr| moved.iter().any(|moved| moved.place == *place);
    let mut targets = Vec::with_capacity(resolved.targets.len().saturating_add(moved.len()));
    for at_the_end in [false, true] {
        for target in &*resolved.targets {
            let addresses = target.socket_addrs().filter(|place| rests(place) == at_the_end);
            let addresses: Box<[_]> = addresses.map(|place| place.ip()).collect();
            if !addresses.is_empty() {
                targets.push(Target { addresses, ..target.clone() });
            }
        }
    }
    let effects = moved.iter().map(|moved| Effect::MovedBack(Box::new(*moved)));
    let moved = effects.map(|effect| Decision::without_fact(resolved.step, None, effect));
    let decisions = resolved.explanation.decisions.iter().cloned().chain(moved).collect();
    Resolved { targets: targets.into(), explanation: Explanation { decisions }, ..resolved.clone() }
}

#[cfg(test)]
mod tests;
