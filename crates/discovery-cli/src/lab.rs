//! The built-in world: served alone, or resolved in.
//!
//! Knows nothing of sockets: the lab has them.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use discovery_core::InvalidServerName;
use discovery_driver::Builder;
use discovery_lab::discovery_sim::Scenario;
use discovery_lab::{
    Authority, BUILT_IN, BuiltInName, Lab, LabOptions as Serving, LookupResult, built_in,
    built_in_names,
};

use crate::options::{LabOptions, ResolveOptions};
use crate::output::{Answered, End, Format, Paint};
use crate::resolve::answer;
use crate::setting::{LAB_DIVISOR, lab_policy};
use crate::status::{Status, Trouble, say};

/// Resolves names in the built-in world; without any, all that it knows. Where a name is known, and no option bends the
/// result, the answer is right when it is what the world says.
pub(crate) fn resolve(mut options: ResolveOptions) -> Result<Status, Trouble> {
    let known: BTreeMap<String, BuiltInName> =
        built_in_names().into_iter().map(|name| (name.name.clone(), name)).collect();
    if options.names.is_empty() {
        options.names = built_in_names().into_iter().map(|name| name.name).collect();
    }
    let scenario = built_in();
    let mut serving = Serving::default();
    serving.divisor = LAB_DIVISOR;
    let lab = Lab::start_with(scenario.world_at(Duration::ZERO), serving)
        .map_err(|error| no_lab(&error))?;
    let builder = Builder::new(lab.client_config())
        .policy(lab_policy(&options, scenario.policy()))
        .name_servers(lab.dns_servers().iter().copied())
        .connect_to(lab.connector())
        // Both families of the world lead to IPv4 loopback, whatever this machine has.
        .probe_routes(false);
    let (format, paint) = (Format::from(options.format), Paint::for_standard_output());
    let judged = !options.bends_results();
    let mut out = BufWriter::new(io::stdout());
    let mut tally = Tally::default();
    let status = answer(options, builder, |answers| {
        for answered in answers {
            let mut answered = answered.clone();
            let name = known.get(&answered.name);
            answered.note = name.map(|name| name.example_of.clone());
            if judged {
                tally.judge(name, &answered);
            }
            answered.write(format, paint, &mut out)?;
        }
        out.flush()
    })?;
    drop(out);
    Ok(tally.sum_up(status))
}

fn no_lab(error: &dyn std::fmt::Display) -> Trouble {
    Trouble::Here(format!("the lab can't be served on loopback: {error}"))
}

/// How many names came out as the world says.
#[derive(Default)]
struct Tally {
    right: usize,
    wrong: usize,
    /// Of names that the world does not know.
    others: Option<Status>,
}

impl Tally {
    fn judge(&mut self, name: Option<&BuiltInName>, answered: &Answered) {
        let Some(name) = name else {
            self.others = self.others.max(Some(answered.status()));
            return;
        };
        let ran = LookupResult {
            name: answered.name.clone(),
            at: answered.at,
            outcome: match &answered.end {
                End::Outcome(outcome) => Ok(outcome.clone()),
                End::NotAName(why) => Err(*why),
                End::LineTooLong => Err(InvalidServerName::HostTooLong),
            },
            asked: None,
            hurried: true,
        };
        let found = name.expect.check(&ran.observed());
        if found.is_empty() {
            self.right = self.right.saturating_add(1);
        } else {
            self.wrong = self.wrong.saturating_add(1);
        }
        for mismatch in found {
            say(&format!("{}: not the expected result: {mismatch}", answered.name));
        }
    }

    /// Says how it went, and what follows; `status` is that of the names by themselves.
    fn sum_up(&self, status: Status) -> Status {
        let Self { right, wrong, others } = self;
        match (right, wrong) {
            (0, 0) => return status,
            (1, 0) => say("It gave the expected result."),
            (right, 0) => say(&format!("All {right} names gave the expected result.")),
            (right, wrong) => {
                say(&format!("{right} names gave the expected result, {wrong} did not."));
                return Status::No;
            }
        }
        others.unwrap_or(Status::Resolved)
    }
}

/// Serves the built-in world until interrupted.
pub(crate) fn run(options: &LabOptions) -> Result<Status, Trouble> {
    let mut out = io::stdout().lock();
    if options.print {
        let written = out.write_all(BUILT_IN.as_bytes()).and_then(|()| out.flush());
        return written
            .map(|()| Status::Resolved)
            .map_err(|error| Trouble::write(&error, Status::Resolved));
    }
    let own = options.world.as_deref().map(read_world).transpose()?;
    let world = own
        .as_ref()
        .map_or_else(|| built_in().world_at(Duration::ZERO), |own| own.world_at(Duration::ZERO));
    let lab = Lab::start(world).map_err(|error| no_lab(&error))?;
    let ca_file = write_authority(options.ca_file.as_ref(), lab.authority())?;
    let mut directions = variables(&lab, &ca_file);
    if own.is_none() {
        directions += &self::directions(&lab, &ca_file);
    }
    out.write_all(directions.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Trouble::write(&error, Status::Resolved))?;
    drop(out);
    loop {
        // The lab serves on a thread of its own; a signal ends the program.
        std::thread::park();
    }
}

/// Writes the authority's certificate to the file that was chosen, or to a new one.
fn write_authority(chosen: Option<&PathBuf>, authority: &Authority) -> Result<PathBuf, Trouble> {
    match chosen {
        Some(path) => authority
            .write_to(path)
            .map(|()| path.clone())
            .map_err(|error| Trouble::Usage(format!("{}: {error}", path.display()))),
        None => authority.write_to_temporary().map_err(|error| {
            Trouble::Usage(format!("{}: {error}", std::env::temp_dir().display()))
        }),
    }
}

fn read_world(path: &Path) -> Result<Scenario, Trouble> {
    let unusable =
        |why: &dyn std::fmt::Display| Trouble::Usage(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|why| unusable(&why))?;
    Scenario::parse(&text).map_err(|why| unusable(&why))
}

/// The first line, for scripts: where the servers are, and which authority to trust.
fn variables(lab: &Lab, ca_file: &Path) -> String {
    let servers: Vec<_> = lab.dns_servers().iter().map(ToString::to_string).collect();
    format!(
        "NAMESERVER={} CA_FILE={} FRONT_DOOR={}\n",
        servers.join(","),
        ca_file.display(),
        lab.front_door()
    )
}

/// How to point clients at the lab.
fn directions(lab: &Lab, ca_file: &Path) -> String {
    let names = built_in_names();
    let widest = names.iter().map(|name| name.name.len()).max().unwrap_or_default();
    let ca_file = ca_file.display();
    let door = lab.front_door();
    let mut text = "The lab is up. Its names:\n".to_owned();
    for name in &names {
        text.push_str(&format!("  {:<widest$}  # {}\n", name.name, name.example_of));
    }
    for server in lab.dns_servers() {
        let (ip, port) = (server.ip(), server.port());
        text.push_str(&format!(
            "\nResolve one:\n  matrix-discovery resolve --nameserver {server} --ca-file {ca_file} \\\n      \
             --connect-to ::{door} --allow-address 192.0.2.0/24 --allow-address 2001:db8::/32 \\\n      \
             to-srv.example\n\
             \nLook behind it:\n  dig @{ip} -p {port} _matrix-fed._tcp.fed.to-srv.example SRV\n  \
             curl --cacert {ca_file} --connect-to ::{door} https://to-srv.example/.well-known/matrix/server\n"
        ));
    }
    text.push_str("\nCtrl-C ends it.\n");
    text
}
