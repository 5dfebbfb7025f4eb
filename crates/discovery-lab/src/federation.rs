//! Homeservers of a world: a healthy one, and one for each thing that can be wrong.
//!
//! They are pages of a scenario, so whatever serves a world serves them: over real TLS, with real signing keys. Key documents
//! carry times, so the world is made for a given time.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use discovery_sim::Scenario;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// A server name of the world, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FederationCase {
    /// The server name.
    pub name: &'static str,
    /// The subject of the example.
    pub example_of: &'static str,
    /// Ids of the findings of discovery-check, in any order.
    pub findings: &'static [&'static str],
}

/// The world, for a wall clock at this time in seconds since 1970, and its server names.
pub fn federation(now_s: u64) -> (Scenario, Vec<FederationCase>) {
    let mut world = Builder { now_s, text: String::new(), cases: Vec::new() };
    world.healthy();
    world.documents();
    world.places();
    world.certificates();
    world.answers();
    world.keys();
    #[expect(clippy::expect_used, reason = "the text is made here, and a test parses it")]
    let scenario = Scenario::parse(&world.text).expect("the world is a scenario");
    (scenario, world.cases)
}

struct Builder {
    now_s: u64,
    text: String,
    cases: Vec<FederationCase>,
}

const JSON: &str = r#""Content-Type: application/json""#;
const KEYS: &str = "/_matrix/key/v2/server";
const VERSION: &str = "/_matrix/federation/v1/version";
const SOFTWARE: &str = r#"{"server":{"name":"Stub","version":"1.0"}}"#;

/// A key document, signed by its key.
fn signed(name: &str, key: &str, seed: u8, rest: &str) -> String {
    #[expect(clippy::expect_used, reason = "any 32 bytes are a seed")]
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes are a seed");
    let public = STANDARD_NO_PAD.encode(pair.public_key());
    // Members are written in canonical order: `rest` has keys between "old_verify_keys" and "valid_until_ts".
    let (before, after) = rest.split_once('|').unwrap_or(("", rest));
    let open = format!(
        r#"{{{before}"server_name":"{name}",{after}"verify_keys":{{"{key}":{{"key":"{public}"}}}}}}"#
    );
    let signature = STANDARD_NO_PAD.encode(pair.sign(open.as_bytes()));
    let body = open.strip_suffix('}').unwrap_or_default();
    format!(r#"{body},"signatures":{{"{name}":{{"{key}":"{signature}"}}}}}}"#)
}

impl Builder {
    fn case(
        &mut self,
        name: &'static str,
        example_of: &'static str,
        findings: &'static [&'static str],
    ) {
        self.cases.push(FederationCase { name, example_of, findings });
        self.line(&format!("# {name}: {example_of}"));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string never fails.
        let _ = writeln!(self.text, "{line}");
    }

    fn valid_until(&self, seconds: i64) -> String {
        let at = i64::try_from(self.now_s).unwrap_or_default().saturating_add(seconds);
        format!(r#""valid_until_ts":{},"#, at.saturating_mul(1000))
    }

    fn good_keys(&self, name: &str) -> String {
        signed(name, "ed25519:a_1", 1, &self.valid_until(86_400))
    }

    /// The document that delegates to `fed.NAME:8448`.
    fn delegate(&mut self, name: &str) {
        self.line(&format!(r#"https {name} 200 {JSON} {{"m.server":"fed.{name}:8448"}}"#));
    }

    /// A homeserver behind a host and port, as `Host` has them.
    fn homeserver(&mut self, authority: &str, keys: &str) {
        self.line(&format!("https {authority}{KEYS} 200 {JSON} {keys}"));
        self.line(&format!("https {authority}{VERSION} 200 {JSON} {SOFTWARE}"));
    }

    /// A homeserver at port 8448 of the name, where `Host` has no port.
    fn default_port(&mut self, name: &str) {
        self.line(&format!("https {name}:8448/ 404"));
        let keys = self.good_keys(name);
        self.homeserver(name, &keys);
    }

    fn healthy(&mut self) {
        self.case("healthy.example", "a healthy server, delegated by .well-known", &[]);
        self.delegate("healthy.example");
        let keys = self.good_keys("healthy.example");
        self.homeserver("fed.healthy.example:8448", &keys);

        self.case("plain.example", "a healthy server on port 8448", &["well-known.status"]);
        self.line("https plain.example 404");
        self.default_port("plain.example");
    }

    /// Documents that are ignored, in front of servers that are healthy otherwise.
    fn documents(&mut self) {
        let broken: [(&'static str, &'static str, &'static [&'static str], &str); 14] = [
            (
                "url.example",
                "m.server is a URL",
                &["well-known.m-server-is-url"],
                r#"200 {"m.server":"https://matrix.url.example"}"#,
            ),
            (
                "invalid.test",
                "m.server is no server name",
                &["well-known.m-server-invalid"],
                r#"200 {"m.server":"under_score.example"}"#,
            ),
            (
                "client.example",
                "the document for clients",
                &["well-known.client-document"],
                r#"200 {"m.homeserver":{"base_url":"https://x.example"}}"#,
            ),
            (
                "page.example",
                "a web page in place of the document",
                &["well-known.html-page"],
                "200 <!DOCTYPE html><html></html>",
            ),
            (
                "text.example",
                "a document that is not JSON",
                &["well-known.not-json"],
                "200 fed.text.example:8448",
            ),
            ("empty.example", "a document without m.server", &["well-known.no-m-server"], "200 {}"),
            (
                "large.example",
                "a document of 60 KB",
                &["well-known.too-large"],
                r#"200 repeat="{\"x\":\"" "x" 60000 "\"}""#,
            ),
            (
                "plaintext.example",
                "a redirect to http",
                &["well-known.http-redirect"],
                r#"302 "Location: http://www.plaintext.example/.well-known/matrix/server" body="""#,
            ),
            (
                "astray.example",
                "a redirect to a host without an address",
                &["well-known.redirect-no-address"],
                r#"302 "Location: https://www.astray.example/.well-known/matrix/server" body="""#,
            ),
            (
                "loop.example",
                "a redirect to itself",
                &["well-known.redirect-loop"],
                r#"302 "Location: https://loop.example/.well-known/matrix/server" body="""#,
            ),
            ("forbidden.example", "a document that is forbidden", &["well-known.status"], "403"),
            (
                "web-name.example",
                "a web server's certificate for another name",
                &["well-known.tls-wrong-name"],
                "wrong-name",
            ),
            (
                "web-expired.example",
                "a web server's certificate out of date",
                &["well-known.tls-expired"],
                "expired",
            ),
            (
                "web-untrusted.example",
                "a web server's certificate of an unknown authority",
                &["well-known.tls-untrusted"],
                "bad-cert",
            ),
        ];
        for (name, example_of, findings, answer) in broken {
            self.case(name, example_of, findings);
            self.line(&format!("https {name} {answer}"));
            self.default_port(name);
        }

        self.case(
            "lost.example",
            "m.server is a URL, and nothing else answers",
            &["well-known.m-server-is-url", "connect.all"],
        );
        self.line(r#"https lost.example 200 {"m.server":"https://matrix.lost.example"}"#);

        self.case(
            "plain-text.example",
            "a document of another content type",
            &["well-known.content-type", "well-known.cache-short"],
        );
        self.line(r#"https plain-text.example 200 "Content-Type: text/plain" "Cache-Control: max-age=10" {"m.server":"fed.plain-text.example:8448"}"#);
        let keys = self.good_keys("plain-text.example");
        self.homeserver("fed.plain-text.example:8448", &keys);

        self.case("split.example", "two addresses with two documents", &["well-known.differs"]);
        self.line("dns split.example A 192.0.2.40");
        self.line("dns split.example AAAA 2001:db8::40");
        for (address, host) in [("192.0.2.40", "one"), ("2001:db8::40", "two")] {
            self.line(&format!(r#"https split.example on={address} 200 {JSON} {{"m.server":"{host}.split.example:8448"}}"#));
            let keys = self.good_keys("split.example");
            self.homeserver(&format!("{host}.split.example:8448"), &keys);
        }
    }

    /// Places where nothing can be reached, or that are named in an odd way.
    fn places(&mut self) {
        self.case("down.example", "nothing answers", &["connect.all", "well-known.unreachable"]);
        self.line("dns down.example A 192.0.2.50");
        self.line("dns down.example AAAA 2001:db8::50");

        self.case(
            "no-ipv6.example",
            "IPv6 is refused",
            &["connect.ipv6", "well-known.one-address-fails"],
        );
        self.addresses("no-ipv6.example", 51);
        self.line(r#"https no-ipv6.example 200 "Content-Type: application/json" {"m.server":"no-ipv6.example:8448"}"#);
        self.line("tcp 2001:db8::51 refused");
        let keys = self.good_keys("no-ipv6.example");
        self.homeserver("no-ipv6.example:8448", &keys);

        self.case("no-ipv4.example", "IPv4 is refused", &["connect.ipv4"]);
        self.delegate("no-ipv4.example");
        self.addresses("fed.no-ipv4.example", 52);
        self.line("tcp 192.0.2.52:8448 refused");
        let keys = self.good_keys("no-ipv4.example");
        self.homeserver("fed.no-ipv4.example:8448", &keys);

        self.case("absent.example", "no such name in DNS", &["dns.no-address"]);
        self.line("dns absent.example A NXDOMAIN");

        self.case("servfail.example", "DNS that fails", &["dns.servfail"]);
        for kind in ["A", "AAAA"] {
            self.line(&format!("dns servfail.example {kind} SERVFAIL"));
        }
        for service in ["_matrix-fed", "_matrix"] {
            self.line(&format!("dns {service}._tcp.servfail.example SRV SERVFAIL"));
        }

        self.case(
            "alias.example",
            "an SRV record that leads to an alias",
            &["srv.target-is-cname"],
        );
        self.line("dns _matrix-fed._tcp.fed.alias.example SRV 10 5 8448 alias.fed.alias.example");
        self.line("dns alias.fed.alias.example CNAME real.fed.alias.example");
        self.line("dns _matrix._tcp.fed.alias.example SRV 10 5 8448 alias.fed.alias.example");
        self.addresses("real.fed.alias.example", 53);
        self.line(&format!(r#"https alias.example 200 {JSON} {{"m.server":"fed.alias.example"}}"#));
        self.line("https real.fed.alias.example:8448/ 404");
        self.srv_homeserver("alias.example", "fed.alias.example", 53);

        self.case(
            "refusing.example",
            "an SRV record that says there is no service",
            &["srv.not-offered", "well-known.unreachable"],
        );
        self.line("dns refusing.example A 192.0.2.54");
        self.line("dns _matrix-fed._tcp.refusing.example SRV 0 0 0 .");

        self.case("two-ways.example", "two SRV records that differ", &["srv.both-differ"]);
        self.line(&format!(
            r#"https two-ways.example 200 {JSON} {{"m.server":"fed.two-ways.example"}}"#
        ));
        self.line("dns _matrix-fed._tcp.fed.two-ways.example SRV 10 5 8448 a.fed.two-ways.example");
        self.line("dns _matrix._tcp.fed.two-ways.example SRV 10 5 443 old.fed.two-ways.example");
        self.addresses("a.fed.two-ways.example", 55);
        self.addresses("old.fed.two-ways.example", 56);
        self.srv_homeserver("two-ways.example", "fed.two-ways.example", 55);

        self.case("old-srv.example", "a deprecated SRV record", &["srv.deprecated"]);
        self.line(&format!(
            r#"https old-srv.example 200 {JSON} {{"m.server":"fed.old-srv.example"}}"#
        ));
        self.line("dns _matrix._tcp.fed.old-srv.example SRV 10 5 8448 a.fed.old-srv.example");
        self.addresses("a.fed.old-srv.example", 57);
        self.srv_homeserver("old-srv.example", "fed.old-srv.example", 57);
    }

    fn addresses(&mut self, host: &str, number: u8) {
        self.line(&format!("dns {host} A 192.0.2.{number}"));
        self.line(&format!("dns {host} AAAA 2001:db8::{number}"));
    }

    /// A homeserver at both addresses of that number, where an SRV record leads: `Host` is the delegated name.
    fn srv_homeserver(&mut self, name: &str, delegated: &str, number: u8) {
        let keys = self.good_keys(name);
        for address in [format!("192.0.2.{number}"), format!("2001:db8::{number}")] {
            self.line(&format!("https {delegated}:8448/ on={address} 404"));
            self.line(&format!("https {delegated}{KEYS} on={address} 200 {JSON} {keys}"));
            self.line(&format!("https {delegated}{VERSION} on={address} 200 {JSON} {SOFTWARE}"));
        }
    }

    /// Certificates of the homeserver.
    fn certificates(&mut self) {
        let broken: [(&'static str, &'static str, &'static [&'static str], u8, &str); 5] = [
            (
                "wrong-name.example",
                "a certificate for another name",
                &["tls.wrong-name"],
                60,
                "wrong-name",
            ),
            ("expired.example", "an expired certificate", &["tls.expired"], 61, "expired"),
            (
                "early.example",
                "a certificate that is not valid yet",
                &["tls.not-yet-valid"],
                62,
                "not-yet-valid",
            ),
            (
                "untrusted.example",
                "a certificate of an unknown authority",
                &["tls.untrusted"],
                63,
                "bad-cert",
            ),
            ("no-tls.example", "a TLS handshake that fails", &["tls.handshake"], 64, "bad-tls"),
        ];
        for (name, example_of, findings, number, fault) in broken {
            self.case(name, example_of, findings);
            self.delegate(name);
            self.addresses(&format!("fed.{name}"), number);
            for address in [format!("192.0.2.{number}"), format!("[2001:db8::{number}]")] {
                self.line(&format!("tcp {address}:8448 {fault}"));
            }
            let keys = self.good_keys(name);
            self.homeserver(&format!("fed.{name}:8448"), &keys);
        }
    }

    /// Answers of proxies in place of the homeserver's.
    fn answers(&mut self) {
        let broken: [(&'static str, &'static str, &'static [&'static str], &str); 5] = [
            ("proxy-404.example", "a proxy that does not know /_matrix", &["http.status"], "404"),
            ("proxy-502.example", "a proxy whose homeserver is down", &["http.status"], "502"),
            (
                "proxy-page.example",
                "a web page in place of the homeserver",
                &["http.html"],
                "200 \"Content-Type: text/html\" <html></html>",
            ),
            (
                "proxy-redirect.example",
                "a redirect in place of the homeserver",
                &["http.redirect"],
                "301 \"Location: https://www.example/\" body=\"\"",
            ),
            ("proxy-break.example", "a connection that breaks", &["http.silent"], "reset"),
        ];
        for (name, example_of, findings, answer) in broken {
            self.case(name, example_of, findings);
            self.delegate(name);
            self.line(&format!("https fed.{name}:8448{KEYS} {answer}"));
        }

        self.case(
            "proxy-host.example",
            "a proxy that does not know the Host",
            &["http.wrong-host"],
        );
        self.delegate("proxy-host.example");
        self.line(&format!("https fed.proxy-host.example:8448{KEYS} 404"));
        let keys = self.good_keys("proxy-host.example");
        self.homeserver("fed.proxy-host.example", &keys);

        self.case("versionless.example", "a server that hides its version", &["version.missing"]);
        self.delegate("versionless.example");
        let keys = self.good_keys("versionless.example");
        self.line(&format!("https fed.versionless.example:8448{KEYS} 200 {JSON} {keys}"));
        self.line(&format!("https fed.versionless.example:8448{VERSION} 404"));

        self.case("typeless.example", "keys as text/plain", &["http.content-type"]);
        self.delegate("typeless.example");
        let keys = self.good_keys("typeless.example");
        self.line(&format!(
            "https fed.typeless.example:8448{KEYS} 200 \"Content-Type: text/plain\" {keys}"
        ));
        self.line(&format!("https fed.typeless.example:8448{VERSION} 200 {JSON} {SOFTWARE}"));

        self.case("slow-clock.example", "a clock years behind", &["clock.skew"]);
        self.delegate("slow-clock.example");
        let keys = self.good_keys("slow-clock.example");
        self.line(&format!("https fed.slow-clock.example:8448{KEYS} 200 {JSON} \"Date: Tue, 01 Jan 2019 00:00:00 GMT\" {keys}"));
        self.line(&format!("https fed.slow-clock.example:8448{VERSION} 200 {JSON} {SOFTWARE}"));
    }

    /// Key documents.
    fn keys(&mut self) {
        let hour = self.valid_until(1800);
        let day = self.valid_until(86_400);
        let month = self.valid_until(30 * 86_400);
        let past = self.valid_until(-3600);
        let ahead = self.now_s.saturating_add(86_400).saturating_mul(1000);
        let key = "ed25519:a_1";
        let broken: Vec<(&'static str, &'static str, &'static [&'static str], String)> = vec![
            (
                "renamed.example",
                "a server that calls itself something else",
                &["keys.server-name"],
                signed("other.example", key, 1, &day),
            ),
            (
                "keyless.example",
                "no keys",
                &["keys.none"],
                format!(r#"{{"server_name":"keyless.example",{day}"verify_keys":{{}}}}"#),
            ),
            ("not-keys.example", "JSON that is no key document", &["keys.none"], "[]".to_owned()),
            (
                "twice.example",
                "a key document with a key twice",
                &["keys.none"],
                r#"{"server_name":"twice.example","server_name":"twice.example"}"#.to_owned(),
            ),
            (
                "forged.example",
                "a wrong signature",
                &["keys.signature"],
                signed("forged.example", key, 1, &day).replacen(
                    r#""verify_keys""#,
                    r#""x":1,"verify_keys""#,
                    1,
                ),
            ),
            (
                "past.example",
                "keys that have expired",
                &["keys.expired"],
                signed("past.example", key, 1, &past),
            ),
            (
                "soon.example",
                "keys that expire within the hour",
                &["keys.expires-within-hour"],
                signed("soon.example", key, 1, &hour),
            ),
            (
                "long.example",
                "keys that are valid for a month",
                &["keys.above-7-days"],
                signed("long.example", key, 1, &month),
            ),
            (
                "float.example",
                "a fraction among the keys",
                &["keys.non-canonical"],
                signed("float.example", key, 1, &day).replacen('{', r#"{"unsigned":{"x":1.5},"#, 1),
            ),
            (
                "old-key.example",
                "an old key that ends in the future",
                &["keys.old-in-future"],
                signed(
                    "old-key.example",
                    key,
                    1,
                    &format!(
                        r#""old_verify_keys":{{"ed25519:old":{{"expired_ts":{ahead},"key":"AAAA"}}}},|{day}"#
                    ),
                ),
            ),
        ];
        for (name, example_of, findings, keys) in broken {
            self.case(name, example_of, findings);
            self.delegate(name);
            self.homeserver(&format!("fed.{name}:8448"), &keys);
        }

        self.case("two-servers.example", "two homeservers under one name", &["keys.differ"]);
        self.delegate("two-servers.example");
        self.addresses("fed.two-servers.example", 70);
        for (address, seed) in [("192.0.2.70", 1), ("2001:db8::70", 2)] {
            let keys = signed("two-servers.example", key, seed, &self.valid_until(86_400));
            self.line(&format!(
                "https fed.two-servers.example:8448{KEYS} on={address} 200 {JSON} {keys}"
            ));
            self.line(&format!(
                "https fed.two-servers.example:8448{VERSION} on={address} 200 {JSON} {SOFTWARE}"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_a_scenario_with_a_name_for_each_case() {
        let (scenario, cases) = federation(1_800_000_000);
        assert!(cases.len() > 40);
        assert!(scenario.lines.len() > cases.len());
    }
}
