//! Findings: what can be wrong with a server, under stable ids.
//!
//! The catalogue is in the order of how much a finding explains: where several have the same severity, the first one is the
//! reason to give.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Other servers cannot reach this one, or refuse it.
    Error,
    /// Nothing can be said: the check itself failed.
    Unknown,
    /// Some servers have trouble, or will have soon.
    Warning,
    /// Worth knowing, and no problem.
    Info,
}

impl Severity {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kind {
    /// The stable id.
    pub id: &'static str,
    /// The severity, unless the circumstances raise it.
    pub severity: Severity,
    /// What is found, in a few words that fit behind "does not federate:".
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// Something that was found at a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The stable id: `matrix-discovery explain ID` describes it.
    pub id: String,
    /// The severity.
    pub severity: Severity,
    /// Where it was found: addresses, URLs or names.
    pub subjects: Vec<String>,
    /// What was found, in a few words.
    pub title: String,
    /// The values that show it.
    pub detail: String,
    /// What to do.
    pub fix: String,
    /// The text that demands it.
    pub spec: String,
}

/// The kind with this id.
pub fn kind(id: &str) -> Option<&'static Kind> {
    CATALOGUE.iter().find(|kind| kind.id == id)
}

/// Where a kind stands in the catalogue.
pub(crate) fn rank(id: &str) -> usize {
    CATALOGUE.iter().position(|kind| kind.id == id).unwrap_or(CATALOGUE.len())
}

/// The text that demands what a kind checks.
pub(crate) fn source(id: &str) -> &'static str {
    const SERVER: &str = "https://spec.matrix.org/latest/server-server-api/";
    match id.split('.').next().unwrap_or_default() {
        "name" => "https://spec.matrix.org/latest/appendices/#server-name",
        "srv" if id == "srv.target-is-cname" => "https://www.rfc-editor.org/rfc/rfc2782",
        "well-known" => {
            "https://spec.matrix.org/latest/server-server-api/#getwell-knownmatrixserver"
        }
        "keys" => "https://spec.matrix.org/latest/server-server-api/#get_matrixkeyv2server",
        "version" => {
            "https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1version"
        }
        "dns" | "srv" | "connect" | "http" => {
            "https://spec.matrix.org/latest/server-server-api/#resolving-server-names"
        }
        "tls" => "https://spec.matrix.org/latest/server-server-api/#tls",
        _ => SERVER,
    }
}

macro_rules! catalogue {
    ($($id:literal $severity:ident $title:literal $meaning:literal $fix:literal)*) => {
        /// Every kind of finding, those first that explain most.
        pub const CATALOGUE: &[Kind] = &[$(Kind {
            id: $id,
            severity: Severity::$severity,
            title: $title,
            meaning: $meaning,
            fix: $fix,
        }),*];
    };
}

catalogue! {
"name.url" Error "it is a URL, not a server name"
    "A server name is what stands behind the first colon of a user ID; it has no scheme and no path."
    "Type the server name alone."
"name.user-id" Error "it is an ID of a user or room, not a server name"
    "The server name is the part behind the first colon."
    "Type the part behind the colon."
"name.unicode" Error "it has characters that no server name can have"
    "Server names are ASCII. International domain names are written in their xn-- form."
    "Type the xn-- form of the name."
"name.underscore" Error "it has an underscore, which no server name can have"
    "The grammar of server names has letters, digits, hyphens and dots."
    "Use another name: Matrix servers refuse this one."
"name.invalid" Error "it is not a valid server name"
    "The text breaks the grammar of server names, or cannot be looked up in DNS."
    "Compare it with the part behind the colon of a user ID."
"dns.resolver-down" Unknown "your name server does not answer"
    "The DNS servers of this machine gave no answer, so nothing is known about the other side."
    "Check the network and /etc/resolv.conf of this machine, or use --nameserver."
"dns.servfail" Unknown "its name servers give no answer"
    "The name servers of the domain fail, or its DNSSEC signatures are wrong. Other servers cannot resolve the name either while this lasts."
    "Ask the operator of the zone. To see whether DNSSEC is the cause: dig +cd NAME."
"dns.timeout" Unknown "the lookup took too long"
    "Name servers or web servers of the domain did not answer in time."
    "Try again, or use a longer --timeout."
"local" Unknown "this machine could not check it"
    "The check failed for a reason on this machine: no route, no file descriptors."
    "Check the network of this machine."
"keys.server-name" Error "the server there calls itself something else"
    "Other servers only accept a server whose keys are published under the name that they asked for."
    "Use the name that the server calls itself, or set the server's own name (server_name) to this one. An existing homeserver cannot be renamed."
"well-known.m-server-is-url" Warning "\"m.server\" is a URL, so the document is ignored"
    "m.server is a host with an optional port. A URL there makes the whole document invalid, and other servers go on as if there were none."
    "Write the host and the port alone: {\"m.server\": \"matrix.example.org:443\"}"
"well-known.m-server-invalid" Warning "\"m.server\" is not a server name, so the document is ignored"
    "m.server is a host with an optional port, as one string."
    "Write the host and the port: {\"m.server\": \"matrix.example.org:443\"}"
"well-known.client-document" Warning "the server document holds the client document"
    "/.well-known/matrix/server is for servers and has m.server; /.well-known/matrix/client is for clients and has m.homeserver."
    "Serve {\"m.server\": \"matrix.example.org:443\"} at /.well-known/matrix/server."
"well-known.html-page" Warning "a web page is served in place of the .well-known document"
    "The web server answers every path with its page, so the document is ignored."
    "Serve the JSON document at /.well-known/matrix/server, or answer 404 there."
"well-known.not-json" Warning "the .well-known document is not JSON"
    "Other servers ignore a document that they cannot read."
    "Check the file for missing quotes, braces, or a byte order mark."
"well-known.no-m-server" Warning "the .well-known document has no \"m.server\""
    "Other servers ignore the document."
    "Add it: {\"m.server\": \"matrix.example.org:443\"}"
"well-known.too-large" Warning "the .well-known document is too large"
    "Other servers read only the first kilobytes; this one is longer than 50 KiB."
    "Serve the small JSON document alone."
"well-known.http-redirect" Warning "the .well-known document redirects to http"
    "Other servers only follow redirects to https."
    "Redirect to https, or serve the document in place."
"well-known.redirect-invalid" Warning "the .well-known redirect leads nowhere"
    "The redirect has no Location, or one that is not a URL."
    "Serve the document in place."
"well-known.redirect-no-address" Warning "the .well-known document redirects to a host without an address"
    "The redirect cannot be followed, so the document is ignored."
    "Redirect to a host that exists, or serve the document in place."
"well-known.redirect-loop" Warning "the .well-known redirects never end"
    "Other servers follow a limited number of redirects and then ignore the document."
    "Serve the document in place."
"well-known.tls-wrong-name" Warning "the web server's certificate is for another name, so .well-known is ignored"
    "The document is only accepted over TLS with a certificate for the server name itself."
    "Give the web server a certificate for the server name."
"well-known.tls-expired" Warning "the web server's certificate is out of date, so .well-known is ignored"
    "The document is only accepted over TLS with a valid certificate."
    "Renew the certificate of the web server, and reload it."
"well-known.tls-untrusted" Warning "the web server's certificate is not trusted, so .well-known is ignored"
    "The document is only accepted over TLS with a certificate of a known authority."
    "Use a certificate of a public authority, and serve the whole chain."
"well-known.timeout" Warning "the .well-known document does not come in time"
    "Other servers wait for it at each lookup, and then go on without it."
    "Let the web server answer, or close its port 443."
"well-known.differs" Error "its addresses serve different .well-known documents"
    "Which server is reached depends on the address that is tried first."
    "Serve the same document from every address."
"srv.not-offered" Error "its SRV records say that there is no such service"
    "A single SRV record with the target \".\", or records without a usable target, tell other servers to give up."
    "Remove the SRV record, or let it point at the homeserver."
"dns.private-address" Error "its addresses are private"
    "Other servers cannot reach private addresses, and refuse to try."
    "Publish public addresses. To check a server in your own network: --allow-address CIDR."
"dns.no-address" Error "it has no address in DNS"
    "Neither the name nor what it delegates to has an A or AAAA record."
    "Add A and AAAA records, or delegate to a host that has them."
"connect.all" Error "no address answers"
    "Refused means that nothing listens there, or that a firewall says so. Silence means that a firewall drops packets, or that the host is down."
    "Start the homeserver or the proxy in front of it, and open the port in firewalls and port forwards."
"tls.wrong-name" Error "the certificate is for another name"
    "The certificate must be valid for the delegated host name, or for the server name if there is no delegation."
    "Give that port a certificate for the name."
"tls.expired" Error "the certificate has expired"
    "Other servers refuse the connection."
    "Renew the certificate, and reload it in the server or proxy: a renewed file alone has no effect."
"tls.not-yet-valid" Error "the certificate is not valid yet"
    "Its period begins in the future, or the clock of this machine is wrong."
    "Check the clocks of both machines, or install the right certificate."
"tls.self-signed" Error "the certificate is self-signed"
    "Other servers only trust certificates of public authorities."
    "Use a certificate of a public authority, for instance by ACME."
"tls.staging-ca" Error "the certificate is from a staging authority, for tests"
    "No server trusts certificates of staging environments."
    "Ask the production environment of the authority for a certificate."
"tls.cloudflare-origin" Error "the certificate is one of Cloudflare's for origin servers"
    "Such certificates are only trusted by Cloudflare's proxies; other servers connect directly here."
    "Let the port be proxied by Cloudflare, or use a certificate of a public authority."
"tls.incomplete-chain" Error "the certificate's chain is incomplete"
    "The server presents its own certificate without that of the issuer. Browsers may know it; servers do not."
    "Configure the full chain (fullchain.pem in place of cert.pem)."
"tls.untrusted" Error "the certificate is not trusted"
    "Its issuer is not a known authority, or the certificate is invalid."
    "Use a certificate of a public authority."
"tls.old-version" Error "the server only speaks old versions of TLS"
    "Other servers need TLS 1.2 or 1.3."
    "Enable TLS 1.2 and 1.3."
"tls.handshake" Error "no TLS connection comes about"
    "Something accepts connections on the port and fails in the TLS handshake. Often plain HTTP is served there, or the proxy has no host of that name."
    "Let the port serve TLS for the name."
"http.wrong-host" Error "the proxy does not know the Host that other servers send"
    "Other servers send the delegated name, or the server name if there is no delegation, in Host."
    "Add that name to the names of the virtual host."
"http.html" Error "a web page answers in place of the homeserver"
    "The proxy does not pass /_matrix on to the homeserver."
    "Pass /_matrix on to the homeserver."
"http.redirect" Error "the homeserver's API redirects"
    "Other servers do not follow redirects of the federation API."
    "Pass /_matrix on to the homeserver in place of a redirect."
"http.status" Error "the homeserver's API answers with an error"
    "404 usually comes from a proxy that does not pass /_matrix on; 502 to 504 from one whose homeserver is down."
    "Pass /_matrix on to the homeserver, and check that it runs and has a federation listener."
"http.silent" Error "the homeserver does not answer requests"
    "The connection is accepted, and no complete answer follows."
    "Check the homeserver and the proxy in front of it."
"keys.none" Error "the server publishes no usable signing keys"
    "Without an Ed25519 key under verify_keys other servers cannot check any signature."
    "Check the homeserver's signing key and its federation listener."
"keys.signature" Error "the signing keys are not signed by themselves"
    "The key document must be signed with each of its keys. Proxies that rewrite JSON break signatures."
    "Let nothing between the homeserver and the network change bodies."
"keys.expired" Error "the signing keys have expired"
    "valid_until_ts lies in the past, so other servers refuse the keys."
    "Check the clock of the homeserver, and caches in front of it."
"keys.differ" Error "its addresses publish different signing keys"
    "Two homeservers answer under one name."
    "Let every address lead to the same homeserver."
"clock.skew" Warning "the server's clock is wrong"
    "Keys, certificates and events carry times, which other servers compare with theirs."
    "Synchronise the clock of the server by NTP."
"srv.target-no-address" Warning "a host of its SRV records has no address"
    "Other servers try the other records."
    "Remove the record, or give its target an address."
"srv.target-is-cname" Warning "its SRV record leads to an alias"
    "RFC 2782 forbids it: some servers follow the alias, others refuse it."
    "Let the SRV record point at the name that has the addresses."
"connect.ipv6" Warning "its IPv6 addresses do not answer"
    "Servers with IPv6 lose time with a failing attempt first; servers without IPv4 cannot reach it."
    "Let the server listen on [::] and open the firewall for IPv6, or remove the AAAA record."
"connect.ipv4" Warning "its IPv4 addresses do not answer"
    "Servers without IPv6 cannot reach it."
    "Let the server listen on 0.0.0.0 and open the firewall for IPv4, or remove the A record."
"connect.some" Warning "some of its addresses do not answer"
    "Other servers lose time with failing attempts, and some give up after the first."
    "Let every address answer, or remove those that do not."
"srv.both-differ" Warning "its two SRV records lead to different places"
    "Servers that do not know _matrix-fed yet use _matrix."
    "Let both records name the same hosts and ports."
"tls.expires-soon" Warning "the certificate expires soon"
    "Automatic renewal may be broken."
    "Renew the certificate, and check the automatic renewal."
"well-known.status" Info "there is no .well-known document"
    "404 says so properly. Other errors may hide a document, and other servers ask again soon."
    "Nothing, unless a document should be there."
"well-known.one-address-fails" Warning "not every address of the web server serves .well-known"
    "Other servers may try the failing address first, and may go on without the document."
    "Let every address of the web server answer, or remove it from DNS."
"keys.expires-within-hour" Warning "the signing keys expire within an hour"
    "Other servers have to fetch them again all the time."
    "Let the homeserver publish keys that are valid for longer."
"keys.non-canonical" Warning "the key document has no canonical form"
    "It has fractions or integers beyond 2^53, which servers write in different ways, so signatures may fail."
    "Remove such numbers."
"keys.old-in-future" Warning "an old signing key ends in the future"
    "expired_ts of an old key says when it was given up, and lies in the past."
    "Correct the time in the homeserver's configuration."
"http.content-type" Warning "the keys are not served as application/json"
    "Some servers refuse other types."
    "Send Content-Type: application/json."
"version.missing" Warning "the server does not tell its version"
    "/_matrix/federation/v1/version needs no authentication and should answer."
    "Pass /_matrix/federation on to the homeserver."
"connect.slow" Warning "connections take long"
    "Some servers give up earlier."
    "Check the network path and the load of the server."
"well-known.unreachable" Info "the web server of the name cannot be reached for .well-known"
    "That is no problem where SRV records or port 8448 are used."
    "Nothing, unless a document should be there."
"well-known.cache-short" Info "the .well-known document may be cached for less than 5 minutes"
    "Other servers ask for it often."
    "Send Cache-Control: max-age=86400 or leave it out."
"well-known.cache-above-cap" Info "the .well-known document asks to be cached for more than 48 hours"
    "Servers keep it for 48 hours at most."
    "Nothing."
"well-known.content-type" Info "the .well-known document is not served as application/json"
    "Servers must not mind."
    "Send Content-Type: application/json."
"well-known.delegates-to-itself" Info "the .well-known document delegates to the name itself"
    "It changes nothing."
    "Nothing, or remove the document."
"srv.deprecated" Info "it is found by the deprecated _matrix SRV record"
    "_matrix-fed has taken its place; servers still use both."
    "Publish _matrix-fed beside it."
"srv.too-many" Info "it has more SRV records than are used"
    "Servers try only some of them."
    "Publish fewer records."
"dns.one-family" Info "it has addresses of one family only"
    "Servers that only have the other family cannot reach it."
    "Publish addresses of both families."
"dns.ttl-low" Info "its DNS records live for less than a minute"
    "Other servers ask for them often."
    "Use a TTL of 300 s or more."
"keys.above-7-days" Info "the signing keys are valid for more than 7 days"
    "Other servers keep them for 7 days at most."
    "Nothing."
"tls.differs" Info "its addresses present different certificates"
    "That is no problem while each is valid."
    "Nothing."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_kind_says_what_to_do() {
        for (i, one) in CATALOGUE.iter().enumerate() {
            assert_eq!(rank(one.id), i, "{}", one.id);
            assert!(!one.meaning.is_empty() && !one.fix.is_empty(), "{}", one.id);
            assert!(one.title.chars().next().is_some_and(|c| !c.is_uppercase()), "{}", one.id);
        }
    }
}
