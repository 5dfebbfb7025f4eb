//! Key documents, good and bad.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use ring::signature::{Ed25519KeyPair, KeyPair};

use super::*;

fn signed(members: &str) -> String {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public = BASE64.encode(pair.public_key());
    let public = public.trim_end_matches('=');
    let open = format!(
        r#"{{"server_name":"example.org","verify_keys":{{"ed25519:a":{{"key":"{public}"}}}}{members}}}"#
    );
    let canonical = Json::parse(open.as_bytes()).unwrap().canonical();
    let signature = BASE64.encode(pair.sign(canonical.as_bytes()));
    let body = open.strip_suffix('}').unwrap();
    format!(r#"{body},"signatures":{{"example.org":{{"ed25519:a":"{signature}"}}}}}}"#)
}

fn signature(text: &str) -> Signature {
    Keys::read(text.as_bytes()).unwrap().verify_keys["ed25519:a"].signature
}

#[test]
fn a_signature_over_the_canonical_form_is_valid() {
    let text = signed(r#","valid_until_ts":1800000000000,"z":{"b":1,"a":"\u00e9"}"#);
    assert_eq!(signature(&text), Signature::Valid);
    let keys = Keys::read(text.as_bytes()).unwrap();
    assert_eq!(keys.valid_until_ms, Some(1_800_000_000_000));
    assert!(keys.canonical);
    assert_eq!(keys.good().count(), 1);
    let unsigned = text.replacen('{', r#"{"unsigned":{"age":5},"#, 1);
    assert_eq!(signature(&unsigned), Signature::Valid);
}

#[test]
fn changes_after_signing_are_noticed() {
    let text = signed(r#","valid_until_ts":1"#);
    assert_eq!(signature(&text.replace(":1}", ":2}").replace(":1,", ":2,")), Signature::Invalid);
    assert_eq!(signature(&text.replace("signatures", "other")), Signature::Missing);
    let short = text.replacen(r#"{"key":""#, r#"{"key":"AAAA"#, 1);
    assert_eq!(signature(&short), Signature::BadKey);
}

#[test]
fn documents_that_readers_read_differently_are_refused() {
    let twice = r#"{"server_name":"a","server_name":"b"}"#;
    assert!(Keys::read(twice.as_bytes()).unwrap_err().contains("twice"));
    assert!(Keys::read(b"[]").is_err());
    assert!(Keys::read(b"").is_err());
    let float = Keys::read(br#"{"server_name":"a","x":1.5}"#).unwrap();
    assert!(!float.canonical);
}

#[test]
fn many_keys_are_bounded() {
    let keys: Vec<String> =
        (0..500).map(|n| format!(r#""ed25519:{n}":{{"key":"AAAA"}}"#)).collect();
    let text = format!(r#"{{"server_name":"a","verify_keys":{{{}}}}}"#, keys.join(","));
    assert_eq!(Keys::read(text.as_bytes()).unwrap().verify_keys.len(), MAX_KEYS);
}
