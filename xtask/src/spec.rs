//! Accounts for every requirement: its text, the code that implements it, and the tests that show it.
//!
//! It compares the table in `xtask/spec` with citations. Whether the code meets a requirement is checked by tests and by
//! `cargo xtask bugs`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::assure::{Figures, grouped};
use crate::citations::{Citation, Part, citations};
use crate::tidy::files;

/// The last requirement: `R1` to `R133`.
pub(crate) const LAST_REQUIREMENT: u32 = 133;

/// The folder with the requirements, and the page that is written from them.
const TABLE: &str = "xtask/spec";
const PAGE: &str = "crates/discovery-core/docs/specification.md";

/// One requirement, in this project's words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    force: Force,
    /// The source: a heading or a step of the specification, or a section of an RFC.
    source: String,
    text: String,
    /// The reason why it does not apply to a resolver.
    excluded: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Force {
    Must,
    Should,
    /// Recommended or encouraged.
    Encouraged,
    May,
    /// It follows from the structure of the text.
    Implied,
}

impl Force {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Encouraged => "encouraged",
            Self::May => "may",
            Self::Implied => "implied",
        }
    }
}

/// A file of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    title: String,
    requirements: BTreeMap<String, Requirement>,
}

/// The citations of a requirement: files and items in them.
#[derive(Default)]
struct Account {
    code: BTreeSet<String>,
    model: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// Compares the table with the citations, and the page with both. With `write`, writes the page instead.
pub(crate) fn check(root: &Path, write: bool) -> Result<Vec<String>, Box<dyn Error>> {
    let sections = table(root)?;
    let accounts = accounts(root)?;
    let mut complaints = missing(&sections, &accounts);
    let page = page(&sections, &accounts)?;
    let path = root.join(PAGE);
    if write {
        fs::write(&path, &page)?;
    } else if fs::read_to_string(&path).ok().as_ref() != Some(&page) {
        complaints.push(format!("{PAGE} is not up to date: run `cargo xtask pages`"));
    }
    Ok(complaints)
}

/// The number of requirements, of places that implement them and of tests that show them.
pub(crate) fn figures(root: &Path) -> Result<Figures, Box<dyn Error>> {
    let sections = table(root)?;
    let accounts = accounts(root)?;
    let complaints = check(root, false)?;
    let all = || sections.iter().flat_map(|(_, section)| section.requirements.values());
    let excluded = all().filter(|requirement| requirement.excluded.is_some()).count();
    let places = |of: fn(&Account) -> &BTreeSet<String>| {
        accounts.values().map(|account| of(account).len()).sum::<usize>()
    };
    let what = format!(
        "{} requirements, implemented at {} places and shown by {} tests; {excluded} do not apply to a resolver",
        all().count(),
        places(|account| &account.code),
        grouped(places(|account| &account.tests)),
    );
    Ok(Figures::of(what, &complaints))
}

/// Errors in the table, and requirements without code or without tests.
fn missing(sections: &[(String, Section)], accounts: &BTreeMap<u32, Account>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut known = BTreeMap::new();
    for (file, section) in sections {
        for (key, requirement) in &section.requirements {
            match key.strip_prefix('R').and_then(|digits| digits.parse::<u32>().ok()) {
                Some(number) if (1..=LAST_REQUIREMENT).contains(&number) => {
                    if known.insert(number, requirement).is_some() {
                        complaints.push(format!("{TABLE}/{file}: {key} is a duplicate"));
                    }
                }
                _ => complaints.push(format!("{TABLE}/{file}: {key} is no requirement")),
            }
        }
    }
    let none = Account::default();
    for number in 1..=LAST_REQUIREMENT {
        let Some(requirement) = known.get(&number) else {
            complaints.push(format!("{TABLE}: R{number} is missing"));
            continue;
        };
        if requirement.excluded.is_some() {
            continue;
        }
        let account = accounts.get(&number).unwrap_or(&none);
        if account.code.is_empty() {
            complaints.push(format!("R{number} is implemented nowhere: {}", requirement.text));
        }
        if account.tests.is_empty() {
            complaints.push(format!("R{number} is shown by no test: {}", requirement.text));
        }
    }
    for number in accounts.keys().filter(|number| !known.contains_key(number)) {
        complaints.push(format!("R{number} is cited, but no requirement"));
    }
    complaints
}

/// Prints each requirement with its citations.
pub(crate) fn print(root: &Path) -> Result<(), Box<dyn Error>> {
    let accounts = accounts(root)?;
    let none = Account::default();
    for (_, section) in table(root)? {
        println!("== {}", section.title);
        for (number, requirement) in numbered(&section) {
            println!("R{number} ({}) {}", requirement.force.as_str(), requirement.text);
            let account = accounts.get(&number).unwrap_or(&none);
            for (word, places) in
                [("code", &account.code), ("model", &account.model), ("test", &account.tests)]
            {
                for place in places {
                    println!("    {word:<5} {place}");
                }
            }
            if let Some(reason) = &requirement.excluded {
                println!("    does not apply: {reason}");
            }
        }
    }
    Ok(())
}

fn table(root: &Path) -> Result<Vec<(String, Section)>, Box<dyn Error>> {
    let mut sections = Vec::new();
    for entry in fs::read_dir(root.join(TABLE))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(root.join(TABLE).join(&name))?;
        let section = toml::from_str(&text).map_err(|error| format!("{TABLE}/{name}: {error}"))?;
        sections.push((name, section));
    }
    sections.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(sections)
}

fn accounts(root: &Path) -> Result<BTreeMap<u32, Account>, Box<dyn Error>> {
    let mut accounts: BTreeMap<u32, Account> = BTreeMap::new();
    for path in files(root)? {
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        for Citation { number, part, item } in citations(&path, &text, 'R') {
            let account = accounts.entry(number).or_default();
            let scenario = path.strip_prefix("tests/").filter(|path| path.ends_with(".scenario"));
            let place = match (scenario, &item) {
                (Some(scenario), _) => scenario.trim_end_matches(".scenario").to_owned(),
                (None, Some(item)) => format!("{} {item}", short(&path)),
                (None, None) => short(&path),
            };
            let places = match part {
                Part::Code => &mut account.code,
                Part::Model => &mut account.model,
                // What a file of tests says of itself is shown by no test in particular.
                Part::Test if item.is_none() && path.ends_with(".rs") => continue,
                Part::Test => &mut account.tests,
            };
            places.insert(place);
        }
    }
    Ok(accounts)
}

/// A path in the short form of the page: `core/spec.rs`.
pub(crate) fn short(path: &str) -> String {
    path.trim_start_matches("crates/").trim_start_matches("discovery-").replacen("/src/", "/", 1)
}

fn numbered(section: &Section) -> BTreeMap<u32, &Requirement> {
    let number = |key: &String| key.trim_start_matches('R').parse().ok();
    section
        .requirements
        .iter()
        .filter_map(|(key, requirement)| Some((number(key)?, requirement)))
        .collect()
}

/// The page, with a heading for each section.
fn page(
    sections: &[(String, Section)],
    accounts: &BTreeMap<u32, Account>,
) -> Result<String, std::fmt::Error> {
    let none = Account::default();
    let all = sections.iter().flat_map(|(_, section)| section.requirements.values());
    let (mut count, mut excluded) = (0_usize, 0_usize);
    for requirement in all {
        count += 1;
        excluded += usize::from(requirement.excluded.is_some());
    }
    let mut page = format!(
        "<!-- Written by `cargo xtask pages`. -->\n\n\
         Every sentence of the specification, and of the RFCs that it relies on, that applies to a resolver: in this project's words, \
         with the code that implements it and the tests that show it. Comments cite these numbers.\n\n\
         {count} requirements: {} are implemented and tested, {excluded} do not apply to a resolver, each with the reason.\n",
        count - excluded
    );
    for (_, section) in sections {
        write!(page, "\n# {}\n", section.title)?;
        for (number, requirement) in numbered(section) {
            let account = accounts.get(&number).unwrap_or(&none);
            let Requirement { force, source, text, excluded } = requirement;
            write!(page, "\n**R{number}** ({}; {source}): {text}\n", force.as_str())?;
            if let Some(reason) = excluded {
                write!(page, "\n- Does not apply: {reason}\n")?;
            } else {
                page.push('\n');
            }
            for (word, places) in [("Implemented", &account.code), ("Tested", &account.tests)] {
                if !places.is_empty() {
                    writeln!(page, "- {word}: {}", listed(places))?;
                }
            }
        }
    }
    Ok(page)
}

pub(crate) fn listed(places: &BTreeSet<String>) -> String {
    let places: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
    places.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Account, LAST_REQUIREMENT, Section, missing, page};

    /// A table with all requirements, of which the first is given.
    fn table(first: &str) -> Vec<(String, Section)> {
        let mut text = format!("title = \"All\"\n[requirements]\n{first}\n");
        for number in 2..=LAST_REQUIREMENT {
            text.push_str(&format!("R{number} = {ONE}\n"));
        }
        vec![("a.toml".to_owned(), toml::from_str(&text).unwrap_or_else(|error| panic!("{error}")))]
    }

    const ONE: &str = "{ force = \"must\", source = \"s\", text = \"t\" }";

    fn cited() -> BTreeMap<u32, Account> {
        let place = || BTreeSet::from(["a".to_owned()]);
        let account = || Account { code: place(), model: BTreeSet::new(), tests: place() };
        (1..=LAST_REQUIREMENT).map(|number| (number, account())).collect()
    }

    #[test]
    fn implemented_and_tested_requirements_pass() {
        assert_eq!(missing(&table(&format!("R1 = {ONE}")), &cited()), Vec::<String>::new());
    }

    #[test]
    fn missing_unknown_and_duplicate_requirements_are_reported() {
        let table = table(&format!("R134 = {ONE}"));
        assert_eq!(
            missing(&table, &cited()),
            [
                "xtask/spec/a.toml: R134 is no requirement",
                "xtask/spec: R1 is missing",
                "R1 is cited, but no requirement"
            ]
        );
        let twice: Vec<_> =
            [0, 1].into_iter().flat_map(|_| super::tests::table(&format!("R1 = {ONE}"))).collect();
        assert_eq!(missing(&twice, &cited()).len(), usize::try_from(LAST_REQUIREMENT).unwrap_or(0));
    }

    #[test]
    fn requirements_without_code_or_tests_are_reported_unless_excluded() {
        let mut cited = cited();
        cited.remove(&1);
        assert_eq!(
            missing(&table(&format!("R1 = {ONE}")), &cited),
            ["R1 is implemented nowhere: t", "R1 is shown by no test: t"]
        );
        let excluded = ONE.replace(" }", ", excluded = \"r\" }");
        let table = table(&format!("R1 = {excluded}"));
        assert_eq!(missing(&table, &cited), Vec::<String>::new());
        let page = page(&table, &cited).unwrap_or_default();
        assert!(page.contains("**R1** (must; s): t\n\n- Does not apply: r\n"), "{page}");
        assert!(
            page.contains("**R2** (must; s): t\n\n- Implemented: `a`\n- Tested: `a`\n"),
            "{page}"
        );
    }
}
