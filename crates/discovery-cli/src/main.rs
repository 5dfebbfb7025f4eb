//! The command line of Matrix server discovery.

fn main() {}
