//! The layers that every scenario runs through, behind one interface: from a scenario to the outcome of each name.
//!
//! A new layer is an implementation of [`Layer`] and a line in [`all`]. Expected results are compared elsewhere.

#[cfg(feature = "sockets")]
mod bytes;
mod machine;
mod orders;
mod reference;
#[cfg(feature = "sockets")]
mod sockets;

use std::time::Duration;

use discovery_core::{Instant, InvalidServerName, Outcome, Question, Speculation};
#[cfg(feature = "sockets")]
use discovery_lab::RunTrouble;
use discovery_sim::{Line, Observed, Scenario};

#[cfg(feature = "sockets")]
use crate::adapters;
#[cfg(feature = "sockets")]
pub use bytes::Bytes;
pub use machine::{Memory, OnItsOwn};
pub use orders::{declines as orders_decline, orders};
pub use reference::{check as check_reference, declines as reference_declines};
#[cfg(feature = "sockets")]
pub use sockets::Sockets;

/// The modes of speculation. They must never change a result.
pub const SPECULATIONS: [Speculation; 4] =
    [Speculation::Off, Speculation::Addresses, Speculation::Full, Speculation::Remembered];

/// A way to run scenarios.
pub trait Layer: Send + Sync {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// Why it cannot run this scenario. None: it can.
    fn declines(&self, scenario: &Scenario) -> Option<&'static str>;

    /// The modes of speculation to run.
    fn speculations(&self) -> &'static [Speculation] {
        &SPECULATIONS
    }

    /// The minimum time between two names, so that they can be told apart.
    fn pause(&self) -> Duration {
        Duration::from_millis(1)
    }

    /// The outcome of each name in order, or the invariant that was violated. Layers that a busy computer may disturb have
    /// several attempts. None: there is no further attempt.
    fn attempt(&self, scenario: &Scenario, attempt: usize) -> Option<Result<Vec<Ended>, String>>;
}

/// The only attempt of a layer that a busy computer does not disturb.
fn once<T>(attempt: usize, run: impl FnOnce() -> T) -> Option<T> {
    (attempt == 0).then(run)
}

/// Runs a scenario in every mode of speculation of the layer, and returns what `check` finds wrong. `check` gets the
/// outcomes, and whether speculation is off.
pub fn examine(
    layer: &dyn Layer,
    scenario: &Scenario,
    check: impl Fn(&[Ended], bool) -> Vec<String>,
) -> Vec<String> {
    let mut found: Vec<(String, Vec<Speculation>)> = Vec::new();
    for speculation in layer.speculations() {
        let varied = speculating(scenario, *speculation);
        let frugal = *speculation == Speculation::Off;
        let attempts = (0..).map_while(|attempt| layer.attempt(&varied, attempt));
        let mut wrong = vec!["it was not run at all".to_owned()];
        for ends in attempts {
            wrong = ends.map_or_else(|broken| vec![broken], |ends| check(&ends, frugal));
            if wrong.is_empty() {
                break;
            }
        }
        for wrong in wrong {
            match found.iter_mut().find(|(known, _)| *known == wrong) {
                Some((_, ways)) => ways.push(*speculation),
                None => found.push((wrong, vec![*speculation])),
            }
        }
    }
    let everywhere = layer.speculations();
    found
        .into_iter()
        .map(|(wrong, ways)| match ways.as_slice() {
            ways if ways == everywhere => wrong,
            ways => format!("{wrong} (speculation {ways:?})"),
        })
        .collect()
}

/// The outcome of a name.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The outcome, or an error if the text is not a server name.
    pub outcome: Result<Outcome, InvalidServerName>,
    /// The time of the outcome, on the clock of `expires`.
    pub at: Instant,
    /// All attempts from this `resolve` to the next later one. None: they were not recorded.
    pub asked: Option<Vec<Question>>,
}

impl Ended {
    /// As expectations look at it.
    pub fn observed(&self) -> Observed<'_> {
        let observed = match &self.outcome {
            Ok(outcome) => Observed::new(outcome, self.at),
            Err(why) => Observed::invalid(*why, self.at),
        };
        match &self.asked {
            Some(asked) => observed.asking(asked),
            None => observed,
        }
    }

    /// The result or the error of a valid server name.
    pub fn result(&self) -> Option<&Outcome> {
        self.outcome.as_ref().ok()
    }
}

/// All layers that run machines, one for each adapter. The reference model, which has no time, is separate.
///
/// # Errors Names what a layer lacks on this computer.
#[cfg(feature = "sockets")]
pub fn all() -> Result<Vec<Box<dyn Layer>>, String> {
    let trouble = |trouble: RunTrouble| trouble.to_string();
    let bytes = Bytes::new().map_err(trouble)?;
    let mut all: Vec<Box<dyn Layer>> = vec![Box::new(OnItsOwn), Box::new(Memory), Box::new(bytes)];
    for adapter in adapters::all() {
        all.push(Box::new(Sockets::new(adapter).map_err(trouble)?));
    }
    Ok(all)
}

/// The machines alone, without the feature `sockets`.
///
/// # Errors
/// None.
#[cfg(not(feature = "sockets"))]
pub fn all() -> Result<Vec<Box<dyn Layer>>, String> {
    Ok(vec![Box::new(OnItsOwn), Box::new(Memory)])
}

/// The scenario with another mode of speculation.
#[must_use]
pub fn speculating(scenario: &Scenario, speculation: Speculation) -> Scenario {
    let value = match speculation {
        Speculation::Off => "off",
        Speculation::Addresses => "addresses",
        Speculation::Full => "full",
        Speculation::Remembered => "remembered",
    };
    with(scenario, Line::Set { field: "spec.speculation".to_owned(), value: value.to_owned() })
}

fn with(scenario: &Scenario, line: Line) -> Scenario {
    let mut scenario = scenario.clone();
    // The last line counts.
    scenario.lines.push(line);
    scenario
}

/// Whether `cargo test` runs this scenario through this layer. Adapters and loops other than tokio run one scenario in three: the
/// choice follows from the names alone, and differs from layer to layer.
#[must_use]
pub fn by_default(layer: &str, scenario: &str) -> bool {
    if ["resolution", "resolver", "wire", "tokio"].contains(&layer) {
        return true;
    }
    // FNV-1a; the upper half of such a hash depends on all bytes.
    let bytes = layer.bytes().chain(scenario.bytes());
    let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    (bytes.fold(0xcbf2_9ce4_8422_2325, mix) >> 32) % 3 == 0
}

/// Whether the scenario resolves names at several times, which makes it a test of the cache.
pub fn is_about_memory(scenario: &Scenario) -> bool {
    scenario.resolves().iter().any(|resolve| resolve.at > Duration::ZERO)
}
