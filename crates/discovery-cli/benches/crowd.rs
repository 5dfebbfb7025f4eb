//! Measures the CPU time of a cold name and the memory of the program. The servers and the process that waits for the
//! program are separate, so that `getrusage` counts only the program.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark measures the program from outside"
)]

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use discovery_lab::{LedBy, LoadSet};
use nix::sys::resource::{UsageWho, getrusage};

const NAMES: usize = 2000;
/// The number of runs, of which the best counts.
const RUNS: usize = 5;

/// The measurements of a run.
#[derive(Clone, Copy)]
struct Cost {
    microseconds: u64,
    peak_kib: u64,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", step, ca_file] => {
            let led_by = LedBy::ALL.into_iter().find(|led_by| led_by.step().number() == step);
            let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
            crowd(led_by.unwrap())
                .serve_until_end(None, Path::new(ca_file), &mut input, &mut output)
                .unwrap();
        }
        ["client", ref options @ ..] => client(options),
        _ => table(),
    }
}

fn crowd(led_by: LedBy) -> LoadSet {
    LoadSet { led_by, names: NAMES, address: Ipv4Addr::new(198, 51, 100, 1) }
}

fn table() {
    println!(
        "`matrix-discovery resolve - --jobs N`, {NAMES} cold names over loopback, best of {RUNS} runs. Counted by getrusage: the\n\
         program alone, from its start to its end; one wildcard ECDSA certificate under one authority, no resumption.\n"
    );
    println!("{:<32}{:>8}{:>20}{:>12}", "names of step", "jobs", "CPU time a name", "target");
    let targets = [350, 150, 150];
    let mut peak = 0;
    for (led_by, target) in LedBy::ALL.into_iter().zip(targets) {
        let Some(cost) = measure(led_by, 64) else {
            println!("{:<32}{:>8}  names timed out in every run", led_by.step().number(), 64);
            continue;
        };
        row(led_by, 64, cost, &format!("< {target} µs"));
        peak = peak.max(cost.peak_kib);
    }
    let crowded = measure(LedBy::Document, NAMES);
    if let Some(crowded) = crowded {
        row(LedBy::Document, NAMES, crowded, "");
    }
    println!("\n{:<40}{:>20}{:>12}", "peak memory with --jobs", "ru_maxrss", "target");
    println!("{:<40}{:>16.1} MiB{:>12}", 64, peak as f64 / 1024.0, "< 32 MiB");
    if let Some(crowded) = crowded {
        println!("{:<40}{:>16.1} MiB", NAMES, crowded.peak_kib as f64 / 1024.0);
    }
}

fn row(led_by: LedBy, jobs: usize, cost: Cost, target: &str) {
    let each = cost.microseconds as f64 / NAMES as f64;
    println!("{:<32}{jobs:>8}{each:>17.0} µs{target:>12}", led_by.step().number());
}

/// The minimum CPU time of all runs, and the maximum memory.
fn measure(led_by: LedBy, jobs: usize) -> Option<Cost> {
    let server = Server::start(led_by);
    let runs: Vec<Cost> = (0..RUNS).filter_map(|_| run(led_by, jobs, &server)).collect();
    Some(Cost {
        microseconds: runs.iter().map(|cost| cost.microseconds).min()?,
        peak_kib: runs.iter().map(|cost| cost.peak_kib).max()?,
    })
}

/// Runs the program once and checks its results.
fn run(led_by: LedBy, jobs: usize, server: &Server) -> Option<Cost> {
    let (names, answers) = (file("names"), file("answers"));
    let lines: Vec<String> = crowd(led_by).names().collect();
    fs::write(&names, lines.join("\n")).unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["client", "resolve", "-", "--any-address", "--jobs", &jobs.to_string()])
        .args(["--nameserver", &server.dns, "--connect-to", &format!("::{}", server.door)])
        .arg("--ca-file")
        .arg(&server.ca_file)
        .stdin(File::open(&names).unwrap())
        .stdout(File::create(&answers).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let figures = String::from_utf8(output.stderr).unwrap();
    // On a busy machine a name may time out. Such a run does not count.
    if output.status.code() == Some(3) {
        return None;
    }
    assert!(output.status.success(), "{figures}");
    let answers = fs::read_to_string(&answers).unwrap();
    let step = format!("  because      step {}: ", led_by.step().number());
    let port = if led_by == LedBy::Document { 443 } else { 8448 };
    let place = format!("  connect to   198.51.100.1:{port}");
    for line in [&step, &place] {
        assert_eq!(answers.lines().filter(|have| have.starts_with(line)).count(), NAMES, "{line}");
    }
    let figures: Vec<u64> = figures.split_whitespace().map(|text| text.parse().unwrap()).collect();
    Some(Cost { microseconds: figures[0], peak_kib: figures[1] })
}

/// Runs the program with these options and measures it.
fn client(options: &[&str]) {
    let program = env!("CARGO_BIN_EXE_matrix-discovery");
    let status = Command::new(program).args(options).status().unwrap();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    eprintln!("{} {}", time[0] + time[1], usage.max_rss());
    std::process::exit(status.code().unwrap_or(2));
}

/// A load that is served by a process of its own until this is dropped.
struct Server {
    process: Child,
    input: Option<ChildStdin>,
    dns: String,
    door: String,
    ca_file: PathBuf,
}

impl Server {
    fn start(led_by: LedBy) -> Self {
        let ca_file = file("crowd.pem");
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["serve", led_by.step().number()])
            .arg(&ca_file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut word = |key| {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(key).unwrap().trim().to_owned()
        };
        let (_, dns, door, _) = (word("names"), word("dns"), word("door"), word("ca_file"));
        let input = process.stdin.take();
        Self { process, input, dns, door, ca_file }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.process.wait();
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
