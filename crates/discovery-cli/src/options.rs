//! The command line: subcommands, options, and how their values read.
//!
//! Knows nothing of what an option does.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use discovery_core::{DnsName, Revision};
use discovery_wire::{WarningKind, name_server_address};
use ipnet::IpNet;

use crate::input::MAX_JOBS;
use crate::runtime::Runtime;
use crate::setting::interface_index;

/// Where a Matrix server name leads, and why.
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
    /// Resolve server names: where to connect, which Host to send, what the certificate must be valid for.
    Resolve(Box<ResolveOptions>),
    /// Show what a file of facts tells of names, or forget names in it.
    Cache(CacheOptions),
    /// Serve the built-in world on loopback, until interrupted.
    Lab(LabOptions),
}

const EXIT_STATUS: &str = "\
Exit status: 0 every name resolved; 1 the answer is no; 2 wrong usage; 3 nobody can tell now;
130 and 143 ended by SIGINT and SIGTERM, with what was known by then.
With --lab: 0 every name came out as the lab says, 1 otherwise.";

/// Options of `resolve`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_STATUS)]
pub(crate) struct ResolveOptions {
    /// Server names; `-` reads them from standard input as they come, one a line
    #[arg(value_name = "NAME", required_unless_present = "lab")]
    pub(crate) names: Vec<String>,

    #[command(flatten)]
    pub(crate) format: FormatOptions,

    /// Begin with the facts of this file, if there is one, and write those known at the end, after SIGINT and SIGTERM too; see `cache`.
    /// A file that is damaged is kept as FILE.damaged; one that holds something else is left alone
    #[arg(long, value_name = "FILE", conflicts_with = "lab")]
    pub(crate) cache: Option<PathBuf>,
    /// Resolve so many names at once; those that take longer than 250 ms do not count, up to 16 times as many
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = jobs)]
    pub(crate) jobs: usize,
    /// Give each name up after this long: 10, 10s, 500ms [default: 40s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Follow this release of the specification: v1.11, r0.1.4, draft-old, … [default: the latest]
    #[arg(long, value_name = "RELEASE")]
    pub(crate) revision: Option<Revision>,

    /// Ask this name server (repeatable), such as 192.0.2.1:53 or fe80::1%eth0 [default: the system's]
    #[arg(long, value_name = "ADDR[:PORT]", value_parser = name_server)]
    pub(crate) nameserver: Vec<SocketAddr>,
    /// Trust the certificates in this file in place of the system's; without it SSL_CERT_FILE and SSL_CERT_DIR replace them, both if
    /// both are set
    #[arg(long, value_name = "PEM")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Take this address for this host, ask nobody (repeatable)
    #[arg(long, value_name = "NAME:ADDR", value_parser = static_address)]
    pub(crate) resolve: Vec<(DnsName, IpAddr)>,
    /// Fetch documents of HOST:PORT from ADDR:PORT, as curl does; an empty HOST or PORT stands for any (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDR:PORT", value_parser = ConnectTo::parse)]
    pub(crate) connect_to: Vec<ConnectTo>,

    /// Allow addresses of this range as they are written, even if they are denied otherwise (repeatable)
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) allow_address: Vec<IpNet>,
    /// Deny addresses of this range, also behind NAT64, 6to4 and the like (repeatable)
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) deny_address: Vec<IpNet>,
    /// Allow private and other special addresses too
    #[arg(long)]
    pub(crate) any_address: bool,
    /// Use IPv4 alone
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Use IPv6 alone
    #[arg(short = '6', long)]
    pub(crate) ipv6: bool,

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
            || !self.resolve.is_empty()
            || !self.allow_address.is_empty()
            || !self.deny_address.is_empty()
            || self.any_address
            || self.ipv4
            || self.ipv6
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug, Args)]
#[group(multiple = false)]
pub(crate) struct FormatOptions {
    /// Print every decision taken, and the fact that caused it
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print one line a name
    #[arg(long)]
    pub(crate) short: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

const CACHE_STATUS: &str = "\
Exit status: 0 there is such a name; 1 there is none; 2 wrong usage; 3 the file can't be used.";

/// Options of `cache`.
#[derive(Debug, Args)]
#[command(after_help = CACHE_STATUS)]
pub(crate) struct CacheOptions {
    /// What `resolve --cache` has written, or a homeserver has exported
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
    /// Print one JSON object a line
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
        const SHAPE: &str = "it reads HOST:PORT:ADDR:PORT, an IPv6 address in brackets";
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
    let (name, address) = text.split_once(':').ok_or("it reads NAME:ADDR")?;
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
