//! Chores of this repository: `cargo xtask --help`.
//!
//! Each chore is a module that returns what is wrong, one line each; nothing else prints or exits.

mod dependencies;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Checks what the compiler does not: files' first lines, their sizes, requirement numbers, paths, scenarios.
    Tidy,
    /// Checks licences against `deny.toml`, and that the core stays free of runtimes, sockets and entropy.
    Dependencies,
}

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let found = match Arguments::parse().chore {
        Chore::Tidy => tidy::check(root),
        Chore::Dependencies => dependencies::check(root),
    };
    match found {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            for complaint in &complaints {
                println!("{complaint}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
