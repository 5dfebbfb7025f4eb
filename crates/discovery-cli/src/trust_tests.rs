//! Files of certificates, good and bad.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn pem() -> String {
    discovery_lab::Authority::for_all_under("example.org").unwrap().pem().to_owned()
}

fn added(text: &str) -> Result<usize, String> {
    let mut roots = RootCertStore::empty();
    add(text.as_bytes(), &mut roots).map(|()| roots.len())
}

#[test]
fn what_stands_between_certificates_is_skipped() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    let locked = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END RSA PRIVATE KEY-----\n";
    let text = format!("Subject: a\n{}{key}some text\n{locked}{}", pem(), pem());
    assert_eq!(added(&text), Ok(2));
    assert_eq!(added(&text.replace('\n', "\r\n")), Ok(2));
    assert_eq!(added(&pem().replace(" CERTIFICATE", " X509 CERTIFICATE")), Ok(1));
    assert_eq!(added(pem().trim_end()), Ok(1));
}

#[test]
fn a_broken_certificate_is_named_by_its_number() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for bad in [
        broken,
        "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n",
        "-----BEGIN CERTIFICATE-----\n",
    ] {
        let text = format!("{}{bad}{}", pem(), pem());
        let why = added(&text).unwrap_err();
        assert!(why.starts_with("certificate 2 in it is broken: "), "{why}");
        let why = added(bad).unwrap_err();
        assert!(why.starts_with("certificate 1 in it is broken: "), "{why}");
    }
}

#[test]
fn what_holds_no_certificate_says_what_it_is() {
    for (text, why) in [
        ("", "empty"),
        ("\n", "no certificate"),
        ("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "no certificate"),
        (
            "-----BEGIN TRUSTED CERTIFICATE-----\nMIIB\n-----END TRUSTED CERTIFICATE-----\n",
            "TRUSTED",
        ),
    ] {
        assert!(added(text).unwrap_err().contains(why), "{text}");
    }
    let mut roots = RootCertStore::empty();
    assert!(add(&[0x30, 0x82, 1, 2], &mut roots).unwrap_err().contains("DER"));
    assert!(add_file(Path::new("/"), &mut roots).is_err());
}
