//! DNS, TLS and HTTP/1.1 exchanges for discovery-core, sans I/O.
