//! Runs of the machines, and properties that hold for both.

use discovery_core::{Event, Instant, Outcome, Resolution, Resolver, Ticket};
use discovery_sim::fuzz::{Adversary, Case, Op, Settings, Table, Trace};
use discovery_sim::{Machine, START};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

pub(crate) fn settings() -> impl Strategy<Value = Settings> {
    prop_oneof![
        1 => Just(Settings::default()),
        2 => any::<[u8; 4]>().prop_map(|bytes| Settings::from_bytes(&bytes)),
        3 => any::<[u8; Settings::BYTES]>().prop_map(Settings),
    ]
}

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = any::<[u8; Op::BYTES]>().prop_map(|bytes| Op::from_bytes(&bytes));
    proptest::collection::vec(op, 0..80)
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    (settings(), ops()).prop_map(|(settings, ops)| Case { settings, ops })
}

pub(crate) fn tables() -> impl Strategy<Value = Table> {
    let dull =
        (any::<[u8; Table::SLOTS]>(), any::<[bool; Table::SLOTS]>()).prop_map(|(table, dull)| {
            let mut table = table;
            table
                .iter_mut()
                .zip(dull)
                .for_each(|(byte, dull)| *byte &= if dull { 0xf0 } else { 0xff });
            Table(table)
        });
    prop_oneof![dull, any::<[u8; Table::SLOTS]>().prop_map(Table)]
}

/// A kind of machine.
pub(crate) trait Kind: Machine + Clone {
    fn start_at(settings: Settings, now: Instant) -> Self;

    fn start(settings: Settings) -> Self {
        Self::start_at(settings, START)
    }

    fn adversary(settings: Settings) -> Adversary<Self>;
}

impl Kind for Resolution {
    fn start_at(settings: Settings, now: Instant) -> Self {
        Self::new(settings.name(), &settings.config(), now)
    }

    fn adversary(settings: Settings) -> Adversary<Self> {
        Adversary::of_one(Self::start(settings), &settings.config(), &settings.name())
    }
}

impl Kind for Resolver {
    fn start_at(settings: Settings, now: Instant) -> Self {
        Self::new(settings.config(), now)
    }

    fn adversary(settings: Settings) -> Adversary<Self> {
        let mut adversary = Adversary::new(Self::start(settings), &settings.config());
        adversary.resolve(&settings.name());
        adversary
    }
}

pub(crate) fn run<M: Kind>(case: &Case) -> Trace {
    let mut adversary = M::adversary(case.settings);
    adversary.all(&case.ops);
    adversary.finish()
}

pub(crate) fn events(trace: &Trace) -> Vec<Event> {
    trace.events.iter().map(|(_, event)| event.clone()).collect()
}

/// The violations of one invariant in a run, as the monitor reports them.
pub(crate) fn keeps<M: Kind>(invariant: &str, case: &Case) -> TestCaseResult {
    let trace = run::<M>(case);
    let broken: Vec<_> = trace.violations.iter().filter(|v| v.invariant == invariant).collect();
    prop_assert!(broken.is_empty(), "{broken:#?}\n{:#?}", trace.inputs);
    Ok(())
}

/// One property for both machines.
macro_rules! invariant {
    ($name:ident, $check:ident($($arg:ident in $strategy:expr),+)) => {
        mod $name {
            use super::*;
            properties!($check($($arg in $strategy),+));
        }
    };
    ($name:ident, $invariant:literal) => {
        mod $name {
            use super::*;

            fn check<M: Kind>(case: Case) -> TestCaseResult {
                keeps::<M>($invariant, &case)
            }

            properties!(check(case in cases()));
        }
    };
}

macro_rules! properties {
    ($check:ident($($arg:ident in $strategy:expr),+)) => {
        proptest! {
            #[test]
            fn for_one_name($($arg in $strategy),+) {
                $check::<Resolution>($($arg),+)?;
            }

            #[test]
            fn for_many_names($($arg in $strategy),+) {
                $check::<Resolver>($($arg),+)?;
            }
        }
    };
}

pub(crate) fn order() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..24)
}

/// The outcome of a name in a world with one answer to each question, given in that order.
pub(crate) fn settled<M: Kind>(
    settings: Settings,
    table: &Table,
    order: &[u8],
) -> Result<Outcome, TestCaseError> {
    let mut adversary = M::adversary(settings);
    adversary.settle(table, order);
    prop_assert!(adversary.is_done(), "{:#?}", adversary.trace());
    let outcome = adversary.trace().outcomes().remove(&Ticket::from_number(0));
    Ok(outcome.expect("the first ticket's end"))
}
