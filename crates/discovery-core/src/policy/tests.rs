//! The policy as text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn read(json: &str) -> Result<Policy, String> {
    serde_json::from_str(json).map_err(|why| why.to_string())
}

#[test]
fn missing_fields_take_their_defaults() {
    assert_eq!(read("{}").unwrap(), Policy::default());
    let changed =
        read(r#"{"spec": {"revision": "draft-old"}, "well_known": {"max_body": 7}}"#).unwrap();
    let mut expected = Policy::default();
    (expected.spec.revision, expected.well_known.max_body) = (Revision::DraftOld, 7);
    assert_eq!(changed, expected);
}

#[test]
fn the_default_survives_being_written() {
    let json = serde_json::to_string(&Policy::default()).unwrap();
    assert_eq!(read(&json).unwrap(), Policy::default());
}

#[test]
fn unknown_fields_and_values_are_refused() {
    for json in [
        r#"{"well_known": {"max_bodies": 1}}"#,
        r#"{"addresses": {"alow": []}}"#,
        r#"{"spec": {"revision": "v3"}}"#,
        r#"{"spec": {"speculation": "some"}}"#,
        r#"{"well_known": {"max_body": -1}}"#,
        r#"{"dns": {"max_aliases": 256}}"#,
        r#"{"spec": {"srv_failure": "go_on"}}"#,
        r#"{"addresses": {"deny": ["10.0.0.0/33"]}}"#,
        r#"{"addresses": {"static_addresses": {"a b": []}}}"#,
    ] {
        assert!(read(json).is_err(), "{json}");
    }
}

#[test]
fn an_unknown_field_is_refused_with_the_nearest_known_one() {
    let refused = |json: &str| read(json).unwrap_err();
    assert_eq!(refused(r#"{"limit": {}}"#), "unknown policy field `limit`; did you mean `limits`?");
    assert_eq!(
        refused(r#"{"cache": {"max_stael": "1h"}}"#),
        "unknown policy field `cache.max_stael`; did you mean `cache.max_stale`?"
    );
}

#[test]
fn a_duration_is_a_whole_number_and_its_unit() {
    let of =
        |text: &str| read(&format!(r#"{{"dns": {{"timeout": "{text}"}}}}"#)).map(|p| p.dns.timeout);
    assert_eq!(of("250ms").unwrap(), Duration::from_millis(250));
    assert_eq!(of("10s").unwrap(), Duration::from_secs(10));
    assert_eq!(of("5m").unwrap(), Duration::from_secs(300));
    assert_eq!(of("24h").unwrap(), Duration::from_secs(86_400));
    assert_eq!(of("0s").unwrap(), Duration::ZERO);
    for text in [
        "",
        "10",
        "s",
        "-1s",
        "1 s",
        "1S",
        "1ms2",
        "99999999999999999999s",
        "18446744073709551615h",
        "none",
        "１s",
    ] {
        assert!(of(text).is_err(), "{text:?}");
    }
}

#[test]
fn durations_take_fractions_days_and_whole_seconds() {
    let timeout =
        |text: &str| Some(read(&format!(r#"{{"dns": {{"timeout": {text}}}}}"#)).ok()?.dns.timeout);
    let millis = |text: &str| timeout(text).map(|duration| duration.as_millis());
    assert_eq!(millis(r#""1.5s""#), Some(1500));
    assert_eq!(millis(r#""0.25m""#), Some(15_000));
    assert_eq!(millis(r#""1d""#), Some(86_400_000));
    assert_eq!(millis("7"), Some(7000));
    for wrong in [
        r#""1.s""#,
        r#"".5s""#,
        r#""1.2.3s""#,
        r#""5""#,
        r#""5 s""#,
        r#""-1s""#,
        "-1",
        "1.5",
        r#""1y""#,
    ] {
        assert_eq!(timeout(wrong), None, "{wrong}");
    }
    assert_eq!(timeout(r#""99999999999999999999d""#), None, "too long to be counted");
}

#[test]
fn patience_may_be_none() {
    assert_eq!(read(r#"{"addresses": {"wait": "none"}}"#).unwrap().addresses.wait, None);
    assert_eq!(
        read(r#"{"limits": {"queue_deadline": "2m"}}"#).unwrap().limits.queue_deadline,
        Some(Duration::from_secs(120))
    );
    assert!(read(r#"{"addresses": {"wait": null}}"#).is_err());
}

proptest! {
    #[test]
    fn a_duration_of_whole_milliseconds_survives_being_written(millis in prop_oneof![any::<u32>().prop_map(u64::from), 0..100_u64, (0..10_000_u64).prop_map(|s| s * 1000)]) {
        let duration = Duration::from_millis(millis);
        let mut policy = Policy::default();
        (policy.dns.timeout, policy.addresses.wait) = (duration, Some(duration));
        let json = serde_json::to_string(&policy).unwrap();
        prop_assert_eq!(read(&json).unwrap(), policy);
    }

    #[test]
    fn reading_a_duration_never_panics(text: String) {
        let _ = duration::read(&text);
    }
}
