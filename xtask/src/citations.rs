//! Finds where comments cite a requirement or an invariant by its number, and in which item that is.
//!
//! It reads the layout of Rust and scenario files and does not interpret the numbers.

use std::collections::BTreeSet;

/// How a file relates to a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// It implements the requirement.
    Code,
    /// It implements the requirement a second time, for comparison: the simulator and the lab.
    Model,
    /// It fails if the requirement is not met.
    Test,
}

/// A citation of a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Citation {
    pub(crate) number: u32,
    pub(crate) part: Part,
    /// The function, type or constant around it or below it. None: the whole file.
    pub(crate) item: Option<String>,
}

/// The part that a file plays, by its path from the root. None: citations in it are ignored.
pub(crate) fn part(path: &str) -> Option<Part> {
    let tests = ["tests/", "fuzz/"].iter().any(|folder| path.starts_with(folder))
        || ["/tests/", "/tests.rs", "_tests.rs"].iter().any(|piece| path.contains(piece));
    if path.ends_with(".scenario") {
        Some(Part::Test)
    } else if !path.ends_with(".rs") || path.starts_with("xtask/") {
        None
    } else if tests {
        Some(Part::Test)
    } else if path.starts_with("crates/discovery-sim/") || path.starts_with("crates/discovery-lab/")
    {
        Some(Part::Model)
    } else {
        path.starts_with("crates/").then_some(Part::Code)
    }
}

/// All numbers with this letter that a file cites. `path` is relative to the root.
pub(crate) fn citations(path: &str, text: &str, letter: char) -> BTreeSet<Citation> {
    let Some(part) = part(path) else { return BTreeSet::new() };
    let lines: Vec<&str> = text.lines().collect();
    let inline_tests = lines.iter().position(|line| *line == "mod tests {").unwrap_or(lines.len());
    let mut found = BTreeSet::new();
    for (index, line) in lines.iter().enumerate() {
        let mut numbers = cited(line, letter);
        numbers.extend(named(line, letter));
        if numbers.is_empty() {
            continue;
        }
        let item = match name(line) {
            Some((_, name)) => Some(name.to_owned()),
            None => item(&lines, index),
        };
        let part = if index > inline_tests { Part::Test } else { part };
        for number in numbers {
            found.insert(Citation { number, part, item: item.clone() });
        }
    }
    found
}

/// The numbers that the comment of a line cites: `R51`, in lists and ranges (`R36–R41` are six).
pub(crate) fn cited(line: &str, letter: char) -> Vec<u32> {
    let mut numbers = Vec::new();
    let Some(comment) = comment(line) else { return numbers };
    // A range is two numbers with nothing but a dash between them.
    let mut dash = false;
    for word in comment.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let number = bare
            .strip_prefix(letter)
            .filter(|digits| (1..=3).contains(&digits.len()))
            .and_then(|digits| digits.parse::<u32>().ok());
        if let Some(number) = number {
            match numbers.last() {
                Some(&first) if dash && first < number => numbers.extend(first + 1..=number),
                _ => numbers.push(number),
            }
        }
        dash = number.is_some() && word.ends_with(['–', '-']);
    }
    numbers
}

/// The numbers in the name of a test: `fn r13_an_ipv4_literal_…`, or `r93_r96_…`.
pub(crate) fn named(line: &str, letter: char) -> Vec<u32> {
    let line = line.trim_start();
    let test = line.strip_prefix("fn ").or_else(|| line.strip_prefix("invariant!("));
    let Some(name) = test else { return Vec::new() };
    let number = |word: &str| {
        word.strip_prefix(letter.to_ascii_lowercase()).and_then(|digits| digits.parse().ok())
    };
    name.split('_').map_while(number).collect()
}

/// The comment of a line. Text in strings is data, not a citation.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(comment) = line.strip_prefix("//").or_else(|| line.strip_prefix("# ")) {
        return Some(comment);
    }
    line.split_once(" // ").map(|(_, comment)| comment)
}

/// The item below a comment, or else the innermost item around it.
fn item(lines: &[&str], index: usize) -> Option<String> {
    let line = lines.get(index)?;
    if line.trim_start().starts_with("//!") {
        return None;
    }
    let above = |line: &&&str| {
        let line = line.trim_start();
        !line.is_empty() && !line.starts_with("//") && !line.starts_with("#[")
    };
    if line.trim_start().starts_with("//")
        && let Some((_, name)) = lines.iter().skip(index).find(above).and_then(|line| name(line))
    {
        return Some(name.to_owned());
    }
    let depth = indent(line);
    let around = lines.iter().take(index).rev().filter_map(|line| name(line));
    around.into_iter().find(|(at, _)| *at < depth).map(|(_, name)| name.to_owned())
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name of the item that a line begins, and its indentation.
fn name(line: &str) -> Option<(usize, &str)> {
    let mut rest = line.trim_start();
    if let Some(invariant) = rest.strip_prefix("invariant!(") {
        return Some((indent(line), invariant.split([',', ')']).next()?));
    }
    if let Some(public) = rest.strip_prefix("pub") {
        rest = match public.strip_prefix('(') {
            Some(narrow) => narrow.split_once(") ")?.1,
            None => public.strip_prefix(' ')?,
        };
    }
    for word in ["const fn ", "async fn "] {
        if let Some(after) = rest.strip_prefix(word) {
            return Some((indent(line), first_word(after)));
        }
    }
    let kinds = ["fn ", "struct ", "enum ", "trait ", "const ", "static ", "type ", "mod "];
    let after = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    Some((indent(line), first_word(after)))
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Citation, Part, citations, cited, part};

    #[test]
    fn numbers_are_read_alone_in_lists_and_in_ranges() {
        assert_eq!(cited("// R1, R43–R45 (R133): see R9-R10.", 'R'), [1, 43, 44, 45, 133, 9, 10]);
        assert_eq!(cited("    go(); // R7.", 'R'), [7]);
        assert_eq!(cited("# R2: a scenario", 'R'), [2]);
        assert_eq!(cited("//! I14", 'I'), [14]);
    }

    #[test]
    fn numbers_are_read_in_the_names_of_tests() {
        let found = citations("a/tests.rs", "    fn r93_r96_lives_are_capped_r1() {\n", 'R');
        let found: Vec<u32> = found.into_iter().map(|citation| citation.number).collect();
        assert_eq!(found, [93, 96]);
        assert!(citations("a/tests.rs", "fn read() {\nfn rows_r1() {\n", 'R').is_empty());
        let found = citations("a/tests.rs", "invariant!(i02_all, \"I2\");\n", 'I');
        assert_eq!(found.first().map(|citation| citation.number), Some(2));
    }

    #[test]
    fn only_numbers_in_comments_are_read() {
        assert!(cited("const A: &str = \"R1\";", 'R').is_empty());
        assert!(cited("// RFC 2782, R, R1234, MR1, R1a", 'R').is_empty());
    }

    #[test]
    fn a_citation_belongs_to_the_item_below_it_or_around_it() {
        let text = "//! R1.\n/// R2.\n#[test]\nfn two() {\n    for x in y {\n        // R3.\n        x();\n    }\n}\n\
                    enum Four {\n    /// R4.\n    One,\n}\nmod tests {\n    // R5.\n    fn five() {}\n}\n";
        let found: Vec<_> = citations("crates/discovery-core/src/a.rs", text, 'R')
            .into_iter()
            .map(|Citation { number, part, item }| (number, part, item.unwrap_or_default()))
            .collect();
        let expected = [
            (1, Part::Code, ""),
            (2, Part::Code, "two"),
            (3, Part::Code, "two"),
            (4, Part::Code, "Four"),
            (5, Part::Test, "five"),
        ];
        assert_eq!(found, expected.map(|(number, part, item)| (number, part, item.to_owned())));
    }

    #[test]
    fn part_of_a_file_follows_from_its_path() {
        assert_eq!(part("crates/discovery-core/src/spec/steps.rs"), Some(Part::Code));
        assert_eq!(part("crates/discovery-core/src/name/server_name/tests.rs"), Some(Part::Test));
        assert_eq!(part("crates/discovery-wire/src/dns_tests.rs"), Some(Part::Test));
        assert_eq!(part("crates/discovery-sim/src/reference.rs"), Some(Part::Model));
        assert_eq!(part("crates/discovery-sim/tests/population.rs"), Some(Part::Test));
        assert_eq!(part("tests/scenarios/steps/1-ipv4.scenario"), Some(Part::Test));
        assert_eq!(part("xtask/src/tidy.rs"), None);
        assert_eq!(part("README.md"), None);
    }
}
