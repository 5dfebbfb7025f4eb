//! Matrix server discovery on tokio.
