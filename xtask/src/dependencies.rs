//! The purity of the core: no crate below `discovery-core` could do I/O, tell the time or draw random numbers.
//!
//! Licences, sources and duplicates are checked by `cargo deny`.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

use crate::cargo::cargo;

/// Crates that `discovery-core` must not depend on, by what they would bring in.
const NOT_IN_CORE: [(&str, &[&str]); 3] = [
    (
        "a runtime",
        &["tokio", "async-std", "smol", "async-io", "async-executor", "futures-executor"],
    ),
    (
        "sockets",
        &["mio", "socket2", "polling", "rustix", "libc", "windows-sys", "rustls", "hickory-proto"],
    ),
    ("entropy", &["getrandom", "rand", "rand_core", "fastrand", "oorandom"]),
];

/// Checks every dependency of the core, on every target.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let arguments = "tree --locked --package=discovery-core --edges=normal,build --target=all --prefix=none --format={p}";
    let output = cargo(root).args(arguments.split(' ')).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(below_core(&String::from_utf8(output.stdout)?))
}

fn below_core(tree: &str) -> Vec<String> {
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut complaints = Vec::new();
    for (what, crates) in NOT_IN_CORE {
        for name in crates.iter().filter(|name| names.contains(*name)) {
            complaints.push(format!("discovery-core depends on {name}, which brings in {what}"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::below_core;

    #[test]
    fn a_runtime_below_the_core_is_a_complaint() {
        assert_eq!(below_core("discovery-core v0.1.0\nhttp v1.0.0\n"), Vec::<String>::new());
        let complaints = below_core("discovery-core v0.1.0\ntokio v1.54.0\n");
        assert_eq!(complaints, ["discovery-core depends on tokio, which brings in a runtime"]);
    }
}
