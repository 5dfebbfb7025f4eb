//! Random runs of resolvers against faulty servers, from one seed, for a number of virtual hours.

use std::time::Duration;

use discovery_sim::{RandomRun, Totals};

use crate::assure::{Figures, grouped};
use crate::several;

/// The totals of all runs under one seed.
pub(crate) struct Simulated {
    seed: u64,
    runs: u64,
    all: Totals,
    /// The run that failed, shrunk.
    failure: Option<Failure>,
}

struct Failure {
    number: u64,
    why: String,
    /// The failure of the shrunk run, and the run.
    shrunk: String,
    steps: String,
}

impl Simulated {
    fn add(&mut self, number: u64, ran: Result<Totals, String>) {
        match ran {
            Ok(ran) => {
                self.runs = self.runs.saturating_add(1);
                self.all.add(ran);
            }
            Err(why) => {
                let shrunk = RandomRun::new(self.seed, number).least();
                self.failure = Some(Failure {
                    number,
                    shrunk: shrunk.failure().unwrap_or_else(|| why.clone()),
                    why,
                    steps: format!("{shrunk:#?}"),
                });
            }
        }
    }

    /// The totals in one line.
    fn sum(&self) -> String {
        let [lost, twice, late, bogus] = self.all.faults.map(grouped);
        format!(
            "{} runs, {} hours, {} steps; answers: {lost} lost, {twice} duplicated, {late} reordered, {bogus} bogus; {} clock jumps, \
             {} attacker-chosen names",
            grouped(self.runs),
            grouped(self.all.time.as_secs() / 3600),
            grouped(self.all.steps),
            grouped(self.all.clocks),
            grouped(self.all.attacker_names)
        )
    }

    pub(crate) fn figures(&self) -> Figures {
        let Totals { time, steps, faults, clocks, attacker_names } = &self.all;
        let what = format!(
            "seed {}: {} hours in {} runs, {} steps, {} faults in answers, {} clock jumps, {} attacker-chosen names",
            self.seed,
            grouped(time.as_secs() / 3600),
            grouped(self.runs),
            grouped(*steps),
            grouped(faults.iter().sum::<u64>()),
            grouped(*clocks),
            grouped(*attacker_names)
        );
        let again = |Failure { number, shrunk, .. }: &Failure| {
            let shrunk = shrunk.lines().next().unwrap_or_default();
            format!("cargo xtask sim --seed {} --run {number}: {shrunk}", self.seed)
        };
        Figures::new(what, self.failure.as_ref().map(again))
    }

    /// Prints the failure, if there is one. Returns whether there is none.
    pub(crate) fn tell(&self) -> bool {
        let Some(Failure { number, why, shrunk, steps }) = &self.failure else { return true };
        let seed = self.seed;
        println!("seed {seed}, run {number}: {why}");
        println!("shrunk: {shrunk}");
        println!("{steps}");
        println!("reproduce: cargo xtask sim --seed {seed} --run {number}");
        false
    }
}

/// The number of runs that are executed before results are read.
const BATCH: u64 = 64;

/// Executes runs and prints their totals or the failure. Returns whether all passed.
pub(crate) fn run(seed: u64, hours: u64, number: Option<u64>) -> bool {
    let simulated = simulate(seed, hours, number);
    let well = simulated.tell();
    if well {
        println!("seed {seed}: {}; nothing wrong", simulated.sum());
    }
    well
}

/// Executes runs until the virtual time has passed or one fails, or only the run with the given number.
pub(crate) fn simulate(seed: u64, hours: u64, number: Option<u64>) -> Simulated {
    let until = Duration::from_secs(hours.saturating_mul(3600));
    let mut simulated = Simulated { seed, runs: 0, all: Totals::default(), failure: None };
    // What goes wrong is told once, by what is returned.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut first = number.unwrap_or(0);
    let batch = if number.is_some() { 1 } else { BATCH };
    while simulated.all.time < until && simulated.failure.is_none() {
        let runs: Vec<u64> = (first..first.saturating_add(batch)).collect();
        let ran = several::map(&runs, |number| RandomRun::new(seed, *number).try_run());
        for (number, ran) in runs.into_iter().zip(ran) {
            // Runs beyond the end do not count: the totals must not depend on the number of cores.
            if simulated.all.time >= until || simulated.failure.is_some() {
                break;
            }
            simulated.add(number, ran);
        }
        first = first.saturating_add(batch);
        if number.is_some() {
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
    fn totals_are_counted_and_a_failure_names_its_reproduction() {
        let mut simulated = simulate(7, 1, None);
        assert!(simulated.tell());
        assert!(simulated.runs > 0 && simulated.all.steps > 0);
        let figures = simulated.figures();
        assert_eq!(figures.verdict, Verdict::Held);
        assert!(figures.what.starts_with("seed 7: "), "{}", figures.what);
        let text = || "I6\nbecause".to_owned();
        simulated.failure = Some(Failure { number: 3, why: text(), shrunk: text(), steps: text() });
        assert_eq!(
            simulated.figures().verdict,
            Verdict::Broken("cargo xtask sim --seed 7 --run 3: I6".to_owned())
        );
    }
}
