//! Commands by which anyone can repeat what a check did.

use discovery_check::{Report, printable};

/// One command per line: dig for the lookup, curl and openssl for each address.
pub(crate) fn commands(report: &Report, name_server: Option<&str>) -> String {
    let at = name_server.map_or_else(String::new, |server| format!("@{server} "));
    let mut out = String::new();
    let mut add = |line: String| out.push_str(&format!("  {}\n", printable(&line)));
    let resolution = &report.resolution;
    let name = quoted(&report.name);
    let host = resolution.tls_name.as_deref().map_or_else(|| name.clone(), quoted);
    for document in &report.well_known {
        let ip = bracketed(document.address);
        add(format!("curl -v https://{name}/.well-known/matrix/server --resolve {name}:443:{ip}"));
    }
    let delegated = resolution.delegated.as_deref().unwrap_or(&report.name);
    if !delegated.contains(':') {
        for service in ["_matrix-fed", "_matrix"] {
            add(format!("dig +noall +answer {at}{service}._tcp.{} SRV", quoted(delegated)));
        }
    }
    let hosts: std::collections::BTreeSet<&str> =
        report.targets.iter().map(|target| target.host.as_str()).collect();
    for host in hosts.into_iter().filter(|host| host.parse::<std::net::IpAddr>().is_err()) {
        add(format!("dig +noall +answer {at}{0} A {0} AAAA", quoted(host)));
    }
    for target in &report.targets {
        let (ip, port) = (bracketed(target.address), target.address.port());
        let authority = resolution.host_header.as_deref().map_or_else(|| host.clone(), quoted);
        let url_port = authority.rsplit_once(':').map_or("443", |(_, port)| port);
        add(format!(
            "curl -v https://{authority}/_matrix/key/v2/server --connect-to {host}:{url_port}:{ip}:{port}"
        ));
        add(format!(
            "openssl s_client -connect {ip}:{port} -servername {host} -verify_hostname {host} </dev/null"
        ));
    }
    out
}

fn bracketed(address: std::net::SocketAddr) -> String {
    match address.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A name as a shell may see it: names are ASCII letters, digits and few signs, whatever else is left out.
fn quoted(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_carry_commands() {
        assert_eq!(quoted("a.example;rm -rf /$(x)`y`'\""), "a.examplerm-rfxy");
    }
}
