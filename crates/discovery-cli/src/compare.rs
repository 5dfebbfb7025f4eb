//! `compare`: the same names by several name servers or revisions, or in two recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use discovery_check::{Evidence, Report, Thresholds, judge, printable};

use crate::check::{checker, recording};
use crate::input::forgiven;
use crate::options::{CheckOptions, CompareOptions, NetworkOptions};
use crate::status::{Status, Trouble};

/// Prints what differs; the status says whether anything does.
pub(crate) fn run(options: &CompareOptions) -> Result<Status, Trouble> {
    let sides = if options.names.iter().all(|name| std::path::Path::new(name).is_file()) {
        recordings(options)?
    } else {
        checks(options)?
    };
    let mut out = String::new();
    let names: BTreeSet<&String> = sides.iter().flat_map(|side| side.reports.keys()).collect();
    let mut differ = false;
    for name in names {
        let difference = difference(name, &sides);
        differ |= !difference.is_empty();
        if difference.is_empty() {
            out.push_str(&format!("{}: no difference\n", printable(name)));
        } else {
            out.push_str(&format!("{}\n{difference}", printable(name)));
        }
    }
    let status = if differ { Status::No } else { Status::Resolved };
    let written = std::io::stdout().write_all(out.as_bytes());
    written.map(|()| status).map_err(|error| Trouble::write(&error, status))
}

/// One of the things that are compared.
struct Side {
    label: String,
    reports: BTreeMap<String, Report>,
}

impl Side {
    fn new(label: String, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        let report = |evidence: Evidence| {
            let report = judge(&evidence, &Thresholds::default());
            (report.name.clone(), report)
        };
        Self { label, reports: evidence.into_iter().map(report).collect() }
    }
}

fn recordings(options: &CompareOptions) -> Result<Vec<Side>, Trouble> {
    if options.names.len() < 2 {
        return Err(Trouble::Usage("two recordings are needed for a comparison".to_owned()));
    }
    let side = |path: &String| Ok(Side::new(path.clone(), recording(path.as_ref())?));
    options.names.iter().map(side).collect()
}

fn checks(options: &CompareOptions) -> Result<Vec<Side>, Trouble> {
    let servers = options.network.nameserver.iter().map(|server| (Some(*server), None));
    let revisions = options.revision.iter().map(|revision| (None, Some(*revision)));
    let variants: Vec<_> = servers.chain(revisions).collect();
    if variants.len() < 2 {
        return Err(Trouble::Usage(
            "nothing to compare: give two of --nameserver or --revision, or two recordings of `check --record`"
                .to_owned(),
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::Here(error.to_string()))?;
    let sides = runtime.block_on(async {
        let mut sides = Vec::new();
        for (server, revision) in variants {
            let nameserver = server.into_iter().collect();
            let network = NetworkOptions { nameserver, ..options.network.clone() };
            let checker = checker(&CheckOptions::new(options.names.clone(), network, revision))?;
            let mut evidence = Vec::new();
            for name in &options.names {
                evidence.push(checker.check(&forgiven(name)).await);
            }
            let label = server.map(|server| server.to_string());
            let label = label.or(revision.map(|revision| revision.to_string())).unwrap_or_default();
            sides.push(Side::new(label, evidence));
        }
        Ok(sides)
    });
    runtime.shutdown_background();
    sides
}

/// Lines that are not the same on all sides, under the side's label; empty: there are none.
fn difference(name: &str, sides: &[Side]) -> String {
    let all: Vec<BTreeSet<String>> =
        sides.iter().map(|side| side.reports.get(name).map_or_else(BTreeSet::new, lines)).collect();
    let mut common = all.first().cloned().unwrap_or_default();
    for lines in &all {
        common.retain(|line| lines.contains(line));
    }
    let mut out = String::new();
    for (side, lines) in sides.iter().zip(&all) {
        let own: Vec<&String> = lines.difference(&common).collect();
        if !own.is_empty() {
            out.push_str(&format!("  {}\n", printable(&side.label)));
        }
        for line in own {
            out.push_str(&format!("    {}\n", printable(line)));
        }
    }
    out
}

/// What a comparison is about: no times.
fn lines(report: &Report) -> BTreeSet<String> {
    let resolution = &report.resolution;
    let mut lines = BTreeSet::from([format!("summary: {}", report.summary)]);
    let mut add = |label: &str, value: &Option<String>| {
        if let Some(value) = value {
            lines.insert(format!("{label}: {value}"));
        }
    };
    add("step", &resolution.step);
    add("delegated to", &resolution.delegated);
    add("Host", &resolution.host_header);
    add("certificate for", &resolution.tls_name);
    add("error", &resolution.error);
    lines.extend(resolution.srv.iter().map(|record| format!("SRV {record}")));
    lines.extend(
        report
            .targets
            .iter()
            .map(|target| format!("address {}: {}", target.address, target.tcp.said())),
    );
    lines.extend(
        report.findings.iter().map(|finding| format!("finding {}: {}", finding.id, finding.detail)),
    );
    lines
}
