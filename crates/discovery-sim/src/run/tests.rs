//! Runs, and a monitor that notices each broken invariant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use std::collections::VecDeque;
use std::time::Duration;

use discovery_core::{
    Answer, Deadline, DeadlineKind, Disposition, DnsError, DnsId, DnsRequest, Event, HttpId,
    Instant, RecordType, Request, RequestId, Resolution, Routes, ServerName, Ticket,
};

use super::{
    Bounds, Cancelled, Connected, Input, Latency, Machine, Monitor, Options, Run, START, config,
    replay, run_each, run_resolver, sequential_waits,
};
use crate::Scenario;

const DELEGATED: &str = "https example.org after=1s 200 {\"m.server\":\"fed.example.net\"}
dns _matrix._tcp.fed.example.net SRV 10 5 443 a.example.net after=2s
dns a.example.net AAAA 2001:db8::1
resolve example.org
---
done [2001:db8::1]:443 host=fed.example.net tls=fed.example.net step=3.4 fresh=298s..300s
why well-known → no delegated _matrix-fed SRV (NXDOMAIN) → delegated _matrix SRV
asked a.example.net AAAA
gets 1
";

fn off(text: &str) -> Scenario {
    Scenario::parse(&format!("set spec.speculation=off\n{text}")).unwrap()
}

fn right(run: &Run, scenario: &Scenario) {
    assert_eq!(run.violations, []);
    assert_eq!(run.check(&scenario.expect, false), []);
}

#[test]
fn r23_a_result_keeps_the_name_that_was_asked_for() {
    for name in ["example.org", "EXAMPLE.org", "example.org:8449", "[::1]:1"] {
        let scenario = off(&DELEGATED.replace("resolve example.org", &format!("resolve {name}")));
        let alone = run_each(&scenario, Options::default()).remove(0);
        for run in [run_resolver(&scenario, Options::default()), alone] {
            let end = run.ends[0].outcome.clone().unwrap().unwrap();
            assert_eq!(end.as_ref().unwrap().server_name.as_str(), name);
        }
    }
}

#[test]
fn both_machines_come_to_what_the_scenario_says() {
    let scenario = off(DELEGATED);
    for latency in [Latency::World, Latency::Same(Duration::from_millis(3))] {
        for cancelled in [Cancelled::Dropped, Cancelled::Answered] {
            for connected in [Connected::Told, Connected::Untold] {
                let options = Options { latency, cancelled, connected };
                right(&run_resolver(&scenario, options), &scenario);
                right(&run_each(&scenario, options)[0], &scenario);
            }
        }
    }
    let took = run_each(&scenario, Options::default())[0].ends[0].at.unwrap();
    assert_eq!(took, START + Duration::from_secs(3));
}

#[test]
fn what_does_not_come_out_is_told() {
    let scenario = off(&DELEGATED.replace("step=3.4", "step=3.3").replace("gets 1", "gets 0"));
    let found = run_each(&scenario, Options::default())[0].check(&scenario.expect, false);
    let found: Vec<String> = found.iter().map(|(_, mismatch)| mismatch.to_string()).collect();
    assert_eq!(found, ["step: expected 3.3, got 3.4", "gets: expected 0, got 1"]);
}

#[test]
fn a_run_equals_its_list_of_inputs() {
    let scenario = off(DELEGATED);
    let run = run_each(&scenario, Options::default()).remove(0);
    let name: ServerName = "example.org".parse().unwrap();
    let mut machine = Resolution::new(name, &config(&scenario), START);
    let events = replay(&mut machine, &run.inputs);
    let requests = events.iter().filter_map(|event| match event {
        Event::Request(request) => Some(request.clone()),
        Event::Cancel(_) | Event::Finished(..) => None,
    });
    let before: Vec<Request> = run.requests.iter().map(|(_, request)| request.clone()).collect();
    assert_eq!(requests.collect::<Vec<_>>(), before);
    let end = run.ends[0].outcome.clone().unwrap().unwrap();
    assert_eq!(events.last(), Some(&Event::Finished(Ticket::from_number(0), end)));
}

#[test]
fn waits_are_counted_in_rounds() {
    let waits = |speculation: &str| {
        let text = format!("set spec.speculation={speculation}\n{DELEGATED}");
        sequential_waits(&Scenario::parse(&text).unwrap(), 0)
    };
    // Addresses, document, _matrix-fed, _matrix, addresses of the target.
    assert_eq!(waits("off"), Some(5));
    assert!(waits("full") < waits("off"));
    assert_eq!(sequential_waits(&off("resolve 192.0.2.1"), 0), Some(0));
    assert_eq!(sequential_waits(&off("resolve not:a:name"), 0), Some(0));
}

#[test]
fn names_are_given_up_when_the_scenario_says() {
    let text = "dns a.example A 192.0.2.1 after=1s\nresolve a.example:1 abandon=100ms\nresolve a.example:1\n---\nfail abandoned\ndone 192.0.2.1:1\n";
    let scenario = Scenario::parse(text).unwrap();
    let run = run_resolver(&scenario, Options::default());
    right(&run, &scenario);
    assert_eq!(run.ends[0].at, Some(START + Duration::from_millis(100)));
}

#[test]
fn the_world_changes_when_the_scenario_says() {
    let text = "dns a.example A 192.0.2.1 ttl=10\nresolve a.example:1\nat +900s\ndns a.example A 192.0.2.2\nroutes v4\nresolve a.example:1\n---\ndone 192.0.2.1:1\ndone 192.0.2.2:1\n";
    let scenario = Scenario::parse(text).unwrap();
    let run = run_resolver(&scenario, Options::default());
    right(&run, &scenario);
    let routes = Routes { v4: true, v6: false };
    let at = START + Duration::from_secs(900);
    assert!(run.inputs.contains(&Input::Routes(routes, at)));
    for (run, expect) in run_each(&scenario, Options::default()).iter().zip(&scenario.expect) {
        assert_eq!(run.check(std::slice::from_ref(expect), false), []);
    }
}

/// A machine that does as it is told to the letter, however wrong.
#[derive(Default)]
struct Puppet {
    events: VecDeque<Event>,
    /// More events once `poll` gave nothing.
    again: VecDeque<Event>,
    deadlines: VecDeque<Option<Instant>>,
    disposition: Option<Disposition>,
}

impl Machine for Puppet {
    fn resolve(&mut self, _: &ServerName, _: Instant) -> Ticket {
        Ticket::from_number(0)
    }
    fn handle_answer(&mut self, _: Answer, _: Instant) -> Disposition {
        self.deadlines.pop_front();
        self.disposition.unwrap_or(Disposition::Accepted)
    }
    fn handle_connected(&mut self, _: HttpId, _: Instant) -> Disposition {
        self.disposition.unwrap_or(Disposition::Accepted)
    }
    fn handle_timeout(&mut self, _: Instant) {}
    fn abandon(&mut self, _: Ticket, _: Instant) -> Disposition {
        self.disposition.unwrap_or(Disposition::Accepted)
    }
    fn set_routes(&mut self, _: Routes, _: Instant) {}
    fn set_name_servers(&mut self, _: u8, _: Instant) {}
    fn poll(&mut self) -> Option<Event> {
        let next = self.events.pop_front();
        if next.is_none() {
            std::mem::swap(&mut self.events, &mut self.again);
        }
        next
    }
    fn poll_timeout(&self) -> Option<Deadline> {
        let at = self.deadlines.front().copied().flatten()?;
        Some(Deadline { at, kind: DeadlineKind::NextAttempt })
    }
}

fn dns(number: u64) -> Event {
    let (id, name) = (DnsId::from_number(number), "a.example".parse().unwrap());
    Event::Request(Request::Dns(DnsRequest::new(id, name, RecordType::A)))
}

fn cancel(number: u64) -> Event {
    Event::Cancel(RequestId::Dns(DnsId::from_number(number)))
}

fn lost(number: u64) -> Input {
    Input::Answer(Answer::Dns(DnsId::from_number(number), Err(DnsError::Timeout)), START)
}

/// The invariants that a machine breaks which is asked for a name and then given inputs.
fn broken(puppet: Puppet, bounds: Bounds, inputs: &[Input]) -> Vec<&'static str> {
    let mut monitor = Monitor::new(puppet, bounds);
    monitor.apply(&Input::Resolve("a.example".parse().unwrap(), START));
    monitor.drain();
    for input in inputs {
        monitor.apply(input);
        monitor.drain();
    }
    let mut invariants: Vec<_> = monitor.finish().iter().map(|broken| broken.invariant).collect();
    invariants.dedup();
    invariants
}

#[test]
fn the_monitor_notices_each_broken_promise() {
    let loose = Bounds::of(&Default::default());
    let failed = || {
        let text = "resolve a.example:1 abandon=0s\n---\nfail abandoned";
        let run = run_each(&Scenario::parse(text).unwrap(), Options::default()).remove(0);
        let end = run.ends[0].outcome.clone().unwrap().unwrap();
        Event::Finished(Ticket::from_number(0), end)
    };
    let puppet = |events: Vec<Event>| Puppet { events: events.into(), ..Puppet::default() };
    let with = |events: Vec<Event>, inputs: &[Input]| broken(puppet(events), loose, inputs);

    assert_eq!(with(vec![dns(0), cancel(0), failed()], &[]), [] as [&str; 0]);
    assert_eq!(with(vec![dns(0), cancel(0), cancel(0), failed()], &[]), ["I2"]);
    assert_eq!(with(vec![dns(0), failed()], &[]), ["I2"]);
    assert_eq!(with(vec![cancel(0), failed()], &[]), ["I2"]);
    assert_eq!(with(vec![dns(1), dns(0), failed()], &[]), ["I2"]);
    assert_eq!(with(vec![dns(0), dns(0), failed()], &[]), ["I2"]);
    assert_eq!(with(vec![failed(), failed()], &[]), ["I11"]);
    assert_eq!(with(vec![dns(0)], &[]), ["I11"]);
    assert_eq!(with(vec![], &[]), ["I6", "I11"]);
    assert_eq!(with(vec![dns(0), failed()], &[lost(0), lost(0)]), ["I3"]);
    assert_eq!(with(vec![dns(0), failed()], &[lost(7)]), ["I3", "I2"]);

    let tight = Bounds { dns: 1, ..loose };
    assert_eq!(broken(puppet(vec![dns(0), dns(1), failed()]), tight, &[]), ["I10", "I2"]);
    let few = Bounds { events: 1, ..loose };
    assert!(broken(puppet(vec![dns(0), failed()]), few, &[]).contains(&"I10"));

    let restless = Puppet { again: vec![dns(0)].into(), ..puppet(vec![failed()]) };
    assert_eq!(broken(restless, loose, &[])[0], "I4");
    let spinning = Puppet { deadlines: vec![Some(START)].into(), ..puppet(vec![dns(0), failed()]) };
    assert_eq!(broken(spinning, loose, &[]), ["I5"]);
    let later = Some(START + Duration::from_secs(1));
    let sleepless = Puppet { deadlines: vec![later].into(), ..puppet(vec![failed()]) };
    assert_eq!(broken(sleepless, loose, &[]), ["I7"]);
    let moved = Puppet {
        deadlines: vec![later, None].into(),
        disposition: Some(Disposition::Unknown),
        ..puppet(vec![dns(0), failed()])
    };
    assert_eq!(broken(moved, loose, &[lost(9)]), ["I3", "I2"]);
}
