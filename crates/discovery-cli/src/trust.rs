//! Certificate authorities that the operator names, by an option or by the environment.
//!
//! What is named and can't be used is an error that says which file and why: going on with other authorities would give other answers.
//! As with OpenSSL, authorities that are named are trusted in place of the system's.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::{env, fmt};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The maximum size of a certificate file, in bytes. That of the system is below 1 MB.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// The authorities that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, those of both; None: neither is set to anything.
pub(crate) fn from_environment() -> Result<Option<RootCertStore>, String> {
    let named = |variable| env::var_os(variable).filter(|value| !value.is_empty());
    let (file, folders) = (named("SSL_CERT_FILE"), named("SSL_CERT_DIR"));
    if file.is_none() && folders.is_none() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        let path = Path::new(&file);
        add_file(path, &mut roots)
            .map_err(|why| format!("SSL_CERT_FILE {}: {why}", path.display()))?;
    }
    for folder in folders.iter().flat_map(env::split_paths) {
        if folder.as_os_str().is_empty() {
            continue;
        }
        add_folder(&folder, &mut roots)
            .map_err(|why| format!("SSL_CERT_DIR {}: {why}", folder.display()))?;
    }
    if roots.is_empty() {
        return Err("SSL_CERT_DIR: it names no directory".to_owned());
    }
    Ok(Some(roots))
}

/// Adds all certificates of a file in PEM. What stands between them is skipped (RFC 7468 §2).
pub(crate) fn add_file(path: &Path, roots: &mut RootCertStore) -> Result<(), String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(MAX_FILE).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(read) == Ok(MAX_FILE) {
        return Err("it is too large for a file of certificates".to_owned());
    }
    add(&text, roots)
}

fn add_folder(folder: &Path, roots: &mut RootCertStore) -> Result<(), String> {
    // It is opened here for a plain reason where that fails.
    std::fs::read_dir(folder).map_err(|error: io::Error| error.to_string())?;
    let found = rustls_native_certs::load_certs_from_paths(None, Some(folder));
    let (added, _) = roots.add_parsable_certificates(found.certs);
    match (added, found.errors.first()) {
        (0, Some(why)) => Err(why.to_string()),
        (0, None) => Err("there is no certificate in it".to_owned()),
        _ => Ok(()),
    }
}

fn add(text: &[u8], roots: &mut RootCertStore) -> Result<(), String> {
    let mut number = 0_usize;
    let mut lines = Lines { text, at: 0 };
    while let Some((start, line)) = lines.next() {
        match line {
            b"-----BEGIN CERTIFICATE-----" | b"-----BEGIN X509 CERTIFICATE-----" => {}
            b"-----BEGIN TRUSTED CERTIFICATE-----" => {
                return Err("it holds a TRUSTED CERTIFICATE, which only OpenSSL reads; \
                            `openssl x509` makes a plain one of it"
                    .to_owned());
            }
            _ => continue,
        }
        number = number.saturating_add(1);
        let broken =
            |why: &dyn fmt::Display| format!("certificate {number} in it is broken: {why}");
        let end = loop {
            match lines.next() {
                Some((_, line)) if line.starts_with(b"-----END ") => break lines.at,
                Some((_, line)) if !line.starts_with(b"-----BEGIN ") => {}
                Some(_) | None => return Err(broken(&"it has no end")),
            }
        };
        let block = text.get(start..end).unwrap_or_default();
        let block = String::from_utf8_lossy(block).replace("X509 CERTIFICATE", "CERTIFICATE");
        let certificate =
            CertificateDer::from_pem_slice(block.as_bytes()).map_err(|error| broken(&error))?;
        roots.add(certificate).map_err(|error| broken(&error))?;
    }
    match (number, text) {
        (0, []) => Err("it is empty".to_owned()),
        // A sequence whose length takes two octets, as that of each certificate.
        (0, [0x30, 0x82, ..]) => {
            Err("it is DER, and must be PEM: `openssl x509 -inform der` makes that of it"
                .to_owned())
        }
        (0, _) => Err("there is no certificate in it: it must be PEM".to_owned()),
        _ => Ok(()),
    }
}

/// Lines without the blanks at their ends, and where they begin.
struct Lines<'a> {
    text: &'a [u8],
    /// Where the next line begins.
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (start, rest) = (self.at, self.text.get(self.at..)?);
        let line = rest.split_inclusive(|byte| *byte == b'\n').next()?;
        self.at = self.at.saturating_add(line.len());
        Some((start, line.trim_ascii_end()))
    }
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
