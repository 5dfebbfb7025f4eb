//! The command line: subcommands, options, and how their values read.
//!
//! Knows nothing of what an option does.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use discovery_check::Thresholds;
use discovery_core::{DnsName, Revision};
use discovery_wire::{WarningKind, name_server_address};
use ipnet::IpNet;

use crate::check::Format;
use crate::input::MAX_JOBS;
use crate::runtime::Runtime;
use crate::setting::interface_index;

/// Whether other Matrix servers can reach a server name, where it leads, and why.
#[derive(Debug, Parser)]
#[command(name = "matrix-discovery", version, about, max_term_width = 100)]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check whether other servers can reach a name, and say what to change. This is what a name alone does.
    Check(Box<CheckOptions>),
    /// Judge again what `check --record` has written, without a network.
    Replay(ReplayOptions),
    /// Compare what several name servers or revisions give for a name, or two recordings.
    Compare(CompareOptions),
    /// Judge .well-known documents in files before they are published.
    Lint(LintOptions),
    /// Print what to publish so that a name delegates to a server.
    Suggest(SuggestOptions),
    /// Describe a finding of `check`, and how to fix it.
    Explain(ExplainOptions),
    /// Print a script that completes this program's command line in a shell.
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of `check --json`.
    Schema,
    /// Print the manual page.
    Man,
    /// Resolve server names: where to connect, which Host to send, what the certificate must be valid for.
    Resolve(Box<ResolveOptions>),
    /// Inspect a cache file written by `resolve --cache`, or forget names in it.
    Cache(CacheOptions),
    /// Serve the built-in world on loopback, until interrupted.
    Lab(LabOptions),
}

const EXIT_STATUS: &str = "\
Exit status: 0 every name resolved; 1 at least one name can't be resolved; 2 wrong usage, or no names;
3 temporary failure, try again; 130 and 143 ended by SIGINT and SIGTERM, with what was known by then.
With --lab: 0 every name gave the expected result, 1 otherwise.";

const CHECK_STATUS: &str = "\
Exit status: 0 no error; 1 at least one error (see --fail-on); 2 wrong usage, or no names;
3 nothing could be found out, try again; 130 and 143 ended by SIGINT and SIGTERM.
With --format nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.";

/// Options of `resolve`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_STATUS)]
pub(crate) struct ResolveOptions {
    /// Server names; `-` reads them from standard input as they come, one per line; @ADDR is short for --nameserver ADDR
    #[arg(value_name = "NAME", required_unless_present = "lab")]
    pub(crate) names: Vec<String>,

    /// Take names as they are typed: refuse URLs and IDs instead of reading the server name in them
    #[arg(long)]
    pub(crate) strict_names: bool,

    #[command(flatten)]
    pub(crate) format: FormatOptions,

    /// Begin with the facts of this file, if there is one, and write those known at the end, after SIGINT and SIGTERM too; see `cache`.
    /// A file that is damaged is kept as FILE.damaged; one that holds something else is left alone
    #[arg(long, value_name = "FILE", conflicts_with = "lab")]
    pub(crate) cache: Option<PathBuf>,
    /// Resolve up to N names at the same time; those that take longer than 250 ms do not count, up to 16 times as many
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = jobs)]
    pub(crate) jobs: usize,
    /// Give up on each name after this long: 10, 10s, 500ms [default: 40s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Follow this release of the specification: v1.11, r0.1.4, draft-old, … [default: the latest]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) revision: Option<Revision>,

    #[command(flatten)]
    pub(crate) network: NetworkOptions,

    /// Resolve on this; all but tokio must be built in
    #[arg(long, value_enum, value_name = "RUNTIME", default_value_t = Runtime::DEFAULT)]
    pub(crate) runtime: Runtime,
    /// Resolve in the built-in world, served on loopback: no network is needed; without names, all that it knows
    #[arg(long, conflicts_with_all = ["nameserver", "ca_file", "connect_to"])]
    pub(crate) lab: bool,
}

impl ResolveOptions {
    /// Whether every decision is wanted.
    pub(crate) fn explain(&self) -> bool {
        self.format.explain
    }

    /// Whether the options ask for something that changes what comes out.
    pub(crate) fn bends_results(&self) -> bool {
        self.timeout.is_some()
            || self.revision.is_some()
            || !self.network.resolve.is_empty()
            || !self.network.allow_address.is_empty()
            || !self.network.deny_address.is_empty()
            || self.network.any_address
            || self.network.ipv4
            || self.network.ipv6
    }
}

/// DNS servers, certificate authorities, addresses.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "DNS and network")]
pub(crate) struct NetworkOptions {
    /// Use this DNS server instead of the system's, such as 192.0.2.1:53 or fe80::1%eth0 (repeat for fallbacks)
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = name_server)]
    pub(crate) nameserver: Vec<SocketAddr>,
    /// Trust the certificates in this file in place of the system's; without it SSL_CERT_FILE and SSL_CERT_DIR replace them, both if
    /// both are set
    #[arg(long, value_name = "PEM")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Use ADDR for the host NAME instead of asking DNS (repeatable)
    #[arg(long, value_name = "NAME:ADDR", value_parser = static_address)]
    pub(crate) resolve: Vec<(DnsName, IpAddr)>,
    /// Fetch documents of HOST:PORT from ADDR:PORT, as curl does; an empty HOST or PORT stands for any (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDR:PORT", value_parser = ConnectTo::parse)]
    pub(crate) connect_to: Vec<ConnectTo>,

    /// Allow this range of addresses; wins over --deny-address (repeatable)
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) allow_address: Vec<IpNet>,
    /// Refuse this range of addresses, also behind NAT64, 6to4 and the like (repeatable)
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) deny_address: Vec<IpNet>,
    /// Allow private and other special addresses too
    #[arg(long)]
    pub(crate) any_address: bool,
    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub(crate) ipv6: bool,
}

/// Options of `check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_STATUS)]
pub(crate) struct CheckOptions {
    /// Server names; `-` reads them from standard input, one per line; @ADDR is short for --nameserver ADDR
    #[arg(value_name = "NAME", required_unless_present = "lab")]
    pub(crate) names: Vec<String>,
    /// Take names as they are typed: refuse URLs and IDs instead of reading the server name in them
    #[arg(long)]
    pub(crate) strict_names: bool,

    #[command(flatten)]
    pub(crate) output: OutputOptions,
    /// Write everything that was seen to this file; see `replay`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) record: Option<PathBuf>,
    /// Write the names with an error, or that nothing could be found out about, to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) failed_to: Option<PathBuf>,
    /// Print how many names had which verdict on standard error
    #[arg(long, help_heading = "Output")]
    pub(crate) summary: bool,

    /// Check up to N names at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = jobs)]
    pub(crate) jobs: usize,
    /// Give up on each name after this long: 10, 10s, 500ms [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Follow this release of the specification: v1.11, r0.1.4, draft-old, … [default: the latest]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) revision: Option<Revision>,

    #[command(flatten)]
    pub(crate) network: NetworkOptions,

    /// Check the built-in homeservers, served on loopback: a healthy one, and one for each finding; no network is needed
    #[arg(long, conflicts_with_all = ["nameserver", "ca_file", "connect_to"])]
    pub(crate) lab: bool,
}

impl CheckOptions {
    /// The options by which names are resolved.
    pub(crate) fn as_resolve(&self) -> ResolveOptions {
        ResolveOptions {
            names: self.names.clone(),
            // Everything that was decided is part of a report.
            format: FormatOptions { explain: true, short: false, json: false },
            cache: None,
            jobs: self.jobs,
            timeout: None,
            revision: self.revision,
            strict_names: self.strict_names,
            network: self.network.clone(),
            runtime: Runtime::DEFAULT,
            lab: self.lab,
        }
    }
}

/// How reports are written, and what makes the program fail.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Write reports in this form
    #[arg(long, value_enum, value_name = "FORMAT", overrides_with_all = ["format", "json", "short"])]
    format: Option<Format>,
    /// Print one JSON object per line
    #[arg(short = 'j', long, overrides_with_all = ["format", "json", "short"])]
    json: bool,
    /// Print one line per name
    #[arg(long, overrides_with_all = ["format", "json", "short"])]
    short: bool,
    /// Print every decision of the lookup
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print commands by which anyone can repeat what was done: dig, curl, openssl
    #[arg(long)]
    pub(crate) commands: bool,
    /// Use ASCII only
    #[arg(long)]
    pub(crate) plain: bool,
    /// End with status 1 from this severity on
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Error)]
    pub(crate) fail_on: FailOn,
    /// Warn of certificates that expire within so many days
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    cert_warn: u16,
    /// Treat certificates that expire within so many days as an error
    #[arg(long, value_name = "DAYS", default_value_t = 3)]
    cert_critical: u16,
    /// Leave out findings with this id (repeatable)
    #[arg(long, value_name = "ID", value_parser = finding)]
    ignore: Vec<String>,
}

impl OutputOptions {
    /// The form of reports.
    pub(crate) fn format(&self) -> Format {
        match (self.format, self.json, self.short) {
            (Some(format), ..) => format,
            (_, true, _) => Format::Json,
            (.., true) => Format::Short,
            (None, false, false) => Format::Text,
        }
    }

    /// From when on something is a finding.
    pub(crate) fn thresholds(&self) -> Thresholds {
        let mut thresholds = Thresholds::default();
        thresholds.certificate_warning_days = self.cert_warn.into();
        thresholds.certificate_error_days = self.cert_critical.into();
        thresholds.ignore.clone_from(&self.ignore);
        thresholds
    }
}

/// From which severity on the program fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Errors
    Error,
    /// Warnings, too
    Warning,
    /// Nothing: only wrong usage
    Never,
}

impl CheckOptions {
    /// A check of these names, with default options otherwise.
    pub(crate) fn new(
        names: Vec<String>,
        network: NetworkOptions,
        revision: Option<Revision>,
    ) -> Self {
        Self {
            names,
            strict_names: false,
            output: OutputOptions {
                format: None,
                json: false,
                short: false,
                explain: false,
                commands: false,
                plain: false,
                fail_on: FailOn::Error,
                cert_warn: 14,
                cert_critical: 3,
                ignore: Vec::new(),
            },
            record: None,
            failed_to: None,
            summary: false,
            jobs: 1,
            timeout: None,
            revision,
            network,
            lab: false,
        }
    }
}

/// Options of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 no difference; 1 a difference; 2 wrong usage.")]
pub(crate) struct CompareOptions {
    /// Server names, or recordings of `check --record`
    #[arg(value_name = "NAME|FILE", required = true)]
    pub(crate) names: Vec<String>,
    /// Follow this release of the specification (repeatable)
    #[arg(long, value_name = "RELEASE")]
    pub(crate) revision: Vec<Revision>,
    #[command(flatten)]
    pub(crate) network: NetworkOptions,
}

/// Options of `lint`.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 all are good; 1 at least one is not; 2 wrong usage.")]
pub(crate) struct LintOptions {
    /// Documents to be served at /.well-known/matrix/server
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// Options of `suggest`.
#[derive(Debug, Args)]
pub(crate) struct SuggestOptions {
    /// The server name: what stands behind the colon of a user ID
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Where the homeserver can be reached [default: matrix.NAME:443]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) target: Option<String>,
    /// For what to print it
    #[arg(long = "for", value_enum, value_name = "SERVER", default_value_t = WebServer::Document)]
    pub(crate) web_server: WebServer,
}

/// What `suggest` prints something for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WebServer {
    /// The document alone
    Document,
    /// nginx
    Nginx,
    /// Caddy
    Caddy,
    /// Traefik
    Traefik,
    /// HAProxy
    Haproxy,
    /// Apache
    Apache,
    /// A Cloudflare worker
    Cloudflare,
    /// SRV records of a zone file
    Zone,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    /// What `check --record` has written
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainOptions {
    /// The id of a finding, such as tls.wrong-name; without it, all are listed
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Args)]
#[group(multiple = false)]
pub(crate) struct FormatOptions {
    /// Print every decision taken, and the fact that caused it
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print one line per name
    #[arg(long)]
    pub(crate) short: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

const CACHE_STATUS: &str = "\
Exit status: 0 there is such a name; 1 there is none; 2 wrong usage; 3 the file can't be used.";

/// Options of `cache`.
#[derive(Debug, Args)]
#[command(after_help = CACHE_STATUS)]
pub(crate) struct CacheOptions {
    /// The cache file; a homeserver's export has the same format
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Show names with this text in them
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Show names of this domain, and below it
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) below: Option<String>,
    /// Show names that this step of the specification decided: 1, 2, 3.1 to 3.5, 4, 5, 6
    #[arg(long, value_name = "STEP", value_parser = step)]
    pub(crate) step: Option<String>,
    /// Show names that fail, or one of whose questions did when it was asked last
    #[arg(long)]
    pub(crate) failing: bool,
    /// Show names that would have to be asked again
    #[arg(long)]
    pub(crate) expired: bool,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Forget this name, and every fact that it rests on (repeatable); the file is written anew
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "below", "step", "failing", "expired", "json"])]
    pub(crate) forget: Vec<String>,
}

/// Options of `lab`.
#[derive(Debug, Args)]
pub(crate) struct LabOptions {
    /// Write the lab's certificate authority to this file [default: one in the temporary directory]
    #[arg(long, value_name = "PEM")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Serve the world of this scenario file instead of the built-in one
    #[arg(long, value_name = "FILE", conflicts_with = "print")]
    pub(crate) world: Option<PathBuf>,
    /// Print the world as a scenario, and serve nothing
    #[arg(long)]
    pub(crate) print: bool,
}

/// Where to fetch documents from instead: one `--connect-to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectTo {
    /// The host that it concerns, in lower case; None: every host.
    pub(crate) host: Option<String>,
    /// The port that it concerns; None: every port.
    pub(crate) port: Option<u16>,
    /// The address to connect to; None: the host's own.
    pub(crate) to_address: Option<IpAddr>,
    /// The port to connect to; None: the same.
    pub(crate) to_port: Option<u16>,
}

impl ConnectTo {
    fn parse(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "expected HOST:PORT:ADDR:PORT, an IPv6 address in brackets";
        let (host, rest) = host_part(text).ok_or(SHAPE)?;
        let (port, rest) = rest.split_once(':').ok_or(SHAPE)?;
        let (address, to_port) = host_part(rest).ok_or(SHAPE)?;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let number = |text: &str| some(text).map(|text| self::port(&text)).transpose();
        Ok(Self {
            host: some(host).map(|host| host.trim_end_matches('.').to_ascii_lowercase()),
            port: number(port)?,
            to_address: some(address)
                .map(|address| address.parse().map_err(|_| format!("{address} is no IP address")))
                .transpose()?,
            to_port: number(to_port)?,
        })
    }

    /// Where to connect for a URL's host and port whose own address is `address`; None: this option does not concern it.
    pub(crate) fn apply(&self, host: &str, port: u16, address: SocketAddr) -> Option<SocketAddr> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let concerns = self.host.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(host))
            && self.port.is_none_or(|own| own == port);
        concerns.then(|| {
            SocketAddr::new(
                self.to_address.unwrap_or(address.ip()),
                self.to_port.unwrap_or(address.port()),
            )
        })
    }
}

/// A host, an IPv6 address in brackets, and what follows its colon.
fn host_part(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.split_once(':'),
    }
}

fn finding(text: &str) -> Result<String, String> {
    let known = discovery_check::kind(text).map(|kind| kind.id.to_owned());
    known.ok_or_else(|| "it is no finding; `matrix-discovery explain` lists all of them".to_owned())
}

fn step(text: &str) -> Result<String, String> {
    const RULES: [&str; 10] = ["1", "2", "3.1", "3.2", "3.3", "3.4", "3.5", "4", "5", "6"];
    let known = RULES.contains(&text).then(|| text.to_owned());
    known.ok_or_else(|| format!("it is one of {}", RULES.join(", ")))
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port != 0 => Ok(port),
        Ok(_) | Err(_) => Err(format!("{text} is no port: 1 to 65535")),
    }
}

fn name_server(text: &str) -> Result<SocketAddr, String> {
    match name_server_address(text, interface_index) {
        Ok(address) if address.port() == 0 => Err("port 0 can't be asked".to_owned()),
        Ok(address) => Ok(address),
        Err(WarningKind::Zone) => Err("there is no such network interface here".to_owned()),
        Err(_) => Err("a name server is an IP address, with or without a port: 192.0.2.1, \
                       127.0.0.1:5353, 2001:db8::1, [2001:db8::1]:5353, fe80::1%eth0"
            .to_owned()),
    }
}

fn static_address(text: &str) -> Result<(DnsName, IpAddr), String> {
    let (name, address) =
        text.split_once(':').ok_or("expected NAME:ADDR, for instance example.org:192.0.2.1")?;
    let name = DnsName::host(name).map_err(|why| format!("{name}: {why}"))?;
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(address);
    let ip = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
    Ok((name, ip))
}

fn network(text: &str) -> Result<IpNet, String> {
    let whole = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse()
        .ok()
        .or_else(whole)
        .ok_or_else(|| "a range is an address and a length: 192.0.2.0/24, 2001:db8::/32".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let millis = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    number
        .parse::<u64>()
        .ok()
        .zip(millis)
        .and_then(|(number, millis)| number.checked_mul(millis))
        .filter(|millis| *millis > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| "a time is a number greater than 0 and ms, s, m or h".to_owned())
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs) if (1..=MAX_JOBS).contains(&jobs) => Ok(jobs),
        Ok(_) | Err(_) => Err(format!("it is a number from 1 to {MAX_JOBS}")),
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
