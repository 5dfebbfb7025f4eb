//! Writes the measurements as a table in Markdown.

use std::fmt::Write as _;

use crate::peer::Peer;

/// The measurements of one phase of a run.
#[derive(Clone, Debug)]
pub struct Figures {
    pub lookups: u64,
    /// CPU time of the client, in nanoseconds.
    pub cpu: u64,
    /// Peak memory of the client since its start, in KiB.
    pub peak: u64,
    /// Counted at the servers.
    pub queries: u64,
    /// Counted at the servers.
    pub gets: u64,
    /// Wrong results.
    pub wrong: u64,
    /// Errors for names that have a result.
    pub failed: u64,
}

impl Figures {
    /// The median of each figure over the runs, and the maximum of errors.
    pub fn summary(runs: Vec<Self>) -> Option<Self> {
        let figures = |get: fn(&Self) -> u64| {
            let mut figures: Vec<u64> = runs.iter().map(get).collect();
            figures.sort_unstable();
            figures
        };
        let median = |get: fn(&Self) -> u64| {
            let figures = figures(get);
            figures.get(figures.len() / 2).copied()
        };
        Some(Self {
            lookups: median(|run| run.lookups)?,
            cpu: median(|run| run.cpu)?,
            peak: median(|run| run.peak)?,
            queries: median(|run| run.queries)?,
            gets: median(|run| run.gets)?,
            wrong: *figures(|run| run.wrong).last()?,
            failed: *figures(|run| run.failed).last()?,
        })
    }
}

/// A phase of a load: its title, and the measurements of each library, this project first.
pub type Row = (&'static str, Vec<(Peer, Figures)>);

/// The table: a row for each load and library, this project first, with factors for the others.
pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "| load | library | CPU for each lookup | peak memory | DNS queries | GETs | wrong answers | failures |\n\
         |---|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for (title, peers) in rows {
        let Some((_, ours)) = peers.first() else { continue };
        for (place, (peer, figures)) in peers.iter().enumerate() {
            let own = place == 0;
            let times = |theirs: u64, ours: u64| match (own, ours) {
                (true, _) | (_, 0) => String::new(),
                (false, ours) => format!(" (×{:.2})", theirs as f64 / ours as f64),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "| {} | {} | {}{} | {:.1} MiB{} | {}{} | {}{} | {} | {} |",
                if own { title } else { "" },
                peer.title(),
                duration(figures.cpu, figures.lookups),
                times(figures.cpu, ours.cpu),
                figures.peak as f64 / 1024.0,
                times(figures.peak, ours.peak),
                figures.queries,
                times(figures.queries, ours.queries),
                figures.gets,
                times(figures.gets, ours.gets),
                figures.wrong,
                figures.failed,
            );
        }
    }
    out
}

/// An average of a time in nanoseconds, in microseconds.
fn duration(nanoseconds: u64, share: u64) -> String {
    let micros = nanoseconds as f64 / 1000.0 / share.max(1) as f64;
    if micros < 10.0 { format!("{micros:.2} µs") } else { format!("{micros:.0} µs") }
}
