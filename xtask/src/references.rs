//! Checks that documents refer only to what is in the repository: linked files, paths, sections, and citations in headers
//! of scenarios.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::citations::cited;
use crate::settings;

/// Extensions by which a word in backticks is recognised as a path.
const ENDS: [&str; 7] = [".rs", ".md", ".toml", ".sh", ".py", ".scenario", ".json"];
/// Files of users or of other projects, which documents may name.
const FOREIGN: [&str; 3] = ["bookmark.json", "homeserver.yaml", "names.json"];

/// What the repository has.
pub(crate) struct Repository {
    files: BTreeSet<String>,
    settings: BTreeSet<String>,
    /// All words of source files.
    words: BTreeSet<String>,
}

impl Repository {
    pub(crate) fn new(
        files: Vec<String>,
        settings: BTreeSet<String>,
        words: BTreeSet<String>,
    ) -> Self {
        Self { files: files.into_iter().collect(), settings, words }
    }

    /// References in a file to something that does not exist.
    pub(crate) fn complaints(&self, path: &str, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        if path.ends_with(".md") {
            complaints.extend(self.links(path, text));
        }
        // Generated pages name items by shorter paths.
        if path.ends_with(".md") && !text.starts_with("<!-- Written by") {
            complaints.extend(self.paths(path, text));
            complaints.extend(self.names(text));
        }
        let kinds = [".md", ".rs", ".scenario", ".toml", ".sh"];
        if kinds.iter().any(|kind| path.ends_with(kind)) {
            complaints.extend(sections(path, text));
        }
        if path.starts_with("tests/scenarios/") && path.ends_with(".scenario") {
            complaints.extend(self.header(text.lines().next().unwrap_or_default()));
        }
        complaints
    }

    /// Relative links to files that do not exist.
    fn links(&self, path: &str, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        for rest in text.split("](").skip(1) {
            let Some((target, _)) = rest.split_once(')') else { continue };
            let file = target.split('#').next().unwrap_or_default();
            let elsewhere = file.is_empty() || file.contains("://") || file.contains("::");
            if !elsewhere && !self.has(&beside(path, file)) {
                complaints.push(format!("links to {file}, which is not there"));
            }
        }
        complaints
    }

    /// Paths in backticks that do not exist.
    fn paths(&self, path: &str, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        let prose = text.split("```").step_by(2);
        for word in prose.flat_map(|part| part.split('`').skip(1).step_by(2)) {
            let plain = word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ['-', '_', '.', '/'].contains(&c));
            let tops = ["crates/", "tests/", "xtask/", "fuzz/"];
            let is_path = ENDS.iter().any(|end| word.ends_with(end)) && !word.starts_with('.')
                || tops.iter().any(|top| word.starts_with(top));
            if plain && is_path && !FOREIGN.contains(&word) && !self.has_somewhere(path, word) {
                complaints.push(format!("names `{word}`, which is not there"));
            }
        }
        complaints
    }

    /// Names of items in backticks that no source file has: `Type`, `function_of`, `Type::method`.
    fn names(&self, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        let prose = text.split("```").step_by(2);
        for span in prose.flat_map(|part| part.split('`').skip(1).step_by(2)) {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = span.trim_end_matches("()");
            let parts: Vec<&str> = name.split("::").collect();
            let is_path = parts.iter().all(|part| !part.is_empty() && part.chars().all(is_part));
            let is_type = name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.contains(|c: char| c.is_ascii_lowercase());
            let is_item = is_type || (parts.len() > 1 || name.contains('_'));
            let is_constant = !name.contains(|c: char| c.is_ascii_lowercase());
            let gone = parts.iter().any(|part| !self.words.contains(*part));
            if is_path && is_item && !is_constant && gone {
                complaints.push(format!("names `{span}`, which no source file has"));
            }
        }
        complaints
    }

    /// Errors in the citations of a header.
    fn header(&self, header: &str) -> Vec<String> {
        let words = settings::cited(header);
        let mut complaints = Vec::new();
        let unknown = words.iter().filter(|word| {
            let group = word.split('.').next().unwrap_or_default();
            word.contains('.') && self.settings.contains(group) && !self.settings.contains(**word)
        });
        complaints.extend(unknown.map(|word| format!("cites `{word}`, which is no setting")));
        let cites = !cited(header, 'R').is_empty()
            || !cited(header, 'I').is_empty()
            || words.iter().any(|word| self.settings.contains(*word));
        if !cites {
            complaints.push(
                "the first line must cite a requirement, an invariant or a setting".to_owned(),
            );
        }
        complaints
    }

    fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let within = |file: &String| file.starts_with(&folder);
        path.is_empty()
            || self.files.contains(path)
            || self.files.range(folder.clone()..).next().is_some_and(within)
    }

    /// Whether a path exists relative to the root or to the file that names it, or ends another path.
    fn has_somewhere(&self, from: &str, path: &str) -> bool {
        let (behind, within) = (format!("/{path}"), format!("/{}/", path.trim_end_matches('/')));
        self.has(path)
            || self.has(&beside(from, path))
            || self.files.iter().any(|file| file.ends_with(&behind) || file.contains(&within))
    }
}

/// A path relative to the folder of a file, from the root.
fn beside(file: &str, path: &str) -> String {
    let mut whole = PathBuf::new();
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    for component in folder.join(path).components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            Component::Normal(name) => whole.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    whole.to_string_lossy().into_owned()
}

/// Sections without the name of a document, and private numbers without a meaning.
fn sections(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut last = "";
    for (index, line) in text.lines().enumerate() {
        // The name of the document may end the line before.
        let named_above = last.contains("RFC ");
        last = line;
        let prose = match path.ends_with(".rs") {
            true => line.split_once("//").map_or("", |(_, comment)| comment),
            false => line,
        };
        if let Some((before, _)) = prose.split_once('\u{a7}')
            && !(before.contains("RFC ") || named_above)
        {
            complaints.push(format!("line {} cites a section of no document", index + 1));
        }
        if let Some(word) = prose.split(['(', ',', ' ']).find(|word| is_private(word)) {
            complaints.push(format!("line {} cites {word}, which is not defined", index + 1));
        }
    }
    complaints
}

/// A letter and a number in brackets, other than a requirement or an invariant: `A6)`.
fn is_private(word: &str) -> bool {
    let Some(word) = word.strip_suffix(')').or_else(|| word.strip_suffix("):")) else {
        return false;
    };
    let mut characters = word.chars();
    let letter = characters.next().is_some_and(|first| ('A'..='G').contains(&first));
    let digits = characters.as_str();
    letter && !digits.is_empty() && digits.len() < 3 && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{Repository, sections};

    fn repository() -> Repository {
        let files = ["README.md", "crates/a/src/b.rs", "tests/scenarios/c.scenario"];
        let settings = ["dns", "dns.timeout"];
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let words = set(&["Type", "method"]);
        Repository::new(files.map(str::to_owned).to_vec(), set(&settings), words)
    }

    #[test]
    fn links_and_paths_that_are_there_pass() {
        let text = "[a](../../README.md#x) [b](https://a.example/b.md) [c](src) [d](crate::D) `src/b.rs` `b.rs` `crates/a` `cargo test`";
        assert_eq!(repository().complaints("crates/a/README.md", text), Vec::<String>::new());
    }

    #[test]
    fn links_and_paths_that_are_not_there_are_complaints() {
        let text = "[a](gone.md) `src/gone.rs` `crates/gone`";
        assert_eq!(repository().complaints("README.md", text).len(), 3);
    }

    #[test]
    fn names_of_items_exist() {
        let text = "`Type`, `Type::method()`, `Type::gone`, `Gone`, `gone_too`, `SO_ERROR`, `cargo test`, `gone`";
        let gone = ["`Type::gone`", "`Gone`", "`gone_too`"];
        let complaints = repository().complaints("README.md", text);
        assert_eq!(complaints.len(), gone.len(), "{complaints:?}");
        assert!(gone.iter().zip(complaints).all(|(name, complaint)| complaint.contains(name)));
    }

    #[test]
    fn headers_cite_what_exists() {
        let check = |header: &str| repository().complaints("tests/scenarios/c.scenario", header);
        for header in ["# R1: a", "# I3: a", "# `dns.timeout`: a"] {
            assert_eq!(check(header), Vec::<String>::new(), "{header}");
        }
        for header in ["# a", "# `dns.time`, R1: a", "# dns.timeout: a"] {
            assert_eq!(check(header).len(), 1, "{header}");
        }
    }

    #[test]
    fn sections_have_a_document_and_numbers_a_meaning() {
        let good = "// RFC 9112 \u{a7}5.2\nlet x = '\u{a7}';\n// (R7)\n";
        assert_eq!(sections("a.rs", good), Vec::<String>::new());
        assert_eq!(sections("a.rs", "// \u{a7}7\n").len(), 1);
        assert_eq!(sections("a.scenario", concat!("# R1 (A", "7): b\n")).len(), 1);
    }
}
