//! What to publish for a server name: `suggest` prints it, `lint` judges it before it is published.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use discovery_core::{DocumentError, ServerName};

use crate::options::{LintOptions, SuggestOptions, WebServer};
use crate::output::printable;
use crate::status::{Status, Trouble};

/// Largest file that is read, in bytes; documents of 50 KiB and more are refused by servers.
const MAX_FILE: u64 = 50 * 1024;

/// Prints the configuration that delegates a name to a target.
pub(crate) fn suggest(options: &SuggestOptions) -> Result<Status, Trouble> {
    let usage = |name: &str, why: &dyn std::fmt::Display| {
        Trouble::Usage(format!("{} is not a server name: {why}", printable(name)))
    };
    let name = ServerName::parse(&options.name).map_err(|why| usage(&options.name, &why))?;
    if name.port().is_some() {
        return Err(Trouble::Usage(format!(
            "{name} has a port, so other servers fetch no document and ask for no SRV record"
        )));
    }
    let target = match &options.target {
        Some(target) => target.clone(),
        None => format!("matrix.{}:443", name.host_str()),
    };
    let target = ServerName::parse(&target).map_err(|why| usage(&target, &why))?;
    let text = snippet(&name, &target, options.web_server);
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map(|()| Status::Resolved).map_err(|error| Trouble::write(&error, Status::Resolved))
}

fn snippet(name: &ServerName, target: &ServerName, web_server: WebServer) -> String {
    let document = format!(r#"{{"m.server": "{target}"}}"#);
    let host = name.host_str();
    match web_server {
        WebServer::Document => format!(
            "# Serve this at https://{host}/.well-known/matrix/server as application/json\n{document}\n"
        ),
        WebServer::Nginx => format!(
            "# In the server block of {host}, which listens on 443 and [::]:443\n\
             location = /.well-known/matrix/server {{\n    default_type application/json;\n    \
             return 200 '{document}';\n}}\n"
        ),
        WebServer::Caddy => format!(
            "# In the site {host}\nheader /.well-known/matrix/server Content-Type application/json\n\
             respond /.well-known/matrix/server `{document}`\n"
        ),
        WebServer::Apache => format!(
            "# In the virtual host of {host}; the document is a file\n\
             Alias /.well-known/matrix/server /var/www/matrix-server.json\n\
             <Location /.well-known/matrix/server>\n    ForceType application/json\n</Location>\n\
             # /var/www/matrix-server.json\n# {document}\n"
        ),
        WebServer::Haproxy => format!(
            "# In the frontend of {host}\n\
             http-request return status 200 content-type application/json string '{document}' \
             if {{ path /.well-known/matrix/server }}\n"
        ),
        WebServer::Traefik => format!(
            "# Traefik serves no files: route the path to a web server that does\n\
             http:\n  routers:\n    matrix-well-known:\n      \
             rule: \"Host(`{host}`) && Path(`/.well-known/matrix/server`)\"\n      \
             service: web\n      tls: {{}}\n# which answers with\n# {document}\n"
        ),
        WebServer::Cloudflare => format!(
            "// A worker with the route {host}/.well-known/matrix/server\n\
             export default {{\n  fetch() {{\n    return new Response('{document}', \
             {{ headers: {{ \"Content-Type\": \"application/json\" }} }});\n  }},\n}};\n"
        ),
        WebServer::Zone => {
            let port = target.port().unwrap_or(8448);
            format!(
                "; In place of a document. The target must have addresses and be no alias;\n\
                 ; the certificate must be valid for {host}.\n\
                 _matrix-fed._tcp.{host}. 3600 IN SRV 10 5 {port} {0}.\n\
                 _matrix._tcp.{host}. 3600 IN SRV 10 5 {port} {0}.\n",
                target.host_str()
            )
        }
    }
}

/// Judges documents in files.
pub(crate) fn lint(options: &LintOptions) -> Result<Status, Trouble> {
    let mut out = String::new();
    let mut status = Status::Resolved;
    for path in &options.files {
        let shown = printable(&path.display().to_string());
        let line = match document(path)? {
            Ok(target) => format!("{shown}: good, delegates to {target}"),
            Err(why) => {
                status = Status::No;
                format!("{shown}: {} [{}]", why, id(&why))
            }
        };
        // Writing to a string never fails.
        let _ = writeln!(out, "{line}");
    }
    let written = std::io::stdout().write_all(out.as_bytes());
    written.map(|()| status).map_err(|error| Trouble::write(&error, status))
}

fn document(path: &Path) -> Result<Result<ServerName, DocumentError>, Trouble> {
    use std::io::Read;
    let usage = |error: std::io::Error| Trouble::Usage(format!("{}: {error}", path.display()));
    let mut body = Vec::new();
    let file = std::fs::File::open(path).map_err(usage)?;
    file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut body).map_err(usage)?;
    if u64::try_from(body.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Ok(Err(DocumentError::TooLong));
    }
    Ok(discovery_core::parse_document(&body))
}

/// The finding that `check` would give.
fn id(why: &DocumentError) -> &'static str {
    use discovery_core::InvalidServerName;
    match why {
        DocumentError::TooLong => "well-known.too-large",
        DocumentError::Missing => "well-known.no-m-server",
        DocumentError::ServerName(InvalidServerName::Url) => "well-known.m-server-is-url",
        DocumentError::ServerName(_)
        | DocumentError::Unresolvable(_)
        | DocumentError::NotAString
        | DocumentError::Duplicate => "well-known.m-server-invalid",
        DocumentError::ContentCoding
        | DocumentError::NotUtf8
        | DocumentError::ByteOrderMark
        | DocumentError::NotJson
        | DocumentError::NotAnObject
        | _ => "well-known.not-json",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_snippet_names_the_target() {
        let (name, target) =
            ("example.org".parse().unwrap(), "fed.example.org:443".parse().unwrap());
        for web_server in WebServer::value_variants() {
            let text = snippet(&name, &target, *web_server);
            assert!(text.contains("fed.example.org") && text.contains("443"), "{text}");
        }
    }

    #[test]
    fn a_suggested_document_is_good() {
        let text = snippet(
            &"example.org".parse().unwrap(),
            &"fed.example.org:443".parse().unwrap(),
            WebServer::Document,
        );
        let document = text.lines().last().unwrap();
        assert_eq!(
            discovery_core::parse_document(document.as_bytes()).unwrap().as_str(),
            "fed.example.org:443"
        );
    }
}
