//! Bytes as a life of a resolver that remembers, beside the model of what may be remembered.

use crate::session::{Session, Setup, Step};

/// Steps of a life, at most: what goes wrong goes wrong early, or not for the number of steps.
const MAX_STEPS: usize = 400;

/// Reads the setup of a session from three bytes and its steps from two each, and executes it.
///
/// # Panics
/// If the resolver does what the model does not allow, or breaks an invariant.
pub fn cache_target(bytes: &[u8]) {
    let (first, rest) = bytes.split_at(bytes.len().min(3));
    let byte = |at: usize| usize::from(first.get(at).copied().unwrap_or_default());
    let mut life = Session::new(Setup::new(byte(0) % 2 == 0, [byte(1), byte(2)], byte(0) / 2));
    for step in rest.chunks(Step::BYTES).take(MAX_STEPS) {
        life.step(Step::from_bytes(step));
    }
    life.finish();
}
