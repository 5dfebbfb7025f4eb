//! Every adapter and every loop of an example, as the conformance kit sees it.
//!
//! A further one is a few lines more here, and it is tried by everything that the kit has.

mod async_std;
mod blocking;
mod by_hand;
mod completion;
mod libraries;
mod mio;
pub mod names;
mod smol;
mod tokio;

use std::sync::Arc;

use discovery_lab::kit::Adapter;

pub use self::async_std::AsyncStd;
pub use self::blocking::Blocking;
pub use self::by_hand::{LocalSet, SelectLoop};
pub use self::completion::Completion;
pub use self::libraries::Libraries;
pub use self::mio::Mio;
pub use self::smol::Smol;
pub use self::tokio::{Tokio, TokioApart};

/// All of them.
pub fn all() -> Vec<Arc<dyn Adapter>> {
    let mut all: Vec<Arc<dyn Adapter>> = vec![
        Arc::new(Tokio),
        Arc::new(TokioApart),
        Arc::new(Smol),
        Arc::new(AsyncStd),
        Arc::new(Blocking),
        Arc::new(Mio),
        Arc::new(SelectLoop),
        Arc::new(LocalSet),
        Arc::new(Libraries),
    ];
    match Completion::new() {
        Ok(completion) => all.push(Arc::new(completion)),
        Err(error) => eprintln!("without the completion-based loop: {error}"),
    }
    all
}

/// Why this check of the kit can't be passed by this one; None: it must be.
pub fn exception(adapter: &str, check: &str) -> Option<&'static str> {
    let exceptions = match adapter {
        "libraries" => libraries::EXCEPTIONS.as_slice(),
        "completion" => completion::EXCEPTIONS.as_slice(),
        _ => &[],
    };
    exceptions.iter().find(|(name, _)| *name == check).map(|(_, why)| *why)
}
