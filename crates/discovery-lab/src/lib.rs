//! Worlds served on loopback by real DNS and HTTPS servers.
