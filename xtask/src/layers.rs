//! The order of the folders of `discovery-core`: each uses only itself and the ones above it.
//!
//! `lib.rs` lists the order. Imports are read as text.

use std::collections::BTreeSet;

/// The folder of the sources.
pub(crate) const SOURCES: &str = "crates/discovery-core/src/";

/// The modules in the order in which `lib.rs` declares them.
pub(crate) fn order(lib: &str) -> Vec<&str> {
    lib.lines().filter_map(|line| Some(line.strip_prefix("mod ")?.split_once(';')?.0)).collect()
}

/// Imports of modules below the file's own, one complaint each.
pub(crate) fn complaints(order: &[&str], path: &str, text: &str) -> Vec<String> {
    let rank = |module: &str| order.iter().position(|other| *other == module);
    let own = path.split(['/', '.']).next().unwrap_or(path);
    let Some(own) = rank(own) else { return Vec::new() };
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let used: BTreeSet<&str> = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(rest))
        .collect();
    let below = used.into_iter().filter(|module| rank(module).is_some_and(|rank| rank > own));
    below.map(|module| format!("uses `{module}`, which comes below it in `lib.rs`")).collect()
}

#[cfg(test)]
mod tests {
    use super::{complaints, order};

    #[test]
    fn a_module_may_use_itself_and_those_above_it() {
        let order = order("mod util; // time\nmod name;\nmod fact;\npub mod guide {}\n");
        assert_eq!(order, ["util", "name", "fact"]);
        let text = "use crate::util::Draw;\nuse crate::name::{self, Url};\n// crate::fact::Fact\n";
        assert_eq!(complaints(&order, "name/url.rs", text), Vec::<String>::new());
        let text = "fn f() -> crate::fact::Fact {}\n#[cfg(test)]\nuse crate::fact::x;\n";
        assert_eq!(complaints(&order, "name/url.rs", text).len(), 1);
        assert_eq!(complaints(&order, "fact/from_dns.rs", text).len(), 0);
    }
}
