//! The lab's certificate authority, and certificates for any name: good ones, and bad ones of six kinds.
//!
//! Knows nothing of connections.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use std::{fmt, fs};

use discovery_core::{TlsName, UnixTime};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The maximum number of certificates kept; clients choose the names.
const MAX_KEPT: usize = 4096;

/// The flaw of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flaw {
    /// Nothing.
    None,
    /// Its issuer is unknown.
    Stranger,
    /// It is for another name.
    OtherName,
    /// It has expired.
    Expired,
    /// Its validity period begins in the year 3000.
    NotYetValid,
    /// It claims to be signed by ECDSA P-256 with SHA-512, which ring does not support.
    Algorithm,
    /// It comes with ten certificates of authorities.
    LongChain,
}

/// A certificate authority for tests alone: its key is kept in memory.
pub struct Authority {
    provider: Arc<CryptoProvider>,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    stranger: Issuer<'static, KeyPair>,
    client: OnceLock<Arc<ClientConfig>>,
    /// One key for every leaf: what differs is the name.
    leaf: KeyPair,
    kept: Mutex<BTreeMap<(TlsName, Flaw), Arc<ServerConfig>>>,
    /// A domain, and the certificate that all names directly under it share.
    common: Option<(String, Arc<ServerConfig>)>,
}

#[derive(Debug)]
struct StoppedClock(UnixTime);

impl TimeProvider for StoppedClock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let since = Duration::from_secs(self.0.0);
        Some(rustls::pki_types::UnixTime::since_unix_epoch(since))
    }
}

/// A certificate could not be made.
#[derive(Debug)]
pub struct CertificateTrouble(String);

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    /// When the machine gives no randomness for its keys.
    pub fn new() -> Result<Self, CertificateTrouble> {
        let (issuer, certificate, pem) = authority("matrix-discovery lab")?;
        let (stranger, _, _) = authority("matrix-discovery lab stranger")?;
        Ok(Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            issuer,
            certificate,
            pem,
            stranger,
            client: OnceLock::new(),
            leaf: KeyPair::generate()?,
            kept: Mutex::default(),
            common: None,
        })
    }

    /// Makes a new authority with one wildcard certificate for all names directly under a domain.
    ///
    /// # Errors
    /// When the machine gives no randomness for its keys, and where the domain is no DNS name.
    pub fn for_all_under(domain: &str) -> Result<Self, CertificateTrouble> {
        let mut authority = Self::new()?;
        let config = authority.make(&format!("*.{domain}"), Flaw::None)?;
        authority.common = Some((domain.to_owned(), Arc::new(config)));
        Ok(authority)
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's own certificate, as a file that TLS libraries and tools read.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes [`pem`](Self::pem) to a file. An existing file is replaced in one step, so that no reader sees half of it; a symbolic link
    /// is replaced, not followed. Anything else that exists there, such as a terminal, is written to.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return fs::write(path, &self.pem);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut new = authority_file().tempfile_in(folder.unwrap_or(Path::new(".")))?;
        new.write_all(self.pem.as_bytes())?;
        new.persist(path)?;
        Ok(())
    }

    /// Writes [`pem`](Self::pem) to a new file in the temporary directory. It is not removed.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_to_temporary(&self) -> io::Result<PathBuf> {
        let mut new = authority_file().tempfile()?;
        new.write_all(self.pem.as_bytes())?;
        let (_, path) = new.keep()?;
        Ok(path)
    }

    /// The configuration of a TLS server with a certificate for this name or IP address: for servers beside the lab.
    ///
    /// # Errors
    /// When the name is no name that a certificate can hold.
    pub fn tls_server(&self, name: &str) -> Result<ServerConfig, CertificateTrouble> {
        self.make(name, Flaw::None)
    }

    /// A client's configuration that trusts this authority, and no other.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        Arc::clone(self.client.get_or_init(|| self.make_client_config()))
    }

    /// The same with a clock that stands still at this time; None: the system's clock.
    pub(crate) fn client_config_at(&self, clock: Option<UnixTime>) -> Arc<ClientConfig> {
        let config = self.client_config();
        let Some(clock) = clock else { return config };
        let mut config = ClientConfig::clone(&config);
        config.time_provider = Arc::new(StoppedClock(clock));
        Arc::new(config)
    }

    fn make_client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        // A certificate that this authority has made for itself is always one.
        let _ = roots.add(self.certificate.clone());
        let config = discovery_wire::client_config((*self.provider).clone(), roots);
        #[expect(
            clippy::expect_used,
            reason = "there is a root, and ring supports the default versions"
        )]
        let config = config.expect("there is a root, and ring supports the default versions");
        Arc::new(config)
    }

    /// The configuration of a server with a certificate for `name`, flawed or not.
    pub(crate) fn server_config(
        &self,
        name: &TlsName,
        flaw: Flaw,
    ) -> Result<Arc<ServerConfig>, CertificateTrouble> {
        if let Some((domain, config)) = &self.common
            && flaw == Flaw::None
            && name.to_string().split_once('.').is_some_and(|(_, parent)| parent == domain)
        {
            return Ok(Arc::clone(config));
        }
        let key = (name.clone(), flaw);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = kept.get(&key) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make(&name.to_string(), flaw)?);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&config));
        Ok(config)
    }

    fn make(&self, name: &str, flaw: Flaw) -> Result<ServerConfig, CertificateTrouble> {
        let mut params = CertificateParams::default();
        let shown = if flaw == Flaw::OtherName { "another.invalid" } else { name };
        params.subject_alt_names = vec![match shown.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(shown.try_into()?),
        }];
        params.distinguished_name.push(DnType::CommonName, "matrix-discovery lab server");
        params.serial_number = Some(SerialNumber::from_slice(&fingerprint(shown).to_be_bytes()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if flaw == Flaw::Expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        if flaw == Flaw::NotYetValid {
            params.not_before = date_time_ymd(3000, 1, 1);
        }
        let issuer = if flaw == Flaw::Stranger { &self.stranger } else { &self.issuer };
        let certificate = params.signed_by(&self.leaf, issuer)?;
        let leaf = if flaw == Flaw::Algorithm {
            with_sha512(certificate.der())
        } else {
            certificate.der().clone()
        };
        let mut chain = vec![leaf];
        if flaw == Flaw::LongChain {
            chain.extend(std::iter::repeat_n(self.certificate.clone(), 10));
        }
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.leaf.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        // Every connection is a new acquaintance.
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

fn authority(
    name: &str,
) -> Result<(Issuer<'static, KeyPair>, CertificateDer<'static>, String), CertificateTrouble> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    let (der, pem) = (certificate.der().clone(), certificate.pem());
    Ok((Issuer::new(params, key), der, pem))
}

/// The certificate with `ecdsa-with-SHA512` in place of `ecdsa-with-SHA256` as its signature algorithm. Clients look at the algorithm
/// before they verify the signature, so it need not be a good one.
fn with_sha512(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
    const SHA256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let mut der = certificate.to_vec();
    let places: Vec<usize> = der
        .windows(SHA256.len())
        .enumerate()
        .filter(|(_, it)| *it == SHA256)
        .map(|(at, _)| at)
        .collect();
    for place in places {
        if let Some(last) = der.get_mut(place.saturating_add(SHA256.len() - 1)) {
            *last = 4;
        }
    }
    der.into()
}

/// FNV-1a, without the sign that DER would give it.
fn fingerprint(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (hash >> 2) | 1
}

/// A file for an authority's certificate, readable by everyone.
fn authority_file() -> tempfile::Builder<'static, 'static> {
    let mut file = tempfile::Builder::new();
    file.prefix("matrix-discovery-lab-").suffix(".pem");
    #[cfg(unix)]
    file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    file
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl fmt::Display for CertificateTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a certificate could not be made: {}", self.0)
    }
}

impl std::error::Error for CertificateTrouble {}

impl From<rcgen::Error> for CertificateTrouble {
    fn from(error: rcgen::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rustls::Error> for CertificateTrouble {
    fn from(error: rustls::Error) -> Self {
        Self(error.to_string())
    }
}
