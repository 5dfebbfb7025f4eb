//! Random lives of a resolver among a few names whose worlds change, compared with the model of what may be remembered.
//!
//! Three things are compared: which questions are asked and when, which facts are used and until when they count, and that a
//! result is what the same facts give to a machine that remembers nothing (I13).

use std::collections::BTreeMap;
use std::time::Duration;

use discovery_core::{
    Answer, Config, Decision, DnsError, DnsRecord, DnsReply, Effect, Event, Fact, Failure,
    FailureKind, HttpError, HttpResponse, Instant, NotFound, Outcome, Policy, Question, RecordData,
    RecordKind, Request, Resolution, Speculation, Ticket, TlsName, Useless,
};
use discovery_sim::{CacheModel, START, question};
use discovery_tests::bench::{Bench, Happened};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config as Cases, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

const NAMES: [&str; 5] =
    ["a.example", "b.example", "c.example", "fed.example.net:443", "gone.example"];
const DOCUMENTS: [&str; 9] = [
    "200 \"Cache-Control: max-age=1000\" {\"m.server\":\"fed.example.net:443\"}",
    "200 \"Cache-Control: max-age=1000\" {\"m.server\":\"fed.example.net\"}",
    "200 {\"m.server\":\"192.0.2.1\"}",
    "200 \"Cache-Control: max-age=9999999\" {\"m.server\":\"fed.example.net\"}",
    "200 \"Cache-Control: max-age=1000, must-revalidate\" {\"m.server\":\"192.0.2.2\"}",
    "200 \"Cache-Control: no-store\" {\"m.server\":\"192.0.2.3\"}",
    "404",
    "503",
    "timeout",
];
const ZONES: [&str; 9] = [
    "A 192.0.2.7 ttl=60",
    "A 192.0.2.8 ttl=300",
    "A 192.0.2.9 ttl=0",
    "A 192.0.2.9 ttl=200000",
    "A 192.0.2.9 after=2500ms",
    "A SERVFAIL",
    "A REFUSED",
    "A TIMEOUT",
    "A NXDOMAIN nosoa",
];
const SERVICES: [&str; 4] =
    ["SRV 1 1 9 fed.example.net ttl=300", "SRV NXDOMAIN soa=9999", "SRV SERVFAIL", "SRV TIMEOUT"];
/// Both sides of what happens in time.
const WAITS: [u64; 22] = [
    1,
    900,
    1100,
    1799,
    1801,
    9000,
    11_000,
    29_000,
    31_000,
    54_000,
    61_000,
    119_000,
    241_000,
    299_000,
    301_000,
    801_000,
    1_001_000,
    3_599_000,
    3_601_000,
    70_000_000,
    86_401_000,
    172_801_000,
];

/// The world, as indices of what there is.
#[derive(Clone, Debug, Default)]
struct Scene {
    documents: [usize; 2],
    zones: [usize; 3],
    service: usize,
    silent: bool,
    tickets: usize,
}

impl Scene {
    fn text(&self) -> String {
        let mut text = String::new();
        for (host, document) in ["a", "b"].iter().zip(self.documents) {
            text += &format!("https {host}.example {}\n", DOCUMENTS[document]);
        }
        let hosts = ["a.example", "b.example", "fed.example.net"];
        for (host, zone) in hosts.iter().zip(self.zones) {
            text += &format!("dns {host} {}\ndns {host} AAAA NODATA\n", ZONES[zone]);
        }
        text += "https c.example 404\ndns c.example A 192.0.2.4\n";
        text += &format!("dns _matrix-fed._tcp.c.example {}\n", SERVICES[self.service]);
        text + if self.silent { "server 0 SERVFAIL\n" } else { "" }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A name is asked for, and waited for.
    Resolve(usize),
    /// A name is asked for.
    Ask(usize),
    Abandon(usize),
    Wait(u64),
    Forget(usize),
    Document(usize, usize),
    Zone(usize, usize),
    Service(usize),
    /// The name server fails at everything, or not.
    Silent(bool),
}

struct Lives;

impl ReferenceStateMachine for Lives {
    type State = Scene;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Scene> {
        (any::<[usize; 2]>(), 0..2_usize)
            .prop_map(|(documents, service)| Scene {
                documents: documents.map(|document| document % DOCUMENTS.len()),
                service,
                ..Scene::default()
            })
            .boxed()
    }

    fn transitions(_: &Scene) -> BoxedStrategy<Step> {
        prop_oneof![
            8 => (0..NAMES.len()).prop_map(Step::Resolve),
            3 => (0..NAMES.len()).prop_map(Step::Ask),
            1 => (0..8_usize).prop_map(Step::Abandon),
            8 => select(&WAITS[..]).prop_map(Step::Wait),
            1 => (0..NAMES.len()).prop_map(Step::Forget),
            3 => (0..2_usize, 0..DOCUMENTS.len()).prop_map(|(at, what)| Step::Document(at, what)),
            3 => (0..3_usize, 0..ZONES.len()).prop_map(|(at, what)| Step::Zone(at, what)),
            1 => (0..SERVICES.len()).prop_map(Step::Service),
            1 => any::<bool>().prop_map(Step::Silent),
        ]
        .boxed()
    }

    fn apply(mut scene: Scene, step: &Step) -> Scene {
        match step {
            Step::Document(at, what) => scene.documents[*at] = *what,
            Step::Zone(at, what) => scene.zones[*at] = *what,
            Step::Service(what) => scene.service = *what,
            Step::Silent(silent) => scene.silent = *silent,
            Step::Resolve(_) | Step::Ask(_) => scene.tickets += 1,
            Step::Abandon(_) | Step::Wait(_) | Step::Forget(_) => {}
        }
        scene
    }
}

struct Life {
    bench: Bench,
    model: CacheModel,
    tickets: Vec<Ticket>,
    /// The name and beginning of each.
    begun: BTreeMap<Ticket, (usize, Instant)>,
    policy: Policy,
}

impl StateMachineTest for Lives {
    type SystemUnderTest = Life;
    type Reference = Self;

    fn init_test(scene: &Scene) -> Life {
        let bench = Bench::new(&scene.text());
        let policy = bench.policy().clone();
        let model = CacheModel::new(policy.clone());
        Life { bench, model, tickets: Vec::new(), begun: BTreeMap::new(), policy }
    }

    fn apply(mut life: Life, scene: &Scene, step: Step) -> Life {
        match step {
            Step::Resolve(name) => {
                let ticket = life.ask(name);
                life.bench.outcome(ticket);
            }
            Step::Ask(name) => drop(life.ask(name)),
            Step::Abandon(index) => {
                if !life.tickets.is_empty() {
                    life.bench.abandon(life.tickets[index % life.tickets.len()]);
                }
            }
            Step::Wait(millis) => life.bench.wait(Duration::from_millis(millis)),
            Step::Forget(name) => {
                // What is under way when a name is forgotten may be remembered after it.
                life.bench.settle();
                life.bench.forget(NAMES[name]);
                life.hear();
                life.model.forget(|question| may_rest_on(name, question));
            }
            Step::Document(..) | Step::Zone(..) | Step::Service(_) | Step::Silent(_) => {
                life.bench.become_world(&scene.text());
            }
        }
        life.hear();
        life
    }

    fn teardown(mut life: Life, _: Scene) {
        life.bench.settle();
        life.hear();
        life.bench.finish();
    }
}

/// Whether a name may rest on a question, in any of these worlds.
fn may_rest_on(name: usize, question: &Question) -> bool {
    let host = NAMES[name].split(':').next().unwrap();
    let text = question.to_string();
    text.contains(host) || (name < 3 && text.contains("fed.example.net"))
}

impl Life {
    fn ask(&mut self, name: usize) -> Ticket {
        // A ticket shares the lookup of its name that is under way: what that has read, it has read.
        let shared = self
            .begun
            .iter()
            .filter(|(ticket, (other, _))| *other == name && self.bench.end(**ticket).is_none());
        let begun = shared.map(|(_, (_, begun))| *begun).min().unwrap_or(self.bench.now());
        let ticket = self.bench.ask(NAMES[name]);
        self.tickets.push(ticket);
        self.begun.insert(ticket, (name, begun));
        ticket
    }

    /// Tells the model what happened, and compares.
    fn hear(&mut self) {
        let news = self.bench.news();
        let mut last = None;
        for (at, happened) in news {
            if let Some(before) = last.filter(|before| *before != at) {
                self.model.rest(before);
            }
            last = Some(at);
            match happened {
                Happened::Asked(request) => {
                    let question = question(&request).unwrap();
                    self.model.asked(&question, at).unwrap();
                }
                Happened::Answered(request, answer) => {
                    self.model.answered(&question(&request).unwrap(), &answer, at);
                }
                Happened::Cancelled(request) => self.model.cancelled(&question(&request).unwrap()),
                Happened::Ended(ticket, outcome) => self.ended(ticket, &outcome, at),
            }
        }
        if let Some(at) = last {
            self.model.rest(at);
        }
    }

    fn ended(&self, ticket: Ticket, outcome: &Outcome, at: Instant) {
        let (name, begun) = self.begun[&ticket];
        let (decisions, until) = match &**outcome {
            Ok(resolved) => (&resolved.explanation.decisions, resolved.fresh_until),
            Err(failed) if failed.kind == FailureKind::Abandoned => return,
            Err(failed) => (&failed.explanation.decisions, failed.retry_at),
        };
        // A result may have been ready when it was asked for: its facts were used by the lookup that made it.
        for (index, decision) in decisions.iter().enumerate() {
            let (Some(question), Some(fact)) = (decision.question(), decision.fact()) else {
                continue;
            };
            let next = decisions.get(index + 1);
            let last_good = next.is_some_and(|next| next.effect == Effect::LastGood);
            let most = self.model.used(question, fact, last_good, begun, at);
            let most = most.unwrap_or_else(|why| panic!("{}: {why}\n{outcome:?}", NAMES[name]));
            assert!(until.is_none_or(|until| until <= most), "{question}: {until:?} > {most:?}");
        }
        self.compare(NAMES[name], outcome, decisions);
    }

    /// I13: the same facts give the same result to a machine that remembers nothing.
    fn compare(&self, name: &str, outcome: &Outcome, decisions: &[Decision]) {
        let facts: BTreeMap<_, _> = decisions
            .iter()
            .filter_map(|decision| Some((decision.question()?.clone(), decision.fact()?.clone())))
            .collect();
        // A document outlives its host's addresses: who comes new could not ask for it.
        let of_document = |(question, fact): (&Question, &Fact)| match question {
            Question::Dns(host, RecordKind::A) => {
                let gets = facts.keys().any(|known| is_get_of(known, host));
                gets && !matches!(fact, Fact::Addresses { .. })
            }
            _ => false,
        };
        if facts.iter().any(of_document) {
            return;
        }
        let alone = alone(name, &facts, &self.policy);
        let plain = |outcome: &Outcome| match &**outcome {
            Ok(done) => {
                let tls = done.tls_name.clone();
                Ok((done.targets.clone(), done.host_header.clone(), tls, done.rule))
            }
            Err(failed) => Err(failed.kind),
        };
        assert_eq!(plain(outcome), plain(&alone), "{name}: {decisions:#?}");
        let mut decisions = decisions.to_vec();
        decisions.retain(|decision| decision.effect != Effect::LastGood);
        let explained = match &*alone {
            Ok(done) => &done.explanation.decisions,
            Err(failed) => &failed.explanation.decisions,
        };
        assert_eq!(*decisions, **explained, "{name}");
    }
}

/// The outcome of a name for a machine of its own that is told these facts.
fn alone(name: &str, facts: &BTreeMap<Question, Fact>, policy: &Policy) -> Outcome {
    let mut policy = policy.clone();
    policy.speculation = Speculation::Off;
    let mut machine = Resolution::new(name.parse().unwrap(), &Config::new(policy), START);
    let mut now = START;
    for _ in 0..10_000 {
        while let Some(event) = machine.poll() {
            match event {
                Event::Request(request) => {
                    if let Some(answer) = told(&request, facts) {
                        let _ = machine.handle_answer(answer, now);
                    }
                }
                Event::Cancel(_) => {}
                Event::Finished(_, outcome) => return outcome,
            }
        }
        now = machine.poll_timeout().expect("a deadline").at;
        machine.handle_timeout(now);
    }
    panic!("{name} never ends");
}

/// What a world of these facts answers.
fn told(request: &Request, facts: &BTreeMap<Question, Fact>) -> Option<Answer> {
    let question = question(request).unwrap();
    let negative = |nxdomain| DnsReply { nxdomain, records: Vec::new(), negative_ttl: Some(300) };
    match request {
        Request::Dns(dns) => {
            let records = |data: Vec<RecordData>| {
                let record = |data| DnsRecord { owner: dns.name.clone(), ttl: 300, data };
                DnsReply {
                    nxdomain: false,
                    records: data.into_iter().map(record).collect(),
                    negative_ttl: None,
                }
            };
            let said = match facts.get(&question) {
                Some(Fact::Addresses { addresses, .. }) => {
                    let data = |ip: &std::net::IpAddr| match ip {
                        std::net::IpAddr::V4(ip) => RecordData::A(*ip),
                        std::net::IpAddr::V6(ip) => RecordData::Aaaa(*ip),
                    };
                    Ok(records(addresses.iter().map(data).collect()))
                }
                Some(Fact::Services(services)) => {
                    Ok(records(services.iter().cloned().map(RecordData::Srv).collect()))
                }
                Some(Fact::NotFound(why)) => Ok(negative(*why == NotFound::NxDomain)),
                Some(Fact::Failed(Failure::Dns(error))) => Err(*error),
                Some(Fact::Late) => return None,
                // The addresses of a document's host are no part of what its result rests on.
                None if facts.keys().any(|known| is_get_of(known, &dns.name)) => {
                    Ok(match dns.kind {
                        RecordKind::A => records(vec![RecordData::A([192, 0, 2, 99].into())]),
                        RecordKind::Aaaa | RecordKind::Srv => negative(false),
                    })
                }
                None => Err(DnsError::Local),
                Some(other) => panic!("{question}: {other}"),
            };
            Some(Answer::Dns(dns.id, said))
        }
        Request::Http(get) => {
            let response = |status: u16, body: String| {
                let response = http::Response::builder().status(status).body(body.into_bytes());
                Ok(HttpResponse::from(response.unwrap()))
            };
            let said = match facts.get(&question) {
                Some(Fact::Document(name)) => {
                    response(200, serde_json::json!({ "m.server": name.as_str() }).to_string())
                }
                Some(Fact::Useless(Useless::Status(status))) => response(*status, String::new()),
                Some(Fact::Failed(Failure::Http(error))) => Err(*error),
                Some(other) => panic!("{question}: {other}"),
                None => Err(HttpError::Local),
            };
            Some(Answer::Http(get.id, said))
        }
    }
}

fn is_get_of(question: &Question, host: &discovery_core::DnsName) -> bool {
    matches!(question, Question::Get(url) if url.host() == TlsName::Dns(host.clone()))
}

prop_state_machine! {
    #![proptest_config(Cases { rng_seed: RngSeed::Fixed(7), max_shrink_iters: 4000, failure_persistence: None, ..Cases::default() })]

    #[test]
    fn what_is_remembered_is_what_the_promises_allow(sequential 1..60 => Lives);
}
