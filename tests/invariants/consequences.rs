//! Consequences of the invariants: runs that are moved in time, repeated, copied, given other ids, or run on the other
//! machine.

use std::time::Duration;

use discovery_core::*;
use discovery_sim::fuzz::{Adversary, Case, Op, Settings, Table};
use discovery_sim::{Input, START, replay};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::edit::*;
use crate::runs::*;

fn translated<M: Kind>(case: Case, by: u64) -> TestCaseResult {
    let by = Duration::from_millis(by);
    let ops: Vec<Op> = case.ops.iter().filter(|op| !far(op)).copied().collect();
    let case = Case { ops, settings: moderate(case.settings) };
    let trace = run::<M>(&case);
    prop_assume!(trace.inputs.iter().all(|input| input.at() < Instant::from_secs(1_000_000_000)));
    let inputs: Vec<Input> = trace.inputs.iter().map(|input| at(input, input.at() + by)).collect();
    let mut machine = M::start_at(case.settings, START + by);
    let shifted: Vec<Event> = events(&trace).into_iter().map(|event| later(event, by)).collect();
    prop_assert_eq!(replay(&mut machine, &inputs), shifted);
    Ok(())
}
invariant!(a_run_moved_in_time_is_the_same_run, translated(case in cases(), by in 0..1_000_000_000_u64));

fn repeated<M: Kind>(case: Case, cut: usize) -> TestCaseResult {
    let trace = run::<M>(&case);
    let mut machine = M::start(case.settings);
    prop_assert_eq!(
        replay(&mut machine, &trace.inputs),
        events(&trace),
        "the same inputs, the same run"
    );
    let cut = cut % trace.inputs.len().max(1);
    let mut original = M::start(case.settings);
    let mut out = replay(&mut original, &trace.inputs[..cut]);
    let mut copy = original.clone();
    let rest = replay(&mut copy, &trace.inputs[cut..]);
    prop_assert_eq!(
        replay(&mut original, &trace.inputs[cut..]),
        rest.clone(),
        "a copy runs on alike"
    );
    out.extend(rest);
    prop_assert_eq!(out, events(&trace));
    Ok(())
}
invariant!(a_run_equals_its_list_of_inputs_and_a_copy_its_original, repeated(case in cases(), cut in any::<usize>()));

/// Ids and random numbers used for earlier names make no difference.
fn renamed(settings: Settings, table: Table, before: u8) -> TestCaseResult {
    let mut fresh = Resolver::adversary(settings);
    let mut used = Adversary::new(Resolver::start(settings), &settings.config());
    let other: ServerName = "unrelated.test:1".parse().unwrap();
    for _ in 0..before {
        used.resolve(&other);
        used.settle(&Table([3; Table::SLOTS]), &[0]);
    }
    let done = used.is_done();
    prop_assume!(done);
    let (count, ticket) = (used.trace().events.len(), used.resolve(&settings.name()).unwrap());
    used.settle(&table, &[0, 1, 2]);
    fresh.settle(&table, &[0, 1, 2]);
    let plain = |events: &[(usize, Event)]| -> Vec<_> {
        events.iter().map(|(_, event)| without_ids(event)).collect()
    };
    let ends = (
        used.trace().outcomes().remove(&ticket),
        fresh.trace().outcomes().remove(&Ticket::from_number(0)),
    );
    prop_assert_eq!(plain(&used.trace().events[count..]), plain(&fresh.trace().events));
    prop_assert_eq!(ends.0, ends.1);
    Ok(())
}

proptest! {
    #[test]
    fn ids_spent_before_make_no_difference(settings in settings(), table in tables(), before in 0..4_u8) {
        // One target only, so that the random order by weight makes no difference.
        let settings = kept(settings, &[0, 1, 2]);
        let mut table = table;
        table.0[16..32].iter_mut().for_each(|byte| *byte &= 0b1111_0101);
        renamed(settings, table, before)?;
    }

    #[test]
    fn states_are_equal_for_runs_that_differ_in_time_alone(case in cases(), by in 0..1_000_000_000_u64) {
        let by = Duration::from_millis(by);
        let case = Case { settings: moderate(case.settings), ..case };
        let mut adversary = Resolution::adversary(case.settings);
        let ops: Vec<Op> = case.ops.iter().filter(|op| !far(op)).copied().collect();
        adversary.all(&ops);
        let inputs = &adversary.trace().inputs;
        let latest = inputs.iter().map(Input::at).max().unwrap_or(START);
        prop_assume!(latest < Instant::from_secs(1_000_000_000));
        let mut machine = Resolution::start_at(case.settings, START + by);
        let moved: Vec<Input> = inputs.iter().map(|input| at(input, input.at() + by)).collect();
        replay(&mut machine, &moved);
        prop_assert_eq!(adversary.machine().state(latest), machine.state(latest + by));
    }

    #[test]
    fn a_resolution_equals_its_copy_after_the_same_inputs(case in cases(), cut: usize) {
        let mut adversary = Resolution::adversary(case.settings);
        adversary.all(&case.ops);
        let inputs = &adversary.trace().inputs;
        let cut = cut % inputs.len();
        let mut machine = Resolution::start(case.settings);
        replay(&mut machine, &inputs[..cut]);
        let mut copy = machine.clone();
        replay(&mut machine, &inputs[cut..]);
        replay(&mut copy, &inputs[cut..]);
        prop_assert_eq!(&machine, &copy);
        prop_assert_eq!(&machine, adversary.machine());
    }

    #[test]
    fn one_name_comes_out_of_both_machines_alike(settings in settings(), table in tables(), order in order()) {
        let mut settings = kept(settings, &[0, 1, 2, 3, 5, 6]);
        (settings.0[5], settings.0[6]) = (settings.0[5] & 0b1111_1100, settings.0[6] & 0b1111);
        let one = settled::<Resolution>(settings, &table, &order)?;
        let many = settled::<Resolver>(settings, &table, &order)?;
        if many_targets(&one) {
            prop_assert_eq!(sorted(&one), sorted(&many), "the draw of weights is each ticket's own");
        } else {
            prop_assert_eq!(one, many);
        }
    }
}
