//! What memory says of names: an aligned table, or one JSON object a line.
//!
//! Knows nothing of where the rows come from.

use std::io::{self, Write};
use std::time::Duration;

use discovery_core::{CacheEntry, ErrorKind, Standing, Step};
use serde::Serialize;

use super::json::{Place, place};
use super::text::{legible, printable, time};

/// Most places shown of one name.
const MAX_PLACES: usize = 2;

const HEAD: [&str; 7] = ["NAME", "RULE", "CONNECT TO", "AGE", "LEFT", "STATE", "BECAUSE"];

#[derive(Serialize)]
struct Known<'a> {
    name: &'a str,
    standing: Standing,
    step: Option<Step>,
    targets: Vec<Place>,
    failure: Option<ErrorKind>,
    age_s: Option<u64>,
    /// None: for ever, or nobody knows.
    left_s: Option<u64>,
    reason: &'a str,
    last_failure: Option<Failure>,
}

#[derive(Serialize)]
struct Failure {
    question: String,
    fact: String,
    age_s: u64,
    left_s: u64,
    times: u8,
}

/// One line of JSON.
pub(crate) fn json(row: &CacheEntry, to: &mut impl Write) -> io::Result<()> {
    let last_failure = row.last_failure.as_ref().map(|failure| Failure {
        question: failure.question.to_string(),
        fact: failure.fact.to_string(),
        age_s: failure.age.as_secs(),
        left_s: failure.left.as_secs(),
        times: failure.times,
    });
    let known = Known {
        name: row.name.as_str(),
        standing: row.standing,
        step: row.step,
        targets: row.targets.iter().flat_map(place).collect(),
        failure: row.failure,
        age_s: row.age.map(|age| age.as_secs()),
        left_s: row.left.map(|left| left.as_secs()),
        reason: &row.reason,
        last_failure,
    };
    serde_json::to_writer(&mut *to, &known)?;
    to.write_all(b"\n")
}

/// The table, with a line of heads unless it is empty.
pub(crate) fn text(rows: &[CacheEntry], to: &mut impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let lines: Vec<[String; 7]> = rows.iter().map(cells).collect();
    let mut widths = HEAD.map(str::len);
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut write = |cells: &[String; 7]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        writeln!(to, "{}", text.trim_end())
    };
    write(&HEAD.map(str::to_owned))?;
    lines.iter().try_for_each(write)
}

fn cells(row: &CacheEntry) -> [String; 7] {
    let mut places: Vec<String> = row
        .targets
        .iter()
        .flat_map(|target| target.socket_addrs())
        .map(|place| place.to_string())
        .collect();
    let more = places.len().saturating_sub(MAX_PLACES);
    places.truncate(MAX_PLACES);
    if more > 0 {
        places.push(format!("+{more}"));
    }
    let or_dash =
        |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or("-".to_owned());
    let seconds = |duration: Duration| time(duration.as_secs());
    let state = match (row.failure, row.standing) {
        (Some(kind), Standing::Expired) => format!("{kind}, expired"),
        (Some(kind), _) => kind.to_string(),
        (None, Standing::Fresh) => "fresh".to_owned(),
        (None, Standing::Stale) => "last good".to_owned(),
        (None, Standing::Expired) => "expired".to_owned(),
        (None, _) => "incomplete".to_owned(),
    };
    let failure = row.last_failure.as_ref().map(|failure| {
        format!("[{} {} ago: {}]", failure.question, seconds(failure.age), failure.fact)
    });
    let reason = [Some(row.reason.clone()), failure].into_iter().flatten();
    let reason: Vec<String> = reason.filter(|part| !part.is_empty()).collect();
    [
        printable(row.name.as_str()),
        or_dash(row.step.map(|step| step.number().to_owned())),
        or_dash(Some(places.join(","))),
        or_dash(row.age.map(seconds)),
        or_dash(row.left.map(seconds)),
        state,
        legible(&reason.join(" ")),
    ]
}
