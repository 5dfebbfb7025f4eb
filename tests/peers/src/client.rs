//! One peer under one load: what it found, and what that took.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::load::{Load, Name, Place, WARM};
use crate::peer::{Peer, Resolver, is_right};

/// Gives a peer all names, and again in each further phase. After each phase a line comes out: lookups, CPU time in nanoseconds,
/// peak memory in KiB, wrong answers, failures. The next one begins when a line comes in.
pub fn run(peer: Peer, load: Load, authority: &Path) -> Result<(), Box<dyn Error>> {
    // An error here means that there is a provider already, and nobody else installs any.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let resolver = {
        let _inside = runtime.enter();
        Arc::new(Resolver::new(peer, &std::fs::read(authority)?)?)
    };
    let names = Arc::new(load.names());
    for phase in 0..load.phases().len() {
        let times = if phase == 0 { 1 } else { WARM };
        let before = cpu();
        let mut found = Vec::with_capacity(names.len());
        for _ in 0..times {
            found.push(ask(&runtime, &resolver, &names, load.at_once()));
        }
        let cpu = cpu().saturating_sub(before);
        let peak = peak_memory()?;
        let (mut wrong, mut failed) = (0, 0);
        for (n, answer) in found.iter().flatten() {
            match (names.get(*n).and_then(|(_, right)| right.as_ref()), answer) {
                (Some(right), Some(place)) if is_right(place, right) => {}
                (_, Some(_)) => wrong += 1,
                (Some(_), None) => failed += 1,
                (None, None) => {}
            }
        }
        println!("{} {cpu} {peak} {wrong} {failed}", names.len() * times);
        std::io::stdin().read_line(&mut String::new())?;
    }
    Ok(())
}

/// Asks for all names, so many at once; what came out of each, by its number.
fn ask(
    runtime: &Runtime,
    resolver: &Arc<Resolver>,
    names: &Arc<Vec<Name>>,
    at_once: usize,
) -> Vec<(usize, Option<Place>)> {
    let next = Arc::new(AtomicUsize::new(0));
    // Nobody begins before everybody is there.
    let start = Arc::new(Barrier::new(at_once));
    let mut callers = JoinSet::new();
    for _ in 0..at_once {
        let (resolver, names, next) = (Arc::clone(resolver), Arc::clone(names), Arc::clone(&next));
        let start = Arc::clone(&start);
        callers.spawn_on(
            async move {
                start.wait().await;
                let mut found = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, _)) = names.get(n) else { return found };
                    found.push((n, resolver.find(name).await.ok()));
                }
            },
            runtime.handle(),
        );
    }
    runtime.block_on(callers.join_all()).into_iter().flatten().collect()
}

/// CPU time of this process so far, its own and the system's for it, in nanoseconds.
fn cpu() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or_default()
}

/// Most memory that this process ever held, in KiB. Not from `getrusage`, which counts what stood here before `exec` too.
fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.ok_or("/proc/self/status says nothing of VmHWM")?.parse()?)
}
