//! A thousand concurrent lookups through each adapter: time, CPU time, memory, and wake-ups when idle.
//!
//! Servers and each client run in processes of their own, so that `getrusage` counts one client.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark measures from outside"
)]

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use discovery_core::{AddressPolicy, Families, Policy, Routes, ServerName};
use discovery_lab::kit::Setup;
use discovery_lab::{LedBy, LoadSet};
use discovery_tests::adapters;
use nix::sys::resource::{UsageWho, getrusage};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

const NAMES: usize = 1000;
/// The number of runs, of which the best counts.
const RUNS: usize = 5;
/// How long an idle client is watched.
const IDLE: Duration = Duration::from_millis(500);

/// What one run took.
#[derive(Clone, Copy)]
struct Cost {
    wall_ms: f64,
    cpu_ms: f64,
    peak_mib: f64,
    threads: u64,
    idle: u64,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", ca_file] => {
            let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
            crowd().serve_until_end(None, Path::new(ca_file), &mut input, &mut output).unwrap();
        }
        ["client", adapter, dns, door, ca_file] => {
            client(adapter, dns.parse().unwrap(), door.parse().unwrap(), Path::new(ca_file));
        }
        _ => table(),
    }
}

fn crowd() -> LoadSet {
    let address = Ipv4Addr::new(198, 51, 100, 1);
    LoadSet { led_by: LedBy::Document, names: NAMES, address }
}

fn table() {
    println!(
        "{NAMES} lookups at once over loopback, cold names of step 3.2, the best of {RUNS} runs. Counted by getrusage: the client's process\n\
         alone, from its start; idle: wake-ups of all its threads within {IDLE:?} after the last answer.\n"
    );
    println!(
        "{:<14}{:>10}{:>12}{:>12}{:>10}{:>8}{:>10}{:>8}",
        "adapter", "time", "CPU", "to tokio", "memory", "", "threads", "idle"
    );
    let mut measured: Vec<(&str, Cost)> = Vec::new();
    let server = Server::start();
    // Runs are interleaved, so that other load affects all alike.
    for _ in 0..RUNS {
        for adapter in adapters::all() {
            let cost = run(adapter.name(), &server);
            match measured.iter_mut().find(|(name, _)| *name == adapter.name()) {
                Some((_, best)) => *best = best.better(cost),
                None => measured.push((adapter.name(), cost)),
            }
        }
    }
    let tokio = measured[0].1;
    for (name, cost) in &measured {
        println!(
            "{name:<14}{:>7.0} ms{:>9.0} ms{:>12}{:>6.1} MiB{:>8}{:>10}{:>8}",
            cost.wall_ms,
            cost.cpu_ms,
            format!("×{:.2}", cost.cpu_ms / tokio.cpu_ms),
            cost.peak_mib,
            format!("×{:.2}", cost.peak_mib / tokio.peak_mib),
            cost.threads,
            cost.idle,
        );
    }
}

impl Cost {
    fn better(self, other: Self) -> Self {
        Self {
            wall_ms: self.wall_ms.min(other.wall_ms),
            cpu_ms: self.cpu_ms.min(other.cpu_ms),
            // The worst of these counts.
            peak_mib: self.peak_mib.max(other.peak_mib),
            threads: self.threads.max(other.threads),
            idle: self.idle.max(other.idle),
        }
    }
}

/// Runs a client once.
fn run(adapter: &str, server: &Server) -> Cost {
    let output = Command::new(env::current_exe().unwrap())
        .args(["client", adapter, &server.dns, &server.door])
        .arg(&server.ca_file)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{adapter}");
    let figures = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<f64> = figures.split_whitespace().map(|text| text.parse().unwrap()).collect();
    let [wall_ms, cpu_ms, peak_mib, threads, idle] = figures[..] else { panic!("{figures:?}") };
    Cost { wall_ms, cpu_ms, peak_mib, threads: threads as u64, idle: idle as u64 }
}

/// Resolves the crowd, and says what it took.
fn client(adapter: &str, dns: SocketAddr, door: SocketAddr, ca_file: &Path) {
    let adapter = adapters::all().into_iter().find(|one| one.name() == adapter).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut setup =
        Setup::new(
            Arc::new(tls),
            vec![dns],
            move |address, _| {
                if address == dns { address } else { door }
            },
        );
    setup.policy = Policy::default();
    setup.policy.addresses = AddressPolicy::any();
    setup.policy.addresses.families = Families::V4;
    setup.routes = Routes { v4: true, v6: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = adapter.start(setup).unwrap();
        let began = Instant::now();
        let lookups: Vec<_> = crowd()
            .names()
            .map(|name| client.resolve(&ServerName::parse(&name).unwrap()))
            .collect();
        for (n, lookup) in lookups.into_iter().enumerate() {
            let outcome = lookup.await;
            let resolved = outcome.as_ref().unwrap();
            assert_eq!(resolved.host_header_str(), format!("m{n}.crowd.example:443"));
            assert!(resolved.socket_addrs().eq([SocketAddr::from(([198, 51, 100, 1], 443))]));
        }
        let wall = began.elapsed();
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let cpu = [usage.user_time(), usage.system_time()]
            .map(|time| time.tv_sec() as f64 * 1e3 + time.tv_usec() as f64 / 1e3);
        let threads = fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
        // The last sockets are closed after the last answer, and threads go home.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let before = naps();
        let idle = Instant::now();
        // This thread does not sleep meanwhile, so every sleep belongs to another thread.
        while idle.elapsed() < IDLE {
            std::hint::spin_loop();
        }
        println!(
            "{} {} {} {threads} {}",
            wall.as_secs_f64() * 1e3,
            cpu.iter().sum::<f64>(),
            usage.max_rss() as f64 / 1024.0,
            naps() - before
        );
        drop(client);
    });
}

/// How often the threads of this process have gone to sleep.
fn naps() -> u64 {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return 0 };
    let slept = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        line.trim().parse::<u64>().ok()
    };
    tasks.flatten().filter_map(slept).sum()
}

/// The crowd, served by a process of its own until this is dropped.
struct Server {
    process: Child,
    input: Option<ChildStdin>,
    dns: String,
    door: String,
    ca_file: PathBuf,
}

impl Server {
    fn start() -> Self {
        let ca_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("adapters.pem");
        let mut process = Command::new(env::current_exe().unwrap())
            .arg("serve")
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
