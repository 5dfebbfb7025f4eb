//! The runtimes that the program may resolve on: each by its adapter, where that is built in.
//!
//! Knows nothing of names or results. Whatever resolves, the program reads names and sorts answers on a runtime of its own.

use std::fmt;

use clap::ValueEnum;
use discovery_driver::{BuildError, Builder, Discovery};

use crate::status::Trouble;

#[cfg(not(any(feature = "tokio", feature = "async-std", feature = "smol", feature = "blocking")))]
compile_error!("a runtime must be built in: --features tokio, smol, async-std or blocking");

/// On what to resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// Tasks of tokio, on one thread
    Tokio,
    /// The global executor of async-std, which is discontinued
    AsyncStd,
    /// The global executor of smol
    Smol,
    /// A thread for each request that is open
    Blocking,
}

impl Runtime {
    /// The first of those that are built in.
    pub(crate) const DEFAULT: Self = if cfg!(feature = "tokio") {
        Self::Tokio
    } else if cfg!(feature = "smol") {
        Self::Smol
    } else if cfg!(feature = "blocking") {
        Self::Blocking
    } else if cfg!(feature = "async-std") {
        Self::AsyncStd
    } else {
        Self::Tokio
    };

    /// Starts a discovery. For tokio that must be within its runtime.
    pub(crate) fn spawn(self, builder: Builder) -> Result<Discovery, Trouble> {
        let spawned = match self {
            #[cfg(feature = "tokio")]
            Self::Tokio => discovery_tokio::spawn(builder),
            #[cfg(feature = "async-std")]
            Self::AsyncStd => {
                threads_to_be_had(1 + std::thread::available_parallelism().map_or(1, Into::into))?;
                discovery_async_std::spawn(builder)
            }
            #[cfg(feature = "smol")]
            Self::Smol => {
                threads_to_be_had(2)?;
                discovery_smol::spawn(builder)
            }
            // Lookups are futures here, too: only sockets block, on threads of the adapter.
            #[cfg(feature = "blocking")]
            Self::Blocking => discovery_blocking::spawn(builder),
            #[allow(unreachable_patterns, reason = "unless some of them are not built in")]
            _ => {
                return Err(Trouble::Usage(format!(
                    "--runtime {self}: it is not built in; build the program with `--features {self}`"
                )));
            }
        };
        spawned.map_err(|error: BuildError| Trouble::Here(error.to_string()))
    }
}

/// Whether so many threads can be started. Some executors panic where they get none of theirs.
#[cfg(any(feature = "async-std", feature = "smol"))]
fn threads_to_be_had(count: usize) -> Result<(), Trouble> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let wait = std::sync::Arc::clone(&wait);
            // Until the other end is gone.
            std::thread::Builder::new().spawn(move || drop(wait.lock().map(|wait| wait.recv())))
        })
        .collect();
    drop(go);
    for thread in threads {
        let thread = thread.map_err(|error| crate::resolve::no_thread(&error))?;
        let _ = thread.join();
    }
    Ok(())
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tokio => "tokio",
            Self::AsyncStd => "async-std",
            Self::Smol => "smol",
            Self::Blocking => "blocking",
        })
    }
}
