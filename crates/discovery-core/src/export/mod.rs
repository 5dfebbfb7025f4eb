//! Facts as text: exporting them, checking and merging what other resolvers have exported.

mod check;
mod error;
mod format;
mod merge;

pub use check::Impossible;
pub use error::BadExport;
pub(crate) use format::Dated;
pub use format::{Export, Exported, MAX_EXPORT_FACTS};
pub(crate) use merge::ImportResult;
