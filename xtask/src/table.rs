//! What parts of the proof came to, one row each, and the table of them in print.
//!
//! Knows nothing of how a part is run.

use std::error::Error;
use std::time::Duration;

/// What became of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything held.
    Held,
    /// Something did not, in short.
    Broken(String),
    /// It was not run, and why: what it needs is not here.
    LeftOut(String),
}

/// What one part came to, as its chore tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// In numbers.
    pub(crate) what: String,
    pub(crate) verdict: Verdict,
}

impl Figures {
    pub(crate) fn new(what: impl Into<String>, wrong: Option<String>) -> Self {
        let verdict = wrong.map_or(Verdict::Held, Verdict::Broken);
        Self { what: what.into(), verdict }
    }

    pub(crate) fn left_out(why: impl Into<String>) -> Self {
        Self { what: String::new(), verdict: Verdict::LeftOut(why.into()) }
    }

    /// Of complaints, the first of them and how many more there are.
    pub(crate) fn of(what: impl Into<String>, complaints: &[String]) -> Self {
        let wrong = complaints.first().map(|first| match complaints.len() {
            1 => first.clone(),
            more => format!("{first} (and {} more)", more.saturating_sub(1)),
        });
        Self::new(what, wrong)
    }
}

/// A row: a part's name, what it came to, and what it took.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) part: String,
    pub(crate) figures: Figures,
    pub(crate) took: Duration,
}

impl Row {
    /// A chore that could not be run at all is one that is broken: what nobody saw hold does not hold.
    pub(crate) fn new(
        part: impl Into<String>,
        figures: Result<Figures, Box<dyn Error>>,
        took: Duration,
    ) -> Self {
        let figures = figures.unwrap_or_else(|error| {
            Figures::new("", Some(error.to_string().lines().last().unwrap_or_default().to_owned()))
        });
        Self { part: part.into(), figures, took }
    }
}

/// Whether nothing is broken; what was left out is no fault.
pub(crate) fn holds(rows: &[Row]) -> bool {
    !rows.iter().any(|row| matches!(row.figures.verdict, Verdict::Broken(_)))
}

/// The table in Markdown, its columns even, and a line that sums it up: how long all of it took, for some parts run beside
/// others, and its CPU time.
pub(crate) fn print(rows: &[Row], took: Duration, cpu: Duration) -> String {
    let mut cells =
        vec![["part", "what was seen", "seconds", "verdict"].map(str::to_owned).to_vec()];
    for row in rows {
        let verdict = match &row.figures.verdict {
            Verdict::Held => "holds".to_owned(),
            Verdict::Broken(why) => format!("BROKEN: {why}"),
            Verdict::LeftOut(why) => format!("left out: {why}"),
        };
        let seconds = format!("{:.1}", row.took.as_secs_f64());
        let texts = [row.part.clone(), row.figures.what.clone(), seconds, verdict];
        cells.push(texts.iter().map(|text| text.replace('|', "\\|").replace('\n', " ")).collect());
    }
    let mut widths = [0_usize; 4];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    // The last column may be as long as it likes.
    if let Some(last) = widths.last_mut() {
        *last = 0;
    }
    let mut text = String::new();
    for (index, line) in cells.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            let cell = match column {
                2 => format!("| {cell:>width$} "),
                _ => format!("| {cell:<width$} "),
            };
            text.push_str(&cell);
        }
        text.push_str("|\n");
        if index == 0 {
            text.push_str("|---|---|--:|---|\n");
        }
    }
    let count =
        |is: fn(&Verdict) -> bool| rows.iter().filter(|row| is(&row.figures.verdict)).count();
    text.push_str(&format!(
        "{} parts: {} hold, {} broken, {} left out; {:.0} s, {:.0} s of CPU time\n",
        rows.len(),
        count(|verdict| *verdict == Verdict::Held),
        count(|verdict| matches!(verdict, Verdict::Broken(_))),
        count(|verdict| matches!(verdict, Verdict::LeftOut(_))),
        took.as_secs_f64(),
        cpu.as_secs_f64()
    ));
    text
}

/// A number as people read it: `5,299`.
pub(crate) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figures, Row, grouped, holds, print};

    fn row(figures: Figures) -> Row {
        Row::new("part", Ok(figures), Duration::from_millis(1260))
    }

    #[test]
    fn what_is_left_out_is_no_fault_and_what_is_broken_is() {
        let mut rows = vec![row(Figures::new("1", None)), row(Figures::left_out("no tool"))];
        assert!(holds(&rows));
        rows.push(row(Figures::new("1", Some("one".to_owned()))));
        assert!(!holds(&rows));
    }

    #[test]
    fn a_chore_that_cannot_be_run_is_broken_and_its_last_line_says_why() {
        let row = Row::new("part", Err("compiling\nno such file".into()), Duration::ZERO);
        assert!(!holds(std::slice::from_ref(&row)));
        assert!(print(&[row], Duration::ZERO, Duration::ZERO).contains("BROKEN: no such file"));
    }

    #[test]
    fn the_table_has_a_line_for_each_part_and_sums_them_up() {
        let rows = [
            row(Figures::new("1,234 states", None)),
            row(Figures::left_out("no tool")),
            row(Figures::of("2", &["a|b".to_owned(), "c".to_owned()])),
        ];
        assert_eq!(
            print(&rows, Duration::from_secs(2), Duration::from_secs(3)),
            "| part | what was seen | seconds | verdict |\n\
             |---|---|--:|---|\n\
             | part | 1,234 states  |     1.3 | holds |\n\
             | part |               |     1.3 | left out: no tool |\n\
             | part | 2             |     1.3 | BROKEN: a\\|b (and 1 more) |\n\
             3 parts: 1 hold, 1 broken, 1 left out; 2 s, 3 s of CPU time\n"
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let numbers = [0_u64, 999, 1000, 5299, 1_234_567];
        assert_eq!(numbers.map(grouped), ["0", "999", "1,000", "5,299", "1,234,567"]);
    }
}
