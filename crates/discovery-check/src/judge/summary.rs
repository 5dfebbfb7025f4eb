//! The report: the verdict and the answer in one line.

use discovery_core::Effect;

use super::words::printable;
use super::{Evidence, Lookup, places};
use crate::findings::{Finding, Severity};
use crate::report::{Counts, Federates, Report, Resolution, SCHEMA, Verdict};

pub(super) fn report(evidence: &Evidence, findings: Vec<Finding>, works: usize) -> Report {
    let verdict = match findings.first().map(|finding| finding.severity) {
        Some(Severity::Error) => Verdict::Error,
        Some(Severity::Unknown) => Verdict::Unknown,
        Some(Severity::Warning) => Verdict::Warning,
        Some(Severity::Info) | None => Verdict::Ok,
    };
    let partly = |finding: &Finding| {
        finding.id.starts_with("connect.") || finding.id == "srv.target-is-cname"
    };
    let federates = match verdict {
        Verdict::Error if works == 0 => Federates::No,
        Verdict::Error => Federates::Partly,
        Verdict::Unknown => Federates::Unknown,
        // What is wrong is ignored.
        Verdict::Warning | Verdict::Ok if works == 0 => Federates::No,
        Verdict::Warning if findings.iter().any(partly) => Federates::Partly,
        Verdict::Warning | Verdict::Ok => Federates::Yes,
    };
    let name = printable(&evidence.name);
    let software = evidence.targets.iter().find_map(|target| target.software.clone());
    let title = findings.first().map(|finding| finding.title.clone());
    let title = title.unwrap_or_else(|| "the reason is ignored".to_owned());
    let input = findings.first().is_some_and(|finding| finding.id.starts_with("name."));
    let summary = match (verdict, federates) {
        (Verdict::Error, _) if input => format!("{name} cannot be checked: {title}"),
        (_, Federates::No) => format!("{name} does not federate: {title}"),
        (_, Federates::Unknown) => format!("{name}: can't tell, {title}"),
        (_, Federates::Partly) => format!("{name} federates with some servers only: {title}"),
        (Verdict::Warning, _) => format!("{name} federates, but {title}"),
        (_, Federates::Yes) => {
            let running = software.as_ref().map_or_else(String::new, |software| {
                format!(": {} {}", printable(&software.name), printable(&software.version))
            });
            let place = evidence.resolved().and_then(|resolved| places(resolved).pop_first());
            format!("{name} federates{running} at {}", place.unwrap_or_default())
        }
    };
    let counts =
        Counts::of(&findings, evidence.documents.len().saturating_add(evidence.targets.len()));
    Report {
        schema: SCHEMA.to_owned(),
        tool: concat!("matrix-discovery ", env!("CARGO_PKG_VERSION")).to_owned(),
        at_s: evidence.at_s,
        took_ms: evidence.took_ms,
        input: evidence.input.clone(),
        name: evidence.name.clone(),
        verdict,
        federates,
        summary,
        software,
        resolution: resolution(evidence),
        well_known: evidence.documents.clone(),
        targets: evidence.targets.clone(),
        findings,
        counts,
    }
}

fn resolution(evidence: &Evidence) -> Resolution {
    let decisions = evidence.decisions();
    let delegated = decisions.iter().find_map(|decision| match &decision.effect {
        Effect::Delegated(to) => Some(to.to_string()),
        _ => None,
    });
    let explanation = decisions.iter().map(ToString::to_string).collect();
    let mut resolution = Resolution { delegated, explanation, ..Resolution::default() };
    match &evidence.lookup {
        Lookup::Invalid(why) => resolution.error = Some(why.to_string()),
        Lookup::Ended(Err(error)) => resolution.error = Some(error.to_string()),
        Lookup::Ended(Ok(resolved)) => {
            resolution.resolved = true;
            resolution.step = Some(resolved.step.number().to_owned());
            resolution.step_name = Some(resolved.step.name().to_owned());
            resolution.host_header = Some(resolved.host_header_str().to_owned());
            resolution.tls_name = Some(resolved.tls_name.to_string());
            resolution.cache_s = evidence.cache_s;
            resolution.srv = resolved
                .targets
                .iter()
                .filter_map(|target| {
                    let rank = target.srv?;
                    Some(format!(
                        "{} {} {} {}",
                        rank.priority, rank.weight, target.port, target.host
                    ))
                })
                .collect();
        }
    }
    resolution
}
