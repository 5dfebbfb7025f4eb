//! The runtimes that the program may resolve on: each by its adapter, where that is built in.
//!
//! Knows nothing of names or results. Whatever resolves, the program reads names and sorts answers on a runtime of its own.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use clap::ValueEnum;
use discovery_core::{Outcome, ServerName};
use discovery_driver::{Handle, Setup};

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

/// A discovery on one of them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Discovery {
    handle: Handle,
    resolve: Arc<Resolve>,
}

type Resolve = dyn Fn(&ServerName) -> Resolving + Send + Sync;

/// An outcome, some time.
pub(crate) type Resolving = Pin<Box<dyn Future<Output = Outcome> + Send>>;

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
    pub(crate) fn spawn(self, setup: Setup) -> Result<Discovery, Trouble> {
        match self {
            #[cfg(feature = "tokio")]
            Self::Tokio => {
                let it = discovery_tokio::Builder::from(setup).spawn().map_err(here)?;
                Ok(Discovery::new(it.handle().clone(), move |name| Box::pin(it.resolve(name))))
            }
            #[cfg(feature = "async-std")]
            Self::AsyncStd => {
                threads_to_be_had(1 + std::thread::available_parallelism().map_or(1, Into::into))?;
                let it = discovery_async_std::Builder::from(setup).spawn().map_err(here)?;
                Ok(Discovery::new(it.handle().clone(), move |name| Box::pin(it.resolve(name))))
            }
            #[cfg(feature = "smol")]
            Self::Smol => {
                threads_to_be_had(2)?;
                let it = discovery_smol::Builder::from(setup).spawn().map_err(here)?;
                Ok(Discovery::new(it.handle().clone(), move |name| Box::pin(it.resolve(name))))
            }
            #[cfg(feature = "blocking")]
            Self::Blocking => {
                let it = discovery_blocking::Builder::from(setup).spawn().map_err(here)?;
                // What waits here is a task, so the outcome is waited for by its waker; all sockets block threads of the adapter.
                let handle = it.handle().clone();
                Ok(Discovery::new(handle, move |name| Box::pin(it.handle().resolve(name))))
            }
            #[allow(unreachable_patterns, reason = "unless some of them are not built in")]
            _ => Err(Trouble::Usage(format!(
                "--runtime {self}: it is not built in; build the program with `--features {self}`"
            ))),
        }
    }
}

/// Whether so many threads can be started. Some executors panic where they get none of theirs.
#[cfg(any(feature = "async-std", feature = "smol"))]
fn threads_to_be_had(count: usize) -> Result<(), Trouble> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let wait = Arc::clone(&wait);
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

fn here(error: discovery_driver::BuildError) -> Trouble {
    Trouble::Here(error.to_string())
}

impl Discovery {
    fn new(
        handle: Handle,
        resolve: impl Fn(&ServerName) -> Resolving + Send + Sync + 'static,
    ) -> Self {
        Self { handle, resolve: Arc::new(resolve) }
    }

    /// Where a name leads.
    pub(crate) fn resolve(&self, name: &ServerName) -> Resolving {
        (self.resolve)(name)
    }

    /// The machine and its clock.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
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
