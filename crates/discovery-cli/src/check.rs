//! `check`: whether other servers can reach a name, and what to change.

mod commands;
mod formats;
mod text;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use discovery_check::{Checker, Evidence, Report, Severity, Thresholds, Verdict, judge, printable};
use discovery_core::{Policy, Revision};
use discovery_driver::Builder;
use discovery_lab::{Lab, federation};
use discovery_wire::Transport;
use rustls::RootCertStore;
use tokio::task::JoinSet;

use crate::input::{self, Given};
use crate::options::{CheckOptions, ConnectTo, FailOn, ReplayOptions};
use crate::output::Paint;
use crate::runtime::Runtime;
use crate::setting;
use crate::signals::Stop;
use crate::status::{Status, Trouble, say};

pub(crate) use formats::Format;
use text::Layout;

/// Checks the names of the command line.
pub(crate) fn run(options: CheckOptions) -> ExitCode {
    let format = options.output.format();
    match checked(options) {
        // Plugins of monitoring systems have statuses of their own, also for wrong usage.
        Err(Trouble::Usage(_) | Trouble::Here(_)) if format == Format::Nagios => ExitCode::from(3),
        Ok(status) => status,
        Err(trouble) => trouble.report(),
    }
}

fn checked(options: CheckOptions) -> Result<ExitCode, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::Here(error.to_string()))?;
    let ended = runtime.block_on(check_all(options));
    runtime.shutdown_background();
    ended
}

async fn check_all(mut options: CheckOptions) -> Result<ExitCode, Trouble> {
    let stop = Stop::on_signals().map_err(|error| Trouble::Here(error.to_string()))?;
    let lab = if options.lab { Some(start_lab(&mut options)?) } else { None };
    let checker = match &lab {
        Some(lab) => lab_checker(&options, lab)?,
        None => checker(&options)?,
    };
    let checker = match options.timeout {
        Some(timeout) => checker.timeout(timeout),
        None => checker,
    };
    let mut writer = Writer::new(&options)?;
    let from_input = options.names.iter().any(|name| name == "-");
    let names = input::names(options.names).map_err(|error| crate::resolve::no_thread(&error))?;
    let ended =
        each(names, options.jobs, checker, stop, from_input, options.strict_names, &mut writer)
            .await;
    let finished = writer.finish();
    drop(lab);
    ended?;
    finished
}

/// Checks names, at most `jobs` at once; reports go out in the order of the names, or as they are done if they are typed.
async fn each(
    mut names: input::Names,
    jobs: usize,
    checker: Checker,
    mut stop: Stop,
    as_done: bool,
    strict: bool,
    writer: &mut Writer,
) -> Result<(), Trouble> {
    enum Turn {
        Name(Given),
        NoMoreNames,
        Done(usize, Box<Evidence>),
        Finished,
        Stopped(u8),
    }
    let mut running = JoinSet::new();
    let mut waiting = BTreeMap::new();
    let (mut started, mut next, mut more) = (0_usize, 0_usize, true);
    loop {
        let turn = poll_fn(|context| {
            if let Poll::Ready(number) = stop.poll(context) {
                return Poll::Ready(Ok(Turn::Stopped(number)));
            }
            if let Poll::Ready(Some(joined)) = running.poll_join_next(context) {
                return Poll::Ready(match joined {
                    Ok((index, evidence)) => Ok(Turn::Done(index, evidence)),
                    Err(error) => Err(Trouble::Here(format!("a check broke off: {error}"))),
                });
            }
            if more && running.len() < jobs {
                return names.poll(context).map(|name| match name {
                    Some(Ok(name)) => Ok(Turn::Name(name)),
                    Some(Err(error)) => Err(Trouble::Here(format!("standard input: {error}"))),
                    None => Ok(Turn::NoMoreNames),
                });
            }
            if running.is_empty() { Poll::Ready(Ok(Turn::Finished)) } else { Poll::Pending }
        });
        match turn.await? {
            Turn::Name(given) => {
                let (index, checker) = (started, checker.clone());
                running.spawn(async move {
                    let name =
                        if strict { given.text.clone() } else { input::forgiven(&given.text) };
                    let mut evidence = checker.check(&name).await;
                    evidence.input = given.text;
                    (index, Box::new(evidence))
                });
                started = started.saturating_add(1);
            }
            Turn::NoMoreNames => more = false,
            Turn::Done(index, evidence) => {
                waiting.insert(index, evidence);
                while let Some(evidence) = if as_done {
                    waiting.pop_first().map(|(_, one)| one)
                } else {
                    waiting.remove(&next)
                } {
                    next = next.saturating_add(1);
                    writer.write(&evidence)?;
                }
            }
            Turn::Finished if started == 0 => {
                return Err(Trouble::Usage("no names on standard input".to_owned()));
            }
            Turn::Finished => return Ok(()),
            Turn::Stopped(number) => {
                for evidence in waiting.into_values() {
                    writer.write(&evidence)?;
                }
                return Err(Trouble::Signal(number));
            }
        }
    }
}

/// Judges a recording again.
pub(crate) fn replay(options: &ReplayOptions) -> Result<ExitCode, Trouble> {
    let mut writer = Writer {
        record: None,
        record_path: PathBuf::new(),
        format: options.output.format(),
        layout: layout(options.output.plain, options.output.explain),
        commands: options.output.commands.then_some(None),
        fail_on: options.output.fail_on,
        thresholds: options.output.thresholds(),
        failed_to: None,
        failed: String::new(),
        summary: false,
        begun: Instant::now(),
        count: 0,
        counts: BTreeMap::new(),
        times: Vec::new(),
        worst: (Status::Resolved, 0),
        out: io::stdout(),
    };
    writer.begin()?;
    for evidence in recording(&options.file)? {
        writer.write(&evidence)?;
    }
    writer.finish()
}

/// What a file of `check --record` holds.
pub(crate) fn recording(file: &Path) -> Result<Vec<Evidence>, Trouble> {
    let path = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Trouble::Usage(format!("{path}: {error}")))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            let number = number.saturating_add(1);
            Trouble::Usage(format!(
                "{path} is not a recording of `check --record` (line {number}: {error})"
            ))
        })
    };
    lines.map(read).collect()
}

/// Prints the schema of reports.
pub(crate) fn schema() -> Result<Status, Trouble> {
    let written = io::stdout().write_all(SCHEMA.as_bytes());
    written.map(|()| Status::Resolved).map_err(|error| Trouble::write(&error, Status::Resolved))
}

const SCHEMA: &str = include_str!("check/schema.json");

/// Where reports go, and what they add up to.
struct Writer {
    record: Option<std::fs::File>,
    record_path: PathBuf,
    format: Format,
    layout: Layout,
    /// Commands are printed; the name server that they ask.
    commands: Option<Option<String>>,
    fail_on: FailOn,
    thresholds: Thresholds,
    failed_to: Option<PathBuf>,
    failed: String,
    summary: bool,
    begun: Instant,
    count: usize,
    counts: BTreeMap<&'static str, usize>,
    times: Vec<u64>,
    /// The status, and the one of a monitoring plugin.
    worst: (Status, u8),
    out: io::Stdout,
}

impl Writer {
    fn new(options: &CheckOptions) -> Result<Self, Trouble> {
        let record_path = options.record.clone().unwrap_or_default();
        let record = options.record.as_ref().map(std::fs::File::create).transpose();
        let record = record.map_err(|error| {
            Trouble::Usage(format!("--record {}: {error}", record_path.display()))
        })?;
        let mut writer = Self {
            record,
            record_path,
            format: options.output.format(),
            layout: layout(options.output.plain, options.output.explain),
            commands: options
                .output
                .commands
                .then(|| options.network.nameserver.first().map(|server| server.ip().to_string())),
            fail_on: options.output.fail_on,
            thresholds: options.output.thresholds(),
            failed_to: options.failed_to.clone(),
            failed: String::new(),
            summary: options.summary,
            begun: Instant::now(),
            count: 0,
            counts: BTreeMap::new(),
            times: Vec::new(),
            worst: (Status::Resolved, 0),
            out: io::stdout(),
        };
        writer.begin()?;
        Ok(writer)
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        self.print(formats::begin(self.format))
    }

    fn print(&mut self, text: &str) -> Result<(), Trouble> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| Trouble::write(&error, self.worst.0))
    }

    fn write(&mut self, evidence: &Evidence) -> Result<(), Trouble> {
        let report = judge(evidence, &self.thresholds);
        if let Some(file) = &mut self.record {
            let line = serde_json::to_string(evidence).map_err(io::Error::from);
            let written = line.and_then(|line| writeln!(file, "{line}"));
            written.map_err(|error| {
                Trouble::Here(format!("{}: {error}", self.record_path.display()))
            })?;
        }
        if self.count > 0 && self.format == Format::Text {
            self.print("\n")?;
        }
        self.count = self.count.saturating_add(1);
        self.note(&report);
        let text = formats::one(&report, self.format, self.count, self.layout);
        self.print(&text)?;
        match &self.commands {
            Some(server) if self.format == Format::Text => {
                let commands = commands::commands(&report, server.as_deref());
                self.print(&format!("\nCommands\n{commands}"))
            }
            _ => Ok(()),
        }
    }

    fn note(&mut self, report: &Report) {
        let (plugin, word) = match report.verdict {
            Verdict::Ok => (0, "ok"),
            Verdict::Warning => (1, "warning"),
            Verdict::Error => (2, "error"),
            Verdict::Unknown => (3, "unknown"),
        };
        let warned = self.fail_on == FailOn::Warning && report.has(Severity::Warning);
        let status = match (self.fail_on, report.verdict) {
            (FailOn::Never, _) => Status::Resolved,
            (_, Verdict::Error) => Status::No,
            _ if warned => Status::No,
            (_, Verdict::Unknown) => Status::Unknown,
            (_, Verdict::Ok | Verdict::Warning) => Status::Resolved,
        };
        // Of several, critical counts more than unknown.
        let rank = |plugin: u8| [0, 1, 3, 2].get(usize::from(plugin)).copied().unwrap_or(3);
        let plugin = if rank(plugin) > rank(self.worst.1) { plugin } else { self.worst.1 };
        self.worst = (self.worst.0.max(status), plugin);
        if matches!(report.verdict, Verdict::Error | Verdict::Unknown) {
            self.failed.push_str(&format!("{}\n", printable(&report.name)));
        }
        let count = self.counts.entry(word).or_default();
        *count = count.saturating_add(1);
        if self.times.len() < MAX_TIMES {
            self.times.push(report.took_ms);
        }
    }

    fn finish(&mut self) -> Result<ExitCode, Trouble> {
        let end = formats::end(self.format, self.count);
        self.print(&end)?;
        if let Some(path) = &self.failed_to {
            std::fs::write(path, &self.failed).map_err(|error| {
                Trouble::Here(format!("--failed-to {}: {error}", path.display()))
            })?;
        }
        if self.summary || (self.count > 5 && io::stderr().is_terminal()) {
            say(&self.sum());
        }
        let plugin = self.format == Format::Nagios;
        Ok(if plugin { ExitCode::from(self.worst.1) } else { self.worst.0.into() })
    }

    fn sum(&mut self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut text = format!("{} names in {seconds:.1} s", self.count);
        for (word, count) in &self.counts {
            text.push_str(&format!("\n{count:>7}  {word}"));
        }
        self.times.sort_unstable();
        let at = |percent: usize| {
            let index = self.times.len().saturating_mul(percent).checked_div(100).unwrap_or(0);
            let last = self.times.len().saturating_sub(1);
            self.times.get(index.min(last)).copied().unwrap_or(0)
        };
        text.push_str(&format!(
            "\n  time per name  p50 {} ms  p90 {} ms  p99 {} ms  max {} ms",
            at(50),
            at(90),
            at(99),
            at(100)
        ));
        text
    }
}

/// Times that are kept for the summary, at most.
const MAX_TIMES: usize = 1_000_000;

fn layout(plain: bool, explain: bool) -> Layout {
    let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"));
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    Layout {
        paint: Paint::for_standard_output(),
        width: columns.unwrap_or(80).clamp(40, 200),
        plain: plain || !utf8,
        explain,
    }
}

/// A checker of the outside world.
pub(crate) fn checker(options: &CheckOptions) -> Result<Checker, Trouble> {
    let resolve = options.as_resolve();
    let here = |error: &dyn std::fmt::Display| Trouble::Here(error.to_string());
    let roots = setting::roots(&resolve, true)?;
    let discovery = |revision: Option<Revision>| {
        let options = crate::options::ResolveOptions { revision, ..options.as_resolve() };
        Runtime::DEFAULT.spawn(setting::outside(&options)?)
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let rules = options.network.connect_to.clone();
    let checker = Checker::new(discovery(options.revision)?, provider, Arc::new(roots))
        .map_err(|error| here(&error))?
        .connect_to(move |host, address| elsewhere(&rules, host, address));
    Ok(match options.revision {
        Some(_) => checker,
        None => checker.legacy(discovery(Some(Revision::V1_7))?),
    })
}

fn elsewhere(rules: &[ConnectTo], host: &str, address: SocketAddr) -> SocketAddr {
    rules.iter().find_map(|rule| rule.apply(host, address.port(), address)).unwrap_or(address)
}

/// The lab's homeservers; all of them, if no names are given.
fn start_lab(options: &mut CheckOptions) -> Result<Lab, Trouble> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let (scenario, cases) = federation(now.map_or(0, |since| since.as_secs()));
    if options.names.is_empty() {
        options.names = cases.iter().map(|case| case.name.to_owned()).collect();
    }
    Lab::start(scenario.world_at(Duration::ZERO))
        .map_err(|error| Trouble::Here(format!("the lab can't be served on loopback: {error}")))
}

fn lab_checker(options: &CheckOptions, lab: &Lab) -> Result<Checker, Trouble> {
    let here = |error: &dyn std::fmt::Display| Trouble::Here(error.to_string());
    let resolve = options.as_resolve();
    let discovery = |revision| {
        let mut policy = setting::policy(&resolve, Policy::default());
        policy.spec.revision = revision;
        policy.addresses.otherwise = discovery_core::DefaultAction::Any;
        let builder = Builder::new(lab.client_config())
            .policy(policy)
            .name_servers(lab.dns_servers().iter().copied())
            .connect_to(lab.connector())
            .probe_routes(false);
        Runtime::DEFAULT.spawn(builder)
    };
    let mut roots = RootCertStore::empty();
    roots.add(lab.authority().certificate().clone()).map_err(|error| here(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let connect = lab.connector();
    let checker =
        Checker::new(discovery(options.revision.unwrap_or_default())?, provider, Arc::new(roots))
            .map_err(|error| here(&error))?;
    Ok(checker
        .legacy(discovery(Revision::V1_7)?)
        .connect_to(move |_, address| connect(address, Transport::Tcp)))
}

/// Describes a finding; without an id, lists all.
pub(crate) fn explain(id: Option<&str>) -> Result<Status, Trouble> {
    let mut text = String::new();
    match id {
        None => {
            for kind in discovery_check::CATALOGUE {
                text.push_str(&format!(
                    "{:<34}{:<9}{}\n",
                    kind.id,
                    kind.severity.as_str(),
                    kind.title
                ));
            }
        }
        Some(id) => {
            let Some(kind) = discovery_check::kind(id) else {
                return Err(Trouble::Usage(format!(
                    "{:?} is not a finding; `matrix-discovery explain` lists all of them",
                    printable(id)
                )));
            };
            text = format!(
                "{} ({}): {}\n\n{}\n\nHow to fix it\n  {}\n",
                kind.id,
                kind.severity.as_str(),
                kind.title,
                kind.meaning,
                kind.fix
            );
        }
    }
    let written = io::stdout().write_all(text.as_bytes());
    written.map(|()| Status::Resolved).map_err(|error| Trouble::write(&error, Status::Resolved))
}
