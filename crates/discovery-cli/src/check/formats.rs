//! Reports for programs: one line, CSV, Markdown, and what monitoring and CI systems read.

use std::fmt::Write;

use clap::ValueEnum;
use discovery_check::{Federates, Finding, Report, Severity, Verdict, printable};

use super::text::{Layout, text};

/// In which form reports are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One line per name
    Short,
    /// One JSON object per line; see `schema`
    Json,
    /// Comma-separated values, with a header
    Csv,
    /// A table in Markdown
    Markdown,
    /// Test Anything Protocol
    Tap,
    /// `JUnit` XML
    Junit,
    /// One line and performance data, with exit status 0 to 3
    Nagios,
    /// The text format of Prometheus, for the textfile collector
    Prometheus,
    /// Workflow commands of GitHub Actions
    Github,
}

/// What comes before all reports.
pub(crate) fn begin(format: Format) -> &'static str {
    match format {
        Format::Csv => {
            "name,verdict,federates,software,version,certificate_days,findings,took_ms\n"
        }
        Format::Markdown => "| server | verdict | findings |\n|---|---|---|\n",
        Format::Tap => "TAP version 13\n",
        Format::Junit => {
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"matrix-discovery\">\n"
        }
        Format::Prometheus => {
            "# TYPE matrix_federation_ok gauge\n# TYPE matrix_federation_findings gauge\n\
             # TYPE matrix_federation_certificate_days gauge\n\
             # TYPE matrix_federation_check_duration_seconds gauge\n"
        }
        Format::Text | Format::Short | Format::Json | Format::Nagios | Format::Github => "",
    }
}

/// What comes behind all reports.
pub(crate) fn end(format: Format, count: usize) -> String {
    match format {
        Format::Tap => format!("1..{count}\n"),
        Format::Junit => "</testsuite>\n</testsuites>\n".to_owned(),
        Format::Text
        | Format::Short
        | Format::Json
        | Format::Csv
        | Format::Markdown
        | Format::Nagios
        | Format::Prometheus
        | Format::Github => String::new(),
    }
}

/// One report, the `number`-th.
pub(crate) fn one(report: &Report, format: Format, number: usize, layout: Layout) -> String {
    match format {
        Format::Text => text(report, layout),
        Format::Short => short(report),
        Format::Json => json(report),
        Format::Csv => csv(report),
        Format::Markdown => markdown(report),
        Format::Tap => tap(report, number),
        Format::Junit => junit(report),
        Format::Nagios => nagios(report),
        Format::Prometheus => prometheus(report),
        Format::Github => github(report),
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "OK",
        Verdict::Warning => "WARNING",
        Verdict::Unknown => "UNKNOWN",
        Verdict::Error => "ERROR",
    }
}

/// Ids of the findings that are problems.
fn problems(report: &Report) -> Vec<&str> {
    let problems = report.findings.iter().filter(|finding| finding.severity != Severity::Info);
    problems.map(|finding| finding.id.as_str()).collect()
}

fn software(report: &Report) -> (String, String) {
    report.software.as_ref().map_or_else(Default::default, |software| {
        (printable(&software.name), printable(&software.version))
    })
}

fn short(report: &Report) -> String {
    let mut line = format!("{} {}", printable(&report.name), word(report.verdict));
    let problems = problems(report);
    if !problems.is_empty() {
        let _ = write!(line, " {}", problems.join(","));
    }
    if let Some(software) = &report.software {
        let name = format!("{}/{}", printable(&software.name), printable(&software.version));
        let _ = write!(line, " {}", name.replace(' ', "_"));
    }
    if let Some(days) = report.certificate_days() {
        let _ = write!(line, " cert={days}d");
    }
    line.push('\n');
    line
}

fn json(report: &Report) -> String {
    let mut text = serde_json::to_string(report).unwrap_or_default();
    text.push('\n');
    crate::output::ascii(text)
}

fn csv(report: &Report) -> String {
    let (name, version) = software(report);
    let field = |text: &str| {
        // A field that begins like a formula must not be one in a spreadsheet.
        let text = if text.starts_with(['=', '+', '-', '@']) {
            format!("'{text}")
        } else {
            text.to_owned()
        };
        if text.contains([',', '"', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let days = report.certificate_days().map_or_else(String::new, |days| days.to_string());
    let fields = [
        field(&printable(&report.name)),
        word(report.verdict).to_ascii_lowercase(),
        federates(report).to_owned(),
        field(&name),
        field(&version),
        days,
        problems(report).join(" "),
        report.took_ms.to_string(),
    ];
    format!("{}\n", fields.join(","))
}

const fn federates(report: &Report) -> &'static str {
    match report.federates {
        Federates::Yes => "yes",
        Federates::Partly => "partly",
        Federates::No => "no",
        Federates::Unknown => "unknown",
    }
}

fn markdown(report: &Report) -> String {
    let cell = |text: &str| printable(text).replace('|', "\\|").replace('<', "&lt;");
    let findings: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info)
        .map(|finding| format!("`{}` {}", finding.id, cell(&finding.detail)))
        .collect();
    format!("| {} | {} | {} |\n", cell(&report.name), word(report.verdict), findings.join("<br>"))
}

fn tap(report: &Report, number: usize) -> String {
    let not = if report.verdict == Verdict::Error { "not " } else { "" };
    let skip = if report.verdict == Verdict::Unknown { " # SKIP can't tell" } else { "" };
    let mut out =
        format!("{not}ok {number} - {}{skip}\n", printable(&report.summary).replace('#', "\\#"));
    for finding in &report.findings {
        let _ = writeln!(
            out,
            "# {} {}: {}",
            finding.severity.as_str(),
            finding.id,
            printable(&finding.detail)
        );
    }
    out
}

fn junit(report: &Report) -> String {
    let escape = |text: &str| {
        printable(text)
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    };
    let seconds = std::time::Duration::from_millis(report.took_ms).as_secs_f64();
    let mut out = format!(
        "<testcase classname=\"federation\" name=\"{}\" time=\"{seconds:.3}\">",
        escape(&report.name)
    );
    let tag = match report.verdict {
        Verdict::Error => Some("failure"),
        Verdict::Unknown => Some("error"),
        Verdict::Ok | Verdict::Warning => None,
    };
    let details: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            escape(&format!("{} {}: {}", finding.severity.as_str(), finding.id, finding.detail))
        })
        .collect();
    match tag {
        Some(tag) => {
            let _ = write!(
                out,
                "<{tag} message=\"{}\">{}</{tag}>",
                escape(&report.summary),
                details.join("\n")
            );
        }
        None if details.is_empty() => {}
        None => {
            let _ = write!(out, "<system-out>{}</system-out>", details.join("\n"));
        }
    }
    out.push_str("</testcase>\n");
    out
}

fn nagios(report: &Report) -> String {
    let state = match report.verdict {
        Verdict::Ok => "OK",
        Verdict::Warning => "WARNING",
        Verdict::Error => "CRITICAL",
        Verdict::Unknown => "UNKNOWN",
    };
    let days = report.certificate_days();
    let expiry = days.map_or_else(String::new, |days| format!(", certificate {days} days"));
    let data = days.map_or_else(String::new, |days| format!(" cert_days={days};14:;3:"));
    let seconds = std::time::Duration::from_millis(report.took_ms).as_secs_f64();
    // A bar would begin the performance data.
    let summary = printable(&report.summary).replace('|', "/");
    let counts = report.counts;
    format!(
        "MATRIX {state} - {summary}{expiry} | time={seconds:.3}s;2;10{data} addresses={} errors={} warnings={}\n",
        counts.addresses, counts.error, counts.warning
    )
}

fn prometheus(report: &Report) -> String {
    let name = printable(&report.name).replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = String::new();
    let ok = u8::from(!matches!(report.federates, Federates::No | Federates::Unknown));
    let _ = writeln!(out, "matrix_federation_ok{{server_name=\"{name}\"}} {ok}");
    for (severity, count) in [
        ("error", report.counts.error),
        ("unknown", report.counts.unknown),
        ("warning", report.counts.warning),
        ("info", report.counts.info),
    ] {
        let _ = writeln!(
            out,
            "matrix_federation_findings{{server_name=\"{name}\",severity=\"{severity}\"}} {count}"
        );
    }
    if let Some(days) = report.certificate_days() {
        let _ =
            writeln!(out, "matrix_federation_certificate_days{{server_name=\"{name}\"}} {days}");
    }
    let seconds = std::time::Duration::from_millis(report.took_ms).as_secs_f64();
    let _ = writeln!(
        out,
        "matrix_federation_check_duration_seconds{{server_name=\"{name}\"}} {seconds:.3}"
    );
    out
}

fn github(report: &Report) -> String {
    let line = |finding: &Finding| {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Info => "notice",
            Severity::Unknown | Severity::Warning | _ => "warning",
        };
        let text = printable(&format!("{}: {} ({})", report.name, finding.title, finding.detail));
        format!("::{level} title={}::{}\n", finding.id, text.replace('%', "%25"))
    };
    report.findings.iter().map(line).collect()
}
