//! The layers that every scenario runs through, behind one interface: a scenario in, the end of each name out.
//!
//! A further layer is one more implementation of [`Layer`] and one more line in [`all`]. Knows nothing of what must come out.

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

/// The ways to ask ahead: they must never change a result.
pub const SPECULATIONS: [Speculation; 4] =
    [Speculation::Off, Speculation::Addresses, Speculation::Full, Speculation::Remembered];

/// One way to run a scenario.
pub trait Layer: Send + Sync {
    /// What reports call it.
    fn name(&self) -> &'static str;

    /// Why it can't run this scenario; None: it can.
    fn declines(&self, scenario: &Scenario) -> Option<&'static str>;

    /// The ways to ask ahead that are worth a run of their own here.
    fn speculations(&self) -> &'static [Speculation] {
        &SPECULATIONS
    }

    /// How long a name must at least have been answered before the next one can be told apart from it.
    fn pause(&self) -> Duration {
        Duration::from_millis(1)
    }

    /// The end of each name, in order, or which invariant was broken on the way. Where a busy computer may be to blame for what
    /// comes out there is another attempt; None: there is none left.
    fn attempt(&self, scenario: &Scenario, attempt: usize) -> Option<Result<Vec<Ended>, String>>;
}

/// The only attempt of a layer that no busy computer disturbs.
fn once<T>(attempt: usize, run: impl FnOnce() -> T) -> Option<T> {
    (attempt == 0).then(run)
}

/// Runs a scenario in every way to ask ahead that the layer has, and says what `check` finds wrong: it is given the ends, and
/// whether questions were asked only where they were needed.
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

/// The end of one name.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What came out; an error where the text is no server name.
    pub outcome: Result<Outcome, InvalidServerName>,
    /// When it came out, on the clock that `expires` is on.
    pub at: Instant,
    /// What was asked from this `resolve` to the next later one, every attempt; None: that was not watched.
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

    /// The result, or the failure, of a text that is a server name.
    pub fn result(&self) -> Option<&Outcome> {
        self.outcome.as_ref().ok()
    }
}

/// Every layer that runs machines, each adapter being one. The reference model stands beside them: it has no time.
///
/// # Errors
/// Says what a layer lacks on this computer.
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

/// The machines alone: without the feature `sockets` there is nothing else.
///
/// # Errors
/// None.
#[cfg(not(feature = "sockets"))]
pub fn all() -> Result<Vec<Box<dyn Layer>>, String> {
    Ok(vec![Box::new(OnItsOwn), Box::new(Memory)])
}

/// The scenario with another way to ask ahead.
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
    // The last line on a matter counts.
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

/// Whether the scenario asks for names at several times: then it is about what is remembered.
pub fn is_about_memory(scenario: &Scenario) -> bool {
    scenario.resolves().iter().any(|resolve| resolve.at > Duration::ZERO)
}
