//! The binary `matrix-discovery`: reads the command line, runs the subcommand, ends with its status.
//!
//! Knows nothing of what a subcommand does.

#![allow(clippy::disallowed_methods, reason = "a program may have threads")]

mod cache;
mod input;
mod lab;
mod memory;
mod options;
mod output;
mod resolve;
mod runtime;
mod setting;
mod signals;
mod status;
mod trust;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, CommandLine};

/// Batches are made of many small things that live for a moment.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let ended = match line.command {
        Command::Resolve(options) => resolve::run(*options),
        Command::Cache(options) => cache::run(&options),
        Command::Lab(options) => lab::run(&options),
    };
    match ended {
        Ok(status) => status.into(),
        Err(trouble) => trouble.report(),
    }
}
