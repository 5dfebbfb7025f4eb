//! Lives of resolvers in hostile worlds, under one seed, for so many hours of theirs.
//!
//! Knows nothing of what happens in them: the simulator does.

use std::time::Duration;

use discovery_sim::{Lived, Storm};

use crate::assure::{Figures, grouped};
use crate::several;

/// What was lived through under one seed.
pub(crate) struct Simulated {
    seed: u64,
    lives: u64,
    all: Lived,
    /// What went wrong in the last life, with nothing left out that could be.
    failure: Option<Failure>,
}

struct Failure {
    life: u64,
    why: String,
    /// The same with the least that makes it happen, and what that is.
    least: String,
    storm: String,
}

impl Simulated {
    fn add(&mut self, life: u64, lived: Result<Lived, String>) {
        match lived {
            Ok(lived) => {
                self.lives = self.lives.saturating_add(1);
                self.all.add(lived);
            }
            Err(why) => {
                let least = Storm::new(self.seed, life).least();
                self.failure = Some(Failure {
                    life,
                    least: least.failure().unwrap_or_else(|| why.clone()),
                    why,
                    storm: format!("{least:#?}"),
                });
            }
        }
    }

    /// In one line.
    fn sum(&self) -> String {
        let [lost, twice, late, lies] = self.all.faults.map(grouped);
        format!(
            "{} lives, {} hours, {} steps; answers: {lost} lost, {twice} given twice, {late} out of order, {lies} not so; {} jumps of \
             clocks, {} strangers' names",
            grouped(self.lives),
            grouped(self.all.time.as_secs() / 3600),
            grouped(self.all.steps),
            grouped(self.all.clocks),
            grouped(self.all.strangers)
        )
    }

    pub(crate) fn figures(&self) -> Figures {
        let Lived { time, steps, faults, clocks, strangers } = &self.all;
        let what = format!(
            "seed {}: {} hours in {} lives, {} steps, {} faults in answers, {} jumps of clocks, {} strangers' names",
            self.seed,
            grouped(time.as_secs() / 3600),
            grouped(self.lives),
            grouped(*steps),
            grouped(faults.iter().sum::<u64>()),
            grouped(*clocks),
            grouped(*strangers)
        );
        let again = |Failure { life, least, .. }: &Failure| {
            let least = least.lines().next().unwrap_or_default();
            format!("cargo xtask sim --seed {} --life {life}: {least}", self.seed)
        };
        Figures::new(what, self.failure.as_ref().map(again))
    }

    /// Prints what went wrong, if something did. Whether nothing did.
    pub(crate) fn tell(&self) -> bool {
        let Some(Failure { life, why, least, storm }) = &self.failure else { return true };
        let seed = self.seed;
        println!("seed {seed}, life {life}: {why}");
        println!("with nothing left out that could be: {least}");
        println!("{storm}");
        println!("again: cargo xtask sim --seed {seed} --life {life}");
        false
    }
}

/// Lives that are lived at once, or one after the other on the same core.
const BATCH: u64 = 64;

/// Lives, prints a line or what went wrong, and says whether nothing did.
pub(crate) fn run(seed: u64, hours: u64, life: Option<u64>) -> bool {
    let simulated = simulate(seed, hours, life);
    let well = simulated.tell();
    if well {
        println!("seed {seed}: {}; nothing wrong", simulated.sum());
    }
    well
}

/// Lives until so much time has passed, until something goes wrong, or that one life.
pub(crate) fn simulate(seed: u64, hours: u64, life: Option<u64>) -> Simulated {
    let until = Duration::from_secs(hours.saturating_mul(3600));
    let mut simulated = Simulated { seed, lives: 0, all: Lived::default(), failure: None };
    // What goes wrong is told once, by what is returned.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut first = life.unwrap_or(0);
    let batch = if life.is_some() { 1 } else { BATCH };
    while simulated.all.time < until && simulated.failure.is_none() {
        let lives: Vec<u64> = (first..first.saturating_add(batch)).collect();
        let lived = several::map(&lives, |life| Storm::new(seed, *life).try_live());
        for (life, lived) in lives.into_iter().zip(lived) {
            // What was lived through besides does not count: the sum must not depend on how many cores there are.
            if simulated.all.time >= until || simulated.failure.is_some() {
                break;
            }
            simulated.add(life, lived);
        }
        first = first.saturating_add(batch);
        if life.is_some() {
            break;
        }
    }
    std::panic::set_hook(hook);
    simulated
}

#[cfg(test)]
mod tests {
    use super::{Failure, simulate};
    use crate::assure::Verdict;

    #[test]
    fn what_was_lived_through_is_counted_and_a_failure_says_how_to_have_it_again() {
        let mut simulated = simulate(7, 1, None);
        assert!(simulated.tell());
        assert!(simulated.lives > 0 && simulated.all.steps > 0);
        let figures = simulated.figures();
        assert_eq!(figures.verdict, Verdict::Held);
        assert!(figures.what.starts_with("seed 7: "), "{}", figures.what);
        let text = || "I6\nbecause".to_owned();
        simulated.failure = Some(Failure { life: 3, why: text(), least: text(), storm: text() });
        assert_eq!(
            simulated.figures().verdict,
            Verdict::Broken("cargo xtask sim --seed 7 --life 3: I6".to_owned())
        );
    }
}
