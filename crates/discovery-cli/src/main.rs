//! The binary `matrix-discovery`: reads the command line, runs the subcommand, ends with its status.
//!
//! Knows nothing of what a subcommand does.

#![allow(clippy::disallowed_methods, reason = "a program may have threads")]

mod cache;
mod check;
mod compare;
mod input;
mod lab;
mod memory;
mod options;
mod output;
mod publish;
mod resolve;
mod runtime;
mod setting;
mod signals;
mod status;
mod trust;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use options::{Command, CommandLine};
use status::{Status, Trouble};

/// Batches are made of many small things that live for a moment.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words = read_words(std::env::args().collect());
    let line = CommandLine::parse_from(words);
    let ended = match line.command {
        Command::Check(options) => return check::run(*options),
        Command::Replay(options) => match check::replay(&options) {
            Ok(status) => return status,
            Err(trouble) => Err(trouble),
        },
        Command::Compare(options) => compare::run(&options),
        Command::Lint(options) => publish::lint(&options),
        Command::Suggest(options) => publish::suggest(&options),
        Command::Schema => check::schema(),
        Command::Explain(options) => check::explain(options.id.as_deref()),
        Command::Completions { shell } => {
            let mut command = CommandLine::command();
            clap_complete::generate(
                shell,
                &mut command,
                "matrix-discovery",
                &mut std::io::stdout(),
            );
            Ok(Status::Resolved)
        }
        Command::Man => clap_mangen::Man::new(CommandLine::command())
            .render(&mut std::io::stdout())
            .map(|()| Status::Resolved)
            .map_err(|error| Trouble::write(&error, Status::Resolved)),
        Command::Resolve(options) => resolve::run(*options),
        Command::Cache(options) => cache::run(&options),
        Command::Lab(options) => lab::run(&options),
    };
    match ended {
        Ok(status) => status.into(),
        Err(trouble) => trouble.report(),
    }
}

/// The words of the command line, with `check` in front of a name or an option that has no subcommand, and `@ADDR` as
/// `--nameserver ADDR`.
fn read_words(mut words: Vec<String>) -> Vec<String> {
    let is_name = |word: &str| {
        word.starts_with(['@', '#', '!']) || word.contains(['.', ':', '[']) || word == "-"
    };
    let is_help = |word: &str| matches!(word, "-h" | "--help" | "-V" | "--version");
    let needs_check =
        words.get(1).is_some_and(|word| is_name(word) || (word.starts_with('-') && !is_help(word)));
    if needs_check {
        words.insert(1, "check".to_owned());
    }
    if words.get(1).is_some_and(|verb| verb == "check" || verb == "resolve") {
        for word in words.iter_mut().skip(2) {
            if let Some(server) = word.strip_prefix('@')
                && discovery_wire::name_server_address(server, setting::interface_index).is_ok()
            {
                *word = format!("--nameserver={server}");
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Vec<String> {
        let words = ["matrix-discovery"].iter().chain(words);
        read_words(words.map(|word| (*word).to_owned()).collect()).split_off(1)
    }

    #[test]
    fn a_name_alone_is_checked() {
        assert_eq!(read(&["example.org"]), ["check", "example.org"]);
        assert_eq!(read(&["--short", "example.org"]), ["check", "--short", "example.org"]);
        assert_eq!(read(&["[2001:db8::1]"]), ["check", "[2001:db8::1]"]);
        assert_eq!(read(&["@alice:example.org"]), ["check", "@alice:example.org"]);
        for words in [&["resolve", "example.org"][..], &["--help"], &["-V"], &["resolv"], &[]] {
            assert_eq!(read(words), words);
        }
    }

    #[test]
    fn an_at_sign_and_an_address_are_a_name_server() {
        assert_eq!(
            read(&["resolve", "a.example", "@9.9.9.9"]),
            ["resolve", "a.example", "--nameserver=9.9.9.9"]
        );
        assert_eq!(
            read(&["@[2001:db8::1]:53", "a.example"]),
            ["check", "--nameserver=[2001:db8::1]:53", "a.example"]
        );
        assert_eq!(read(&["cache", "@9.9.9.9"]), ["cache", "@9.9.9.9"]);
    }
}
