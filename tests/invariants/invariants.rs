//! The invariants by their numbers.

use std::time::Duration;

use discovery_core::*;
use discovery_sim::fuzz::{Case, Op, Settings, Table};
use discovery_sim::{Input, Machine, START, replay};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::edit::*;
use crate::runs::*;

/// Inputs without a drain in between, and after the end: nothing panics, and the events are the same as with drains.
fn i01<M: Kind>(case: Case) -> TestCaseResult {
    let trace = run::<M>(&case);
    let mut machine = M::start(case.settings);
    for input in &trace.inputs {
        machine.apply(input);
    }
    let undrained: Vec<Event> = std::iter::from_fn(|| machine.poll()).collect();
    prop_assert_eq!(undrained, events(&trace));
    let late = trace.inputs.clone();
    // Resolving a name causes requests, and so does a report of failing endpoints.
    let asks = |input: &&Input| matches!(input, Input::Resolve(..) | Input::Report(..));
    for input in late.iter().filter(|input| !asks(input)) {
        machine.apply(input);
        prop_assert_eq!(machine.poll(), None, "after the end nothing comes out");
    }
    for input in late.iter().filter(asks) {
        machine.apply(input);
    }
    Ok(())
}
invariant!(i01_inputs_are_legal_in_any_state_and_order, i01(case in cases()));

invariant!(i02_every_request_is_answered_or_cancelled_exactly_once, "I2");
invariant!(i03_answers_that_nobody_waits_for_change_nothing_and_say_so, "I3");
invariant!(i04_once_poll_gave_nothing_it_gives_nothing_until_an_input_arrives, "I4");
invariant!(i05_after_a_drain_the_next_deadline_is_later_than_now, "I5");
invariant!(i06_unfinished_means_a_request_outstanding_or_a_deadline, "I6");
invariant!(i07_nothing_in_flight_means_no_deadline, "I7");

/// The same run, with each input at the latest time so far.
fn raised(inputs: &[Input]) -> Vec<Input> {
    let mut latest = START;
    let raise = |input: &Input| {
        latest = latest.max(input.at());
        at(input, latest)
    };
    inputs.iter().map(raise).collect()
}

/// The same run with rising times, with additional early timeouts, and with one late timeout instead of many.
fn i08<M: Kind>(case: Case, early: Vec<u8>) -> TestCaseResult {
    let trace = run::<M>(&case);
    let rising = raised(&trace.inputs);
    prop_assert_eq!(
        replay(&mut M::start(case.settings), &rising),
        events(&trace),
        "time goes back"
    );

    // An input with an earlier time counts as one at the latest time.
    let mut back = early.clone().into_iter().cycle();
    let past: Vec<Input> = rising
        .iter()
        .map(|input| {
            let span = u64::from(back.next().unwrap_or(0)) * 40_000_000;
            at(input, Instant::from_nanos(input.at().as_nanos().saturating_sub(span)))
        })
        .collect();
    prop_assert_eq!(
        replay(&mut M::start(case.settings), &past),
        replay(&mut M::start(case.settings), &raised(&past)),
        "told with a time that is past"
    );

    let mut machine = M::start(case.settings);
    let mut out: Vec<Event> = std::iter::from_fn(|| machine.poll()).collect();
    let mut early = early.into_iter().cycle();
    for input in &rising {
        // Somewhere between now and the next deadline, but not beyond the next input.
        let from = latest_of(&machine, input.at());
        let share = u64::from(early.next().unwrap_or(0));
        let nanos = from.as_nanos().saturating_sub(1).min(input.at().as_nanos());
        machine.handle_timeout(Instant::from_nanos(nanos / 256 * share));
        prop_assert_eq!(machine.poll(), None, "an early timeout");
        machine.apply(input);
        out.extend(std::iter::from_fn(|| machine.poll()));
    }
    prop_assert_eq!(out, events(&trace), "early timeouts");
    Ok(())
}
invariant!(i08_time_never_goes_back_and_early_timeouts_do_nothing, i08(case in cases(), early in proptest::collection::vec(any::<u8>(), 1..9)));

fn latest_of(machine: &impl Machine, or: Instant) -> Instant {
    machine.poll_timeout().map_or(or, |deadline| deadline.at)
}

/// One late timeout has the effect of several timely ones, unless it ends a pause (I15).
fn i08_late<M: Kind>(case: Case, span: u64) -> TestCaseResult {
    let mut adversary = M::adversary(case.settings);
    adversary.all(&case.ops);
    let (mut in_time, mut late) = (adversary.machine().clone(), adversary.machine().clone());
    let latest = adversary.trace().inputs.iter().map(Input::at).max().unwrap_or(START);
    let end = latest_of(&late, latest) + Duration::from_millis(span);
    let mut stepped = Vec::new();
    while let Some(deadline) = in_time.poll_timeout().filter(|deadline| deadline.at <= end) {
        in_time.handle_timeout(deadline.at);
        stepped.extend(std::iter::from_fn(|| in_time.poll()));
    }
    late.handle_timeout(end);
    let at_once: Vec<Event> = std::iter::from_fn(|| late.poll()).collect();
    prop_assert_eq!(at_once, stepped);
    prop_assert_eq!(late.poll_timeout(), in_time.poll_timeout());
    Ok(())
}
invariant!(i08_late_timeouts_fire_in_order, i08_late(case in cases(), span in 0..=1_000_u64));

/// An answer that is handled at the deadline of its question, or long after it, counts.
fn i09<M: Kind>(case: Case, which: u8, after: u64) -> TestCaseResult {
    let mut adversary = M::adversary(case.settings);
    adversary.all(&case.ops);
    let mut machine = adversary.machine().clone();
    let Some(deadline) = machine.poll_timeout() else { return Ok(()) };
    let open: Vec<Request> = adversary.open().cloned().collect();
    let Some(request) = open.get(usize::from(which) % open.len().max(1)) else { return Ok(()) };
    let answer = discovery_sim::fuzz::said(request, 0);
    let now = deadline.at + Duration::from_millis(after);
    prop_assert_eq!(machine.handle_answer(answer.clone(), now), Disposition::Accepted);
    prop_assert_eq!(machine.handle_answer(answer, now), Disposition::Stale);
    Ok(())
}
invariant!(i09_an_answer_beats_its_own_deadline, i09(case in cases(), which in any::<u8>(), after in prop_oneof![Just(0), 0..100_000_u64]));

#[test]
fn i09_the_last_answer_at_the_deadline_makes_the_result() {
    let mut machine = Resolution::new("a.example:1".parse().unwrap(), &Config::default(), START);
    let requests: Vec<Request> =
        std::iter::from_fn(|| machine.poll()).filter_map(request).collect();
    let [v6, v4] = &requests[..] else { panic!("{requests:?}") };
    let _ = machine.handle_answer(
        Answer::Dns(dns_id(v6), Err(discovery_core::DnsError::ServerFailure)),
        START,
    );
    let end = START + Duration::from_secs(10);
    while let Some(deadline) = machine.poll_timeout().filter(|deadline| deadline.at < end) {
        machine.handle_timeout(deadline.at);
    }
    let answer = discovery_sim::fuzz::said(v4, 0);
    assert_eq!(machine.handle_answer(answer, end), Disposition::Accepted);
    let outcome = std::iter::from_fn(|| machine.poll()).find_map(finished).expect("an end");
    assert!(outcome.is_ok(), "{outcome:?}");
}

invariant!(i10_everything_is_bounded, "I10");
invariant!(i11_every_ticket_ends_exactly_once_through_poll, "I11");

/// Abandoning a second ticket has no effect on the first.
fn i12_others(case: Case, after: usize) -> TestCaseResult {
    // The first ticket is not abandoned itself.
    let ops = case.ops.into_iter().filter(|op| !matches!(op, Op::Abandon(_))).collect();
    let case = Case { ops, ..case };
    let mut alone = Resolver::adversary(case.settings);
    alone.all(&case.ops);
    let alone = alone.trace().clone();
    let name = case.settings.name();
    let joined = 1 + after % alone.inputs.len();
    let now = |count: usize| alone.inputs[..count].iter().map(Input::at).max().unwrap_or(START);
    let mut machine = Resolver::start(case.settings);
    let mut out = Vec::new();
    let mut extra = None;
    let last = alone.inputs.len();
    for (count, input) in alone.inputs.iter().enumerate() {
        if count == joined {
            // The lookup is shared only while the first ticket exists.
            let ended = out
                .iter()
                .any(|event| matches!(event, Event::Finished(ticket, _) if ticket.number() == 0));
            if !ended {
                extra = Some(machine.resolve(&name, now(count)));
            }
        }
        let input = renumbered(input, extra);
        machine.apply(&input);
        out.extend(std::iter::from_fn(|| machine.poll()));
        if count + 1 == last.min(joined + 3)
            && let Some(ticket) = extra
        {
            let _ = machine.abandon(ticket, now(count + 1));
            out.extend(std::iter::from_fn(|| machine.poll()));
        }
    }
    let own = out
        .into_iter()
        .filter(|event| !matches!(event, Event::Finished(ticket, _) if Some(*ticket) == extra));
    let own: Vec<Event> = own.map(|event| original(event, extra)).collect();
    let drawn = own
        .iter()
        .any(|event| matches!(event, Event::Finished(_, outcome) if many_targets(outcome)));
    if !drawn {
        let alone: Vec<Event> = events(&alone);
        prop_assert_eq!(own, alone);
    }
    Ok(())
}

/// Abandoning a name has no effect on another name that shares its questions.
fn i12_questions(settings: Settings, table: Table, other: u8, order: Vec<u8>) -> TestCaseResult {
    // All names are on one host, so that they share its questions, and are abandoned while these are open.
    let of_one_host = |byte: u8| [0, 4, 8, 9][usize::from(byte % 4)];
    let mut settings = kept(settings, &[0, 1, 2, 3, 6]);
    settings.0[0] = of_one_host(settings.0[0]);
    let alone = settled::<Resolver>(settings, &table, &[0])?;
    let mut both = Resolver::adversary(settings);
    both.resolve(&discovery_sim::fuzz::server_name(of_one_host(other)));
    for which in order.into_iter().take(usize::from(other >> 6)) {
        let open: Vec<Request> = both.open().cloned().collect();
        let Some(request) = open.get(usize::from(which) % open.len().max(1)) else { break };
        both.input(Input::Answer(table.said(request), both.now()));
    }
    both.act(Op::Abandon(1));
    both.settle(&table, &[0]);
    prop_assert!(both.is_done(), "{:#?}", both.trace());
    let outcome = both.trace().outcomes().remove(&Ticket::from_number(0));
    let outcome = outcome.expect("the first ticket's end");
    prop_assert_eq!(sorted(&outcome), sorted(&alone));
    Ok(())
}

/// When every ticket is abandoned, no request is open and no deadline is set.
fn i12_last(mut case: Case) -> TestCaseResult {
    // No query continues for the cache: there are no late questions, stale facts, refreshes, reports of failures or
    // imports.
    case.ops.retain(|op| !matches!(op, Op::Import(_)));
    (case.settings.0[9], case.settings.0[12], case.settings.0[13]) = (5, 1, 1);
    case.ops.retain(|op| !matches!(op, Op::Report(..)));
    let mut adversary = Resolver::adversary(case.settings);
    adversary.all(&case.ops);
    for ticket in 0..=u8::MAX {
        adversary.act(Op::Abandon(ticket));
    }
    prop_assert!(adversary.is_done());
    prop_assert_eq!(adversary.open().count(), 0);
    let trace = adversary.finish();
    prop_assert!(trace.violations.is_empty(), "{:?}", trace.violations);
    Ok(())
}

proptest! {
    #[test]
    fn i12_other_waiters_do_not_notice_an_abandon(case in cases(), after: usize) {
        i12_others(case, after)?;
    }

    #[test]
    fn i12_names_that_share_questions_do_not_notice_an_abandon(
        settings in settings(), table in tables(), other: u8, order in order(),
    ) {
        i12_questions(settings, table, other, order)?;
    }

    #[test]
    fn i12_the_last_abandon_cancels_unneeded_requests(case in cases()) {
        i12_last(case)?;
    }
}

fn i13<M: Kind>(settings: Settings, table: Table, orders: (Vec<u8>, Vec<u8>)) -> TestCaseResult {
    // Only the order varies: no time passes, and no deadline is zero.
    let mut settings = kept(settings, &[0, 1, 2, 3, 5, 6, 14]);
    settings.0[5] &= 0b1111_1100;
    prop_assume!(settings.config().name_servers > 0);
    let first = settled::<M>(settings.speculating(0), &table, &[0])?;
    for speculation in 0..3 {
        for order in [&orders.0, &orders.1] {
            let outcome = settled::<M>(settings.speculating(speculation), &table, order)?;
            prop_assert_eq!(&outcome, &first, "speculation {}, order {:?}", speculation, order);
        }
    }
    Ok(())
}
invariant!(i13_order_and_speculation_never_change_the_result, i13(settings in settings(), table in tables(), orders in (order(), order())));

invariant!(i14_no_lookup_takes_longer_than_its_deadlines, "I14");

/// A driver that is more than a second late has been away. Nothing times out or is decided by that, unless a lookup has
/// been through too many pauses.
fn i15<M: Kind>(case: Case, span: u64) -> TestCaseResult {
    let mut adversary = M::adversary(case.settings);
    adversary.all(&case.ops);
    let mut machine = adversary.machine().clone();
    let latest = adversary.trace().inputs.iter().map(Input::at).max().unwrap_or(START);
    let Some(deadline) = machine.poll_timeout() else { return Ok(()) };
    let back = deadline.at + Duration::from_millis(span);
    machine.handle_timeout(back);
    let events: Vec<Event> = std::iter::from_fn(|| machine.poll()).collect();
    let mut ended = events.iter().filter_map(|event| match event {
        Event::Finished(_, outcome) => Some(outcome),
        Event::Request(_) | Event::Cancel(_) => None,
    });
    let interrupted = ended.clone().count() > 0;
    prop_assert!(
        ended.all(|outcome| matches!(outcome, Err(failed) if failed.kind == ErrorKind::Local)),
        "{:?}",
        events
    );
    if events.is_empty() && !interrupted {
        let left = |at: Instant, now| at.saturating_duration_since(now);
        let after = machine.poll_timeout().map(|deadline| left(deadline.at, back));
        prop_assert_eq!(after, Some(left(deadline.at, latest)));
    }
    Ok(())
}
invariant!(i15_a_pause_of_the_driver_decides_nothing, i15(case in cases(), span in 1_001..100_000_000_u64));
