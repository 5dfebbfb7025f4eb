//! Every adapter and every example loop, behind the interface of the conformance kit.
//!
//! A new adapter takes a few lines here and is then tested by everything in the kit.

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

/// All adapters and loops.
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

/// Why an adapter cannot pass a check of the kit. None: it must pass.
pub fn exception(adapter: &str, check: &str) -> Option<&'static str> {
    let exceptions = match adapter {
        "libraries" => libraries::EXCEPTIONS.as_slice(),
        "completion" => completion::EXCEPTIONS.as_slice(),
        _ => &[],
    };
    exceptions.iter().find(|(name, _)| *name == check).map(|(_, why)| *why)
}
