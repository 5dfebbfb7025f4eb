//! Findings about the `.well-known` document.

use std::collections::BTreeSet;

use discovery_core::{
    BadUrl, DocumentError, Effect, Fact, Failure, HttpError, InvalidServerName, Question,
    RedirectError, ServerName, Step, UnusableResponse,
};

use super::Judge;
use super::words::{describe, is_json};
use crate::findings::Severity;
use crate::probe::{Body, DocumentProbe, Tcp};

impl Judge<'_> {
    pub(super) fn well_known(&mut self, decisive: bool) {
        let before = self.found.len();
        let decisions = self.evidence.decisions();
        let ended = |effect: &Effect| {
            matches!(
                effect,
                Effect::Delegated(_)
                    | Effect::NoDocument
                    | Effect::NoAddressForDocument
                    | Effect::RedirectLoop
                    | Effect::TooManyRedirects
                    | Effect::Aborted
            )
        };
        let Some(last) = decisions
            .iter()
            .rfind(|decision| decision.step == Step::WellKnown && ended(&decision.effect))
        else {
            return;
        };
        let url = match last.question() {
            Some(Question::Get(url)) => url.to_string(),
            Some(question) => question.to_string(),
            None => String::new(),
        };
        match (&last.effect, last.fact()) {
            (Effect::Delegated(to), _) => self.document_is_good(to),
            (Effect::RedirectLoop | Effect::TooManyRedirects, _) => {
                self.add("well-known.redirect-loop", url, &last.effect);
            }
            (Effect::NoAddressForDocument, _) => {
                let redirected =
                    decisions.iter().rev().find_map(|decision| match decision.fact() {
                        Some(Fact::Redirect(url)) => Some(url.to_string()),
                        _ => None,
                    });
                if let Some(to) = redirected {
                    self.add("well-known.redirect-no-address", to, "");
                }
            }
            (_, Some(Fact::Unusable(why))) => self.document_is_unusable(*why, &url),
            (_, Some(Fact::Failed(Failure::Http(error)))) => {
                let id = match error {
                    HttpError::CertificateName => "well-known.tls-wrong-name",
                    HttpError::CertificateExpired | HttpError::CertificateNotYetValid => {
                        "well-known.tls-expired"
                    }
                    HttpError::Certificate
                    | HttpError::CertificateAlgorithm
                    | HttpError::CertificateChain => "well-known.tls-untrusted",
                    HttpError::Timeout => "well-known.timeout",
                    HttpError::NoRoute | HttpError::Local | HttpError::WrongClock => return,
                    _ => "well-known.unreachable",
                };
                let detail = self.certificate_of_document().unwrap_or_else(|| error.to_string());
                self.add(id, url, detail);
            }
            _ => {}
        }
        if decisive {
            for finding in self.found.iter_mut().skip(before) {
                if finding.severity == Severity::Warning && finding.id.starts_with("well-known.") {
                    finding.severity = Severity::Error;
                }
            }
        }
    }

    fn certificate_of_document(&self) -> Option<String> {
        self.evidence.documents.iter().find_map(|document| {
            let tls = document.tls.as_ref()?;
            tls.verify_error.as_ref()?;
            Some(describe(tls.chain.first()?))
        })
    }

    fn document_is_unusable(&mut self, why: UnusableResponse, url: &str) {
        let documents = &self.evidence.documents;
        let value = documents.iter().find_map(|document| document.m_server.clone());
        let body = documents.iter().find_map(|document| document.body);
        let location =
            documents.iter().find_map(|document| document.answer.as_ref()?.location.clone());
        let quoted = value.map(|value| format!("\"m.server\" is {value:?}"));
        match why {
            UnusableResponse::Status(status) => {
                let found = self.add("well-known.status", url, format!("status {status}"));
                if let Some(found) = found
                    && !matches!(status, 404 | 410)
                {
                    found.severity = Severity::Warning;
                    found.title = format!("the .well-known document answers with {status}");
                }
            }
            UnusableResponse::Document(error) => {
                let id = match error {
                    DocumentError::TooLong => "well-known.too-large",
                    DocumentError::Missing if body == Some(Body::ClientDocument) => {
                        "well-known.client-document"
                    }
                    DocumentError::Missing => "well-known.no-m-server",
                    DocumentError::ServerName(InvalidServerName::Url) => {
                        "well-known.m-server-is-url"
                    }
                    DocumentError::ServerName(_)
                    | DocumentError::Unresolvable(_)
                    | DocumentError::NotAString
                    | DocumentError::Duplicate => "well-known.m-server-invalid",
                    _ if body == Some(Body::Html) => "well-known.html-page",
                    _ => "well-known.not-json",
                };
                let detail = match id {
                    "well-known.m-server-is-url" => {
                        quoted.map(|quoted| format!("{quoted}, which is a URL"))
                    }
                    "well-known.m-server-invalid" => quoted,
                    _ => None,
                };
                let fix = match id {
                    "well-known.m-server-is-url" => documents
                        .iter()
                        .find_map(|document| document.m_server.as_deref().and_then(host_of_url)),
                    _ => None,
                };
                let found = self.add(id, url, detail.unwrap_or_else(|| error.to_string()));
                if let (Some(found), Some(host)) = (found, fix) {
                    found.fix = format!("Serve this at {url}\n{{\"m.server\": \"{host}\"}}");
                }
            }
            UnusableResponse::Redirect(error) => {
                let plain = location.as_deref().is_some_and(|to| to.starts_with("http://"))
                    || matches!(error, RedirectError::Url(BadUrl::Downgrade));
                let id =
                    if plain { "well-known.http-redirect" } else { "well-known.redirect-invalid" };
                self.add(id, url, location.unwrap_or_else(|| error.to_string()));
            }
            _ => {}
        }
    }

    /// What may be odd about a document that is followed.
    fn document_is_good(&mut self, to: &ServerName) {
        let documents = &self.evidence.documents;
        let answered = |document: &&DocumentProbe| {
            document.answer.as_ref().is_some_and(|answer| answer.status < 400)
        };
        let values: BTreeSet<&String> =
            documents.iter().filter_map(|document| document.m_server.as_ref()).collect();
        if values.len() > 1 {
            let shown: Vec<String> = documents
                .iter()
                .filter_map(|document| {
                    Some(format!("{} from {}", document.m_server.as_ref()?, document.address.ip()))
                })
                .collect();
            self.add("well-known.differs", "", shown.join(", "));
        }
        let tried = documents.iter().filter(|document| document.tcp != Tcp::NoRoute);
        if documents.iter().any(|document| answered(&document)) {
            for document in tried.filter(|document| !answered(document)) {
                self.add("well-known.one-address-fails", document.address, document.said());
            }
        }
        if to.as_str() == self.evidence.name {
            self.add("well-known.delegates-to-itself", to.as_str(), "");
        }
        for answer in documents.iter().filter_map(|document| document.answer.as_ref()) {
            if answer.status != 200 {
                continue;
            }
            if !is_json(answer.content_type.as_deref()) {
                self.add(
                    "well-known.content-type",
                    "",
                    answer.content_type.clone().unwrap_or_default(),
                );
            }
            match max_age(answer.cache_control.as_deref()) {
                Some(age) if age < 300 => {
                    self.add("well-known.cache-short", "", format!("{age} s"))
                }
                Some(age) if age > 48 * 3600 => {
                    self.add("well-known.cache-above-cap", "", format!("{age} s"))
                }
                _ => None,
            };
        }
    }
}

/// Host and port of a URL that stands where a server name should.
fn host_of_url(text: &str) -> Option<String> {
    let rest = text.split_once("://")?.1;
    let host = rest.split(['/', '?', '#']).next()?;
    let name = ServerName::parse(host).ok()?;
    Some(match name.port() {
        Some(_) => name.to_string(),
        None => format!("{name}:443"),
    })
}

fn max_age(cache_control: Option<&str>) -> Option<u64> {
    cache_control?.split(',').find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok())?
    })
}
