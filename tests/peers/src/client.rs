//! Runs a library under a load and measures it.

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

/// Resolves all names in each phase. Prints a line after each phase: lookups, CPU time in nanoseconds, peak memory in KiB,
/// wrong results, failures. The next phase starts when a line is read.
pub fn run(peer: Peer, load: Load, authority: &Path) -> Result<(), Box<dyn Error>> {
    // An error means that a provider is installed already, and it can only be this one.
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

/// Resolves all names with limited concurrency. Returns the results by number.
fn ask(
    runtime: &Runtime,
    resolver: &Arc<Resolver>,
    names: &Arc<Vec<Name>>,
    at_once: usize,
) -> Vec<(usize, Option<Place>)> {
    let next = Arc::new(AtomicUsize::new(0));
    // All tasks start together.
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

/// User and system time of this process so far, in nanoseconds.
fn cpu() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or_default()
}

/// Peak memory of this process, in KiB. `getrusage` would include the time before `exec`.
fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    Ok(word.ok_or("/proc/self/status says nothing of VmHWM")?.parse()?)
}
