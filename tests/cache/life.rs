//! Random lives of a resolver, with results remembered and without, compared with the model of what may be remembered.

use discovery_sim::life::{Life, Scene, Step};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// Lives in which results are remembered beside facts, or facts alone.
struct Lives<const RESULTS: bool>;

impl<const RESULTS: bool> ReferenceStateMachine for Lives<RESULTS> {
    type State = Scene;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Scene> {
        (any::<[u8; 2]>(), 0..2_usize)
            .prop_map(|(documents, service)| {
                Scene::new(RESULTS, documents.map(usize::from), service)
            })
            .boxed()
    }

    fn transitions(_: &Scene) -> BoxedStrategy<Step> {
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
            3 => number().prop_map(Step::Teach),
            3 => Just(Step::Swap),
        ]
        .boxed()
    }

    fn apply(mut scene: Scene, step: &Step) -> Scene {
        scene.change(step);
        scene
    }
}

impl<const RESULTS: bool> StateMachineTest for Lives<RESULTS> {
    type SystemUnderTest = Life;
    type Reference = Self;

    fn init_test(scene: &Scene) -> Life {
        Life::new(scene.clone())
    }

    fn apply(mut life: Life, _: &Scene, step: Step) -> Life {
        life.step(step);
        life
    }

    fn teardown(life: Life, _: Scene) {
        life.finish();
    }
}

prop_state_machine! {
    #![proptest_config(Cases { rng_seed: RngSeed::Fixed(7), max_shrink_iters: 4000, failure_persistence: None, ..Cases::default() })]

    #[test]
    fn what_is_remembered_is_what_the_promises_allow(sequential 1..60 => Lives<true>);

    #[test]
    fn what_facts_alone_are_remembered_for_is_what_the_promises_allow(sequential 1..60 => Lives<false>);
}
