//! Lives of resolvers in hostile worlds, under one seed, for so many hours of theirs.
//!
//! Knows nothing of what happens in them: the simulator does.

use std::time::Duration;

use discovery_sim::{Lived, Storm};

/// Lives until so much time has passed in them, or so many lives have been lived. Whether nothing was wrong.
pub(crate) fn run(seed: u64, hours: u64, life: Option<u64>) -> bool {
    let until = Duration::from_secs(hours.saturating_mul(3600));
    let mut all = Lived::default();
    let mut number = life.unwrap_or(0);
    let first = number;
    // What goes wrong is told below, once.
    std::panic::set_hook(Box::new(|_| {}));
    while all.time < until && (life.is_none() || number == first) {
        let storm = Storm::new(seed, number);
        let Some(why) = storm.failure() else {
            all.add(storm.live());
            number = number.saturating_add(1);
            continue;
        };
        let least = storm.least();
        println!("seed {seed}, life {number}: {why}");
        println!("with nothing left out that could be: {}", least.failure().unwrap_or(why));
        println!("{least:#?}");
        println!("again: cargo xtask sim --seed {seed} --life {number}");
        return false;
    }
    let [lost, twice, late, lies] = all.faults;
    println!(
        "seed {seed}: {} lives, {} hours, {} steps; answers: {lost} lost, {twice} given twice, {late} out of order, {lies} not so; {} jumps \
         of clocks, {} strangers' names; nothing wrong",
        number.saturating_sub(first),
        all.time.as_secs() / 3600,
        all.steps,
        all.clocks,
        all.strangers
    );
    true
}
