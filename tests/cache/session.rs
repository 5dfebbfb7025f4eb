//! Random sessions with a resolver, with results remembered and without, compared with the cache model.

use discovery_sim::session::{Session, Setup, Step};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// Sessions in which results are remembered beside facts, or facts alone.
struct Sessions<const RESULTS: bool>;

impl<const RESULTS: bool> ReferenceStateMachine for Sessions<RESULTS> {
    type State = Setup;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Setup> {
        (any::<[u8; 2]>(), 0..2_usize)
            .prop_map(|(documents, service)| {
                Setup::new(RESULTS, documents.map(usize::from), service)
            })
            .boxed()
    }

    fn transitions(_: &Setup) -> BoxedStrategy<Step> {
        let number = || 0..22_usize;
        prop_oneof![
            8 => number().prop_map(Step::Resolve),
            4 => (number(), number()).prop_map(|(which, what)| Step::Report(which, what)),
            3 => number().prop_map(Step::Ask),
            1 => number().prop_map(Step::Abandon),
            8 => number().prop_map(Step::Wait),
            1 => number().prop_map(Step::Forget),
            3 => (0..2_usize, 0..9_usize).prop_map(|(at, what)| Step::Document(at, what)),
            3 => (0..3_usize, 0..10_usize).prop_map(|(at, what)| Step::Zone(at, what)),
            1 => number().prop_map(Step::Service),
            1 => any::<bool>().prop_map(Step::Silent),
            3 => number().prop_map(Step::Import),
            3 => Just(Step::Swap),
        ]
        .boxed()
    }

    fn apply(mut setup: Setup, step: &Step) -> Setup {
        setup.change(step);
        setup
    }
}

impl<const RESULTS: bool> StateMachineTest for Sessions<RESULTS> {
    type SystemUnderTest = Session;
    type Reference = Self;

    fn init_test(setup: &Setup) -> Session {
        Session::new(setup.clone())
    }

    fn apply(mut session: Session, _: &Setup, step: Step) -> Session {
        session.step(step);
        session
    }

    fn teardown(session: Session, _: Setup) {
        session.finish();
    }
}

prop_state_machine! {
    #![proptest_config(Cases { rng_seed: RngSeed::Fixed(7), max_shrink_iters: 4000, failure_persistence: None, ..Cases::default() })]

    #[test]
    fn sessions_agree_with_the_model(sequential 1..60 => Sessions<true>);

    #[test]
    fn sessions_with_facts_alone_agree_with_the_model(sequential 1..60 => Sessions<false>);
}
