//! Names: server names, DNS names, and the URLs of documents.

mod dns_name;
#[cfg(feature = "ruma")]
mod ruma;
mod server_name;
mod url;

pub use dns_name::{DnsName, InvalidDnsName, MAX_DNS_NAME_LENGTH, MAX_LABEL_LENGTH, TlsName};
pub use server_name::{Host, InvalidServerName, MAX_HOST_LENGTH, ServerName};
pub use url::{BadUrl, Url};
