//! The program under load over real sockets, with a lossy and with a slow name server. Prints figures and fails only for
//! wrong results.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark measures the program from outside"
)]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use discovery_lab::{Lab, LabOptions, Weather};
use discovery_sim::Scenario;
use serde_json::Value;

fn main() {
    let lossy = Weather { loss_percent: 20, ..Weather::default() };
    batch("300 names of step 3.2, 16 at once, 20 % of DNS datagrams lost", 300, 16, "", lossy);
    let calm = Weather::default();
    batch(
        "2,000 names of step 3.2 at once, every DNS reply 3 s late",
        2000,
        2000,
        " after=3s",
        calm,
    );
}

/// Resolves names of step 3.2 with separate addresses, and counts the results.
fn batch(title: &str, names: usize, jobs: usize, late: &str, weather: Weather) {
    let mut world = String::new();
    let mut input = String::new();
    for n in 0..names {
        let (high, low) = (n / 250, n % 250 + 1);
        writeln!(world, "https s{n}.example 200 {{\"m.server\":\"m{n}.example:443\"}}").unwrap();
        writeln!(world, "dns s{n}.example A 198.51.100.1{late}").unwrap();
        writeln!(world, "dns s{n}.example AAAA NODATA{late}").unwrap();
        writeln!(world, "dns m{n}.example A 10.0.{high}.{low}{late}").unwrap();
        writeln!(world, "dns m{n}.example AAAA NODATA{late}").unwrap();
        writeln!(input, "s{n}.example").unwrap();
    }
    let world = Scenario::parse(&world).unwrap().world_at(Duration::ZERO);
    let mut options = LabOptions::default();
    options.weather = weather;
    let lab = Lab::start_with(world, options).unwrap();
    let ca_file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("load.pem");
    std::fs::write(&ca_file, lab.authority().pem()).unwrap();
    let server = lab.dns_servers().first().unwrap().to_string();
    let door = format!("::{}", lab.front_door());

    let started = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_matrix-discovery"))
        .args(["resolve", "--json", "--any-address", "--jobs", &jobs.to_string()])
        .args(["--nameserver", &server, "--connect-to", &door, "--ca-file"])
        .arg(&ca_file)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let id = program.id();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let mut threads = 0;
        // Polls until the program has ended.
        while stopped.recv_timeout(Duration::from_millis(50)).is_err() {
            threads = threads.max(status(id, "Threads:").unwrap_or(0));
        }
        threads
    });
    let mut output = String::new();
    program.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    let status = program.wait().unwrap();
    stop.send(()).unwrap();
    let threads = watcher.join().unwrap();

    let (mut right, mut temporary) = (0, 0);
    for line in output.lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let n: usize =
            answer["name"].as_str().unwrap()[1..].split('.').next().unwrap().parse().unwrap();
        if answer["ok"] == true {
            let expected = format!("10.0.{}.{}:443", n / 250, n % 250 + 1);
            assert_eq!(answer["step"], "3.2", "{line}");
            assert_eq!(answer["targets"][0]["addr"], expected, "{line}");
            assert_eq!(answer["targets"].as_array().unwrap().len(), 1, "{line}");
            right += 1;
        } else {
            assert_eq!(answer["error"]["kind"], "dns_failure", "{line}");
            temporary += 1;
        }
    }
    assert_eq!(right + temporary, names);
    println!("{title}:");
    println!(
        "  {right} right, {temporary} temporary failures that say so, 0 wrong; {} in {:.1} s, at most {threads} threads",
        status,
        started.elapsed().as_secs_f64()
    );
}

/// A number from `/proc` about a process.
fn status(id: u32, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
