//! A report for people: the answer first, then what was seen, then what to do.

use std::collections::BTreeSet;

use discovery_check::{
    Finding, Report, Severity, Signature, TargetProbe, Tcp, Verdict, VerifyError, printable,
};

use crate::output::Paint;

/// Where the second column begins.
const INDENT: usize = 18;
/// Lines of one row, at most.
const MAX_LINES: usize = 9;

/// How a report is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Whether colours may be used.
    pub(crate) paint: Paint,
    /// Columns of the terminal.
    pub(crate) width: usize,
    /// ASCII alone.
    pub(crate) plain: bool,
    /// Whether every decision is shown.
    pub(crate) explain: bool,
}

impl Layout {
    fn mark(self, severity: Option<Severity>) -> String {
        let (fancy, plain) = match severity {
            None | Some(Severity::Info) => ("✔", "+"),
            Some(Severity::Warning) => ("!", "!"),
            Some(Severity::Error) => ("✘", "x"),
            Some(_) => ("?", "?"),
        };
        let mark = if self.plain { plain } else { fancy };
        match severity {
            None | Some(Severity::Info) => self.paint.good(mark),
            Some(Severity::Error) => self.paint.bad(mark),
            Some(_) => self.paint.caution(mark),
        }
    }

    /// Lines of at most the width, broken at blanks; later ones are indented.
    fn wrap(self, text: &str, indent: usize) -> Vec<String> {
        let room = self.width.max(40).saturating_sub(indent);
        let mut lines = Vec::new();
        for part in text.lines() {
            let mut line = String::new();
            for word in part.split(' ') {
                let long = line.chars().count().saturating_add(word.chars().count());
                if !line.is_empty() && long >= room {
                    lines.push(std::mem::take(&mut line));
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            lines.push(line);
        }
        lines
    }

    fn row(self, severity: Option<Severity>, label: &str, text: &[String], out: &mut String) {
        let mut head =
            format!("  {} {}", self.mark(severity), self.paint.dim(&format!("{label:<14}")));
        let lines: Vec<String> = text.iter().flat_map(|text| self.wrap(text, INDENT)).collect();
        for line in lines.iter().take(MAX_LINES) {
            out.push_str(&format!("{head}{line}\n"));
            head = " ".repeat(INDENT);
        }
        if let Some(more) = lines.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
            out.push_str(&format!("{}and {more} more lines (--json)\n", " ".repeat(INDENT)));
        }
    }
}

/// A report in some 25 lines.
pub(crate) fn text(report: &Report, layout: Layout) -> String {
    let mut out = String::new();
    let worst = match report.verdict {
        Verdict::Ok => None,
        Verdict::Warning => Some(Severity::Warning),
        Verdict::Unknown => Some(Severity::Unknown),
        Verdict::Error => Some(Severity::Error),
    };
    for (i, line) in layout.wrap(&report.summary, 2).iter().enumerate() {
        let mark = if i == 0 { layout.mark(worst) } else { " ".to_owned() };
        out.push_str(&format!("{mark} {}\n", layout.paint.bold(line)));
    }
    out.push('\n');
    if !is_about_the_input(report) {
        layout.row(worst_of(report, &DELEGATION), "delegation", &delegation(report), &mut out);
        if !report.targets.is_empty() {
            layout.row(
                worst_of(report, &["connect."]),
                "connection",
                &connection(report),
                &mut out,
            );
            let certificate = certificate(report);
            if !certificate.is_empty() {
                layout.row(worst_of(report, &["tls."]), "certificate", &certificate, &mut out);
                let severity = worst_of(report, &["keys.", "http.", "version."]);
                layout.row(severity, "signing keys", &keys(report), &mut out);
            }
            if let Some(offset) = clock(report) {
                let severity = worst_of(report, &["clock."]);
                layout.row(severity, "clock", &[format!("{} s apart", offset.abs())], &mut out);
            }
        }
    }
    fixes(report, layout, &mut out);
    if layout.explain {
        out.push_str("\nDecisions\n");
        for decision in &report.resolution.explanation {
            out.push_str(&format!("  {}\n", printable(decision)));
        }
    }
    out.push_str(&format!("\n{}\n", sum(report)));
    out
}

const DELEGATION: [&str; 4] = ["well-known.", "srv.", "dns.", "local"];

fn is_about_the_input(report: &Report) -> bool {
    report.findings.first().is_some_and(|finding| finding.id.starts_with("name."))
}

fn about<'a>(report: &'a Report, prefixes: &'a [&str]) -> impl Iterator<Item = &'a Finding> {
    report
        .findings
        .iter()
        .filter(|finding| prefixes.iter().any(|prefix| finding.id.starts_with(prefix)))
}

fn worst_of(report: &Report, prefixes: &[&str]) -> Option<Severity> {
    about(report, prefixes).map(|finding| finding.severity).min()
}

/// Findings whose detail is a sentence by itself.
const DETAIL_ALONE: [&str; 8] = [
    "dns.",
    "well-known.m-server-",
    "well-known.differs",
    "tls.wrong-name",
    "tls.incomplete-chain",
    "keys.",
    "http.",
    "local",
];

/// What a finding saw, with its id: people search for it.
fn said(finding: &Finding) -> String {
    let alone = DETAIL_ALONE.iter().any(|prefix| finding.id.starts_with(prefix));
    let text = match (finding.detail.as_str(), finding.subjects.as_slice()) {
        ("", []) => finding.title.clone(),
        ("", subjects) => format!("{} ({})", finding.title, subjects.join(", ")),
        (detail, _) if alone => detail.to_owned(),
        (detail, _) => format!("{}: {detail}", finding.title),
    };
    format!("{} [{}]", printable(&text), finding.id)
}

fn delegation(report: &Report) -> Vec<String> {
    let resolution = &report.resolution;
    let mut lines = Vec::new();
    match (&resolution.delegated, resolution.step_name.as_deref()) {
        (Some(to), _) => lines.push(format!(".well-known says {to}")),
        (None, Some("default_port")) => lines.push(format!(
            "no delegation, so other servers try {}:8448 (spec step 6)",
            report.name
        )),
        (None, Some("explicit_port" | "ip_literal")) => {
            lines.push("none: the name has a port or is an address".to_owned());
        }
        (None, _) => {}
    }
    for record in &resolution.srv {
        lines.push(format!("SRV {record}"));
    }
    let answered = report.well_known.iter().filter(|document| document.m_server.is_some()).count();
    if resolution.delegated.is_some()
        && answered > 1
        && about(report, &["well-known."]).next().is_none()
    {
        let all = report.well_known.len();
        lines.push(format!("same answer from {answered} of {all} addresses"));
    }
    lines.extend(about(report, &DELEGATION).map(said));
    let shown = |document: &&discovery_check::DocumentProbe| document.tcp != Tcp::Connected;
    if about(report, &["well-known.one-address-fails"]).next().is_some() {
        for document in report.well_known.iter().filter(shown) {
            lines.push(format!("{:<22}{}", document.address.to_string(), document.tcp.said()));
        }
    }
    if lines.is_empty() {
        lines.push(resolution.error.clone().unwrap_or_else(|| "none".to_owned()));
    }
    lines
}

fn connection(report: &Report) -> Vec<String> {
    let width = report.targets.iter().map(|target| target.address.to_string().len()).max();
    let width = width.unwrap_or_default().saturating_add(2);
    let mut lines: Vec<String> = report
        .targets
        .iter()
        .map(|target| format!("{:<width$}{}", target.address.to_string(), connected(target)))
        .collect();
    lines.extend(about(report, &["connect."]).map(|finding| format!("[{}]", finding.id)));
    lines
}

fn connected(target: &TargetProbe) -> String {
    match (&target.tcp, &target.tls) {
        (Tcp::Connected, Some(tls)) => match (&tls.version, &tls.error) {
            (Some(version), _) => format!("{version}   {} ms", target.tcp_ms),
            (None, Some(error)) => error.said(),
            (None, None) => "connected".to_owned(),
        },
        (tcp, _) => tcp.said().to_owned(),
    }
}

fn certificate(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = about(report, &["tls."]).map(said).collect();
    if !lines.is_empty() {
        return lines;
    }
    let mut seen = BTreeSet::new();
    for tls in report.targets.iter().filter_map(|target| target.tls.as_ref()) {
        if let Some(leaf) = tls.chain.first()
            && tls.verify_error.as_ref().is_none_or(|why| *why == VerifyError::WrongName)
        {
            seen.insert(format!(
                "{}, {}, {} days left",
                report.resolution.tls_name.as_deref().unwrap_or_default(),
                printable(&leaf.issuer_name()),
                report.certificate_days().unwrap_or_default()
            ));
        }
    }
    lines.extend(seen);
    lines
}

fn keys(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let with: Vec<_> = report.targets.iter().filter_map(|target| target.keys.as_ref()).collect();
    if let Some(keys) = with.first() {
        let good: Vec<String> = keys
            .verify_keys
            .iter()
            .filter(|(_, key)| key.signature == Signature::Valid)
            .map(|(id, _)| printable(id))
            .collect();
        if !good.is_empty() {
            let all = report.targets.len();
            lines.push(format!(
                "{}, signature good, on {} of {all} addresses",
                good.join(", "),
                with.len()
            ));
        }
    }
    lines.extend(about(report, &["keys.", "http.", "version."]).map(said));
    if lines.is_empty() {
        lines.push("not checked: no connection".to_owned());
    }
    lines
}

fn clock(report: &Report) -> Option<i64> {
    report
        .targets
        .iter()
        .filter_map(|target| target.clock_offset_s)
        .max_by_key(|offset| offset.abs())
}

fn fixes(report: &Report, layout: Layout, out: &mut String) {
    let mut told = BTreeSet::new();
    let wanted = report.findings.iter().filter(|finding| finding.severity != Severity::Info);
    let fixes: Vec<&Finding> = wanted.filter(|finding| told.insert(&finding.fix)).take(4).collect();
    if fixes.is_empty() {
        return;
    }
    out.push_str(&format!("\n{}\n", layout.paint.bold("How to fix it")));
    for finding in fixes {
        for line in layout.wrap(&printable_lines(&finding.fix), 2) {
            out.push_str(&format!("  {line}\n"));
        }
    }
}

fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn sum(report: &Report) -> String {
    let counts = &report.counts;
    let plural = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        many => Some(format!("{many} {one}s")),
    };
    let parts: Vec<String> = [
        plural(counts.error, "error"),
        plural(counts.warning, "warning"),
        plural(counts.info, "note"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let parts = match (parts.is_empty(), counts.unknown) {
        (true, 0) => "No problems".to_owned(),
        (true, _) => "Nothing could be found out".to_owned(),
        (false, _) => parts.join(", "),
    };
    format!("{parts}. {} addresses in {} ms.", counts.addresses, report.took_ms)
}
