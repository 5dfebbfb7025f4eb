//! The keys that a server publishes: `/_matrix/key/v2/server`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::json::Json;

/// Base64 as the specification writes it, without padding; padding is accepted.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Keys of one server that are looked at, at most.
pub const MAX_KEYS: usize = 64;

/// What a server publishes about its signing keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Keys {
    /// The name that the server calls itself.
    pub server_name: Option<String>,
    /// Until when the keys may be used, in milliseconds since 1970.
    pub valid_until_ms: Option<i64>,
    /// Whether the document has a canonical form.
    pub canonical: bool,
    /// The keys in use, by id; at most [`MAX_KEYS`].
    pub verify_keys: BTreeMap<String, Key>,
    /// Ids of keys no longer in use, and since when in milliseconds since 1970; at most [`MAX_KEYS`].
    pub old_verify_keys: BTreeMap<String, Option<i64>>,
}

/// A signing key in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Key {
    /// The public key in base64, as published.
    pub key: String,
    /// Whether the document is signed with it.
    pub signature: Signature,
}

/// Whether a document is signed with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Signature {
    /// It is.
    Valid,
    /// There is a signature, and it is not of this document and key.
    Invalid,
    /// There is no signature with the key.
    Missing,
    /// The key is not an Ed25519 key of 32 bytes in base64.
    BadKey,
    /// The algorithm is not `ed25519`.
    UnknownAlgorithm,
}

impl Keys {
    /// Reads the document and checks its signatures. An error is why it cannot be read.
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let json = Json::parse(text).map_err(|error| error.to_string())?;
        if !matches!(json, Json::Object(_)) {
            return Err("it is not a JSON object".to_owned());
        }
        let server_name = json.get("server_name").and_then(Json::as_text).map(str::to_owned);
        let signed = json.without(&["signatures", "unsigned"]).canonical();
        let signatures = server_name
            .as_deref()
            .and_then(|name| json.get("signatures").and_then(|all| all.get(name)));
        let published = json.get("verify_keys").into_iter().flat_map(Json::members);
        let verify_keys = published.take(MAX_KEYS).map(|(id, value)| {
            let key = value.get("key").and_then(Json::as_text).unwrap_or_default();
            let given = signatures.and_then(|all| all.get(id)).and_then(Json::as_text);
            let signature = check(id, key, given, signed.as_bytes());
            (id.clone(), Key { key: key.chars().take(100).collect(), signature })
        });
        let old = json.get("old_verify_keys").into_iter().flat_map(Json::members);
        let old_verify_keys = old
            .take(MAX_KEYS)
            .map(|(id, value)| (id.clone(), value.get("expired_ts").and_then(Json::as_integer)));
        Ok(Self {
            valid_until_ms: json.get("valid_until_ts").and_then(Json::as_integer),
            canonical: json.is_canonical(),
            verify_keys: verify_keys.collect(),
            old_verify_keys: old_verify_keys.collect(),
            server_name,
        })
    }

    /// The keys that the document is validly signed with.
    pub fn good(&self) -> impl Iterator<Item = (&String, &Key)> {
        self.verify_keys.iter().filter(|(_, key)| key.signature == Signature::Valid)
    }
}

fn check(id: &str, key: &str, signature: Option<&str>, signed: &[u8]) -> Signature {
    if !id.starts_with("ed25519:") {
        return Signature::UnknownAlgorithm;
    }
    let Some(key) = BASE64.decode(key).ok().filter(|key| key.len() == 32) else {
        return Signature::BadKey;
    };
    let Some(signature) = signature else { return Signature::Missing };
    let Ok(signature) = BASE64.decode(signature) else { return Signature::Invalid };
    match UnparsedPublicKey::new(&ED25519, key).verify(signed, &signature) {
        Ok(()) => Signature::Valid,
        Err(_) => Signature::Invalid,
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
