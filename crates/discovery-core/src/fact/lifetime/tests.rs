//! Lifetimes, by table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::name::{DnsName, Url};

/// 2019-01-30T07:35:00Z.
const NOW: u64 = 1_548_833_700;
const DATE_NOW: &str = "Wed, 30 Jan 2019 07:35:00 GMT";
const IN_33_S: &str = "Wed, 30 Jan 2019 07:35:33 GMT";
const AN_HOUR_AGO: &str = "Wed, 30 Jan 2019 06:35:00 GMT";

fn read(headers: &[(&'static str, &str)], received: Option<u64>) -> Freshness {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    Freshness::from_headers(&map, received.map(UnixTime))
}

fn seconds(headers: &[(&'static str, &str)]) -> Option<i64> {
    read(headers, Some(NOW)).seconds
}

fn control(value: &str) -> Option<i64> {
    seconds(&[("cache-control", value)])
}

#[test]
fn r117_max_age_is_read_as_a_list_of_directives() {
    for (value, expected) in [
        ("max-age=600", Some(600)),
        ("MAX-AGE=600", Some(600)),
        ("max-age=\"600\"", Some(600)),
        ("max-age=00600", Some(600)),
        ("\tmax-age=600\t", Some(600)),
        ("private , max-age=600 , public", Some(600)),
        (" , ,max-age=5,, ", Some(5)),
        ("max-age=0", Some(0)),
        ("max-age=2147483648", Some(1 << 31)),
        ("max-age=2147483649", Some(1 << 31)),
        ("max-age=99999999999999999999999", Some(1 << 31)),
        ("xmax-age=600", None),
        ("max-age-x=600", None),
        ("ext=\"a, max-age=5\"", None),
        ("ext=\"a\\\", max-age=5\", max-age=7", Some(7)),
        ("ext=\"a\\\\\", max-age=7", Some(7)),
        ("ext=\"never closed, max-age=5", Some(0)),
        ("max-age=5, ext=\"never closed", Some(0)),
        ("max-age=5, ext=\"never closed\\\"", Some(0)),
        ("public max-age=5", Some(0)),
        ("no store", Some(0)),
        ("max-age:5", Some(0)),
        ("ext=", Some(0)),
        ("max-age=5, no store", Some(5)),
        ("s-maxage=50", None),
        ("s-maxage=50, max-age=60", Some(60)),
        ("public", None),
        ("", None),
    ] {
        assert_eq!(control(value), expected, "{value:?}");
    }
}

#[test]
fn r119_the_first_of_duplicates_counts_and_what_is_unreadable_is_stale() {
    assert_eq!(control("max-age=10, max-age=20"), Some(10));
    assert_eq!(
        seconds(&[("cache-control", "max-age=10"), ("cache-control", "max-age=20")]),
        Some(10)
    );
    assert_eq!(control("max-age=x, max-age=20"), Some(0));
    for value in [
        "max-age",
        "max-age=",
        "max-age=+10",
        "max-age=-1",
        "max-age=1.5",
        "max-age=1_000",
        "max-age=abc",
        "max-age=\"",
        "max-age=\"1",
        "max-age='1'",
        "max-age=1 2",
        "max-age=0x1f",
    ] {
        assert_eq!(control(value), Some(0), "{value:?}");
    }
    assert_eq!(seconds(&[("expires", IN_33_S), ("expires", DATE_NOW)]), Some(33));
    assert_eq!(
        seconds(&[("cache-control", "max-age=abc"), ("expires", IN_33_S)]),
        Some(33),
        "the other lifetime stands in"
    );
}

#[test]
fn r120_no_store_and_no_cache_leave_no_lifetime() {
    for value in [
        "no-store",
        "NO-STORE",
        "no-cache",
        "no-store, max-age=100",
        "max-age=100, no-cache",
        "no-cache, no-store",
    ] {
        let freshness = read(&[("cache-control", value)], Some(NOW));
        assert_eq!(freshness, Freshness { seconds: Some(0), never_stale: true }, "{value}");
    }
    let qualified = read(&[("cache-control", "no-cache=\"set-cookie\", max-age=100")], Some(NOW));
    assert_eq!(qualified, Freshness { seconds: Some(100), never_stale: false });
    let must = read(&[("cache-control", "must-revalidate, max-age=600")], Some(NOW));
    assert_eq!(must, Freshness { seconds: Some(600), never_stale: true });
    assert_eq!(control("private, max-age=9"), Some(9));
    assert_eq!(seconds(&[("pragma", "no-cache")]), None);
    assert_eq!(seconds(&[("cache-control", "no-store"), ("expires", IN_33_S)]), Some(0));
}

#[test]
fn r117_expires_counts_from_date_and_after_max_age() {
    assert_eq!(seconds(&[("expires", IN_33_S)]), Some(33));
    assert_eq!(seconds(&[("expires", "Wed Jan 30 07:35:33 2019")]), Some(33));
    assert_eq!(seconds(&[("expires", "Wednesday, 30-Jan-19 07:35:33 GMT")]), Some(33));
    assert_eq!(seconds(&[("expires", IN_33_S), ("cache-control", "max-age=5")]), Some(5));
    assert_eq!(seconds(&[("expires", AN_HOUR_AGO)]), Some(-3600));
    for value in [
        "0",
        "-1",
        "",
        "garbage",
        "Wed, 30 Jan 2019 07:35:33 +0000",
        "Wed, 31 Feb 2019 07:35:33 GMT",
    ] {
        assert_eq!(seconds(&[("expires", value)]), Some(0), "{value:?} lies in the past");
    }
    // Without any clock to compare with it says nothing.
    assert_eq!(read(&[("expires", IN_33_S)], None).seconds, None);
    assert_eq!(read(&[("expires", IN_33_S), ("date", DATE_NOW)], None).seconds, Some(33));
    assert_eq!(read(&[("expires", "garbage")], None).seconds, Some(0));
}

#[test]
fn r118_age_is_what_a_cache_reports_or_the_clocks_show() {
    assert_eq!(seconds(&[("age", "90"), ("cache-control", "max-age=100")]), Some(10));
    assert_eq!(seconds(&[("age", "500"), ("cache-control", "max-age=100")]), Some(-400));
    assert_eq!(seconds(&[("date", AN_HOUR_AGO), ("cache-control", "max-age=3700")]), Some(100));
    assert_eq!(
        seconds(&[("date", AN_HOUR_AGO), ("age", "3650"), ("cache-control", "max-age=3700")]),
        Some(50)
    );
    assert_eq!(
        seconds(&[("date", IN_33_S), ("cache-control", "max-age=100")]),
        Some(100),
        "a clock that is ahead adds nothing"
    );
    assert_eq!(
        read(&[("date", AN_HOUR_AGO), ("cache-control", "max-age=100")], None).seconds,
        Some(100)
    );
    for age in ["60, 3600", "60,", ", 60", "60 , x"] {
        assert_eq!(seconds(&[("age", age), ("cache-control", "max-age=100")]), Some(40), "{age:?}");
    }
    for age in ["", "x", "-1", "1.5", "x, 60"] {
        assert_eq!(
            seconds(&[("age", age), ("cache-control", "max-age=100")]),
            Some(100),
            "{age:?}"
        );
    }
    assert_eq!(
        seconds(&[("age", "9999999999999999999999"), ("cache-control", "max-age=100")]),
        Some(100 - (1 << 31))
    );
    assert_eq!(seconds(&[("age", "90")]), None, "an age alone is no lifetime");
}

#[test]
fn r119_directives_are_read_beside_bytes_above_127() {
    let control = |value: &[u8]| {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_CONTROL, HeaderValue::from_bytes(value).unwrap());
        Freshness::from_headers(&headers, None)
    };
    let fresh = |seconds| Freshness { seconds, never_stale: false };
    let never = Freshness { seconds: Some(0), never_stale: true };
    for (value, expected) in [
        (b"max-age=600, ext=\"\xe9\"".as_slice(), fresh(Some(600))),
        (b"ext=\"\xc3\xa9, no-store\", max-age=600", fresh(Some(600))),
        (b"no-store, ext=\"\xe9\"", never),
        (b"ext=\"\xe9\", no-cache", never),
        (b"max-age=600, \xe9", fresh(Some(600))),
        (b"max-age=5\xff", fresh(Some(0))),
        (b"\xff, public", fresh(Some(0))),
        (b"ext=\"\xe9\"", fresh(None)),
        (b"no-store, ext=\"never closed", never),
        (b"ext=\"never closed, no-store", never),
        (b"ext=\"never closed, must-revalidate", never),
        (b"\"never closed, max-age=600", fresh(Some(0))),
    ] {
        assert_eq!(control(value), expected, "{:?}", value.escape_ascii().to_string());
    }
}

#[test]
fn a_response_that_varies_with_everything_is_stale() {
    for value in ["*", "accept, *", " * ,"] {
        let freshness = read(&[("vary", value), ("cache-control", "max-age=600")], Some(NOW));
        assert_eq!(freshness, Freshness { seconds: Some(0), never_stale: true }, "{value:?}");
    }
    let accept = [("vary", "accept-encoding, x*"), ("cache-control", "max-age=600")];
    assert_eq!(seconds(&accept), Some(600));
}

fn question() -> Question {
    Question::Get(Url::well_known(&DnsName::parse("a.example").unwrap()))
}

#[test]
fn a_lifetime_lies_between_floor_and_cap() {
    let life = |seconds| {
        let freshness = Freshness { seconds, never_stale: false };
        valid(freshness, &Policy::default(), 7, &question()).as_secs()
    };
    assert_eq!(life(Some(i64::MIN)), 300);
    assert_eq!(life(Some(-1)), 300);
    assert_eq!(life(Some(299)), 300);
    assert_eq!(life(Some(301)), 301);
    assert_eq!(life(Some(172_800)), 172_800);
    assert_eq!(life(Some(172_801)), 172_800);
    assert_eq!(life(Some(i64::MAX)), 172_800);
    let mut policy = Policy::default();
    (policy.well_known.min_ttl, policy.well_known.max_ttl) =
        (Duration::from_secs(9), Duration::from_secs(3));
    let none = Freshness { seconds: Some(0), never_stale: false };
    assert_eq!(
        valid(none, &policy, 7, &question()),
        Duration::from_secs(3),
        "the cap is the invariant"
    );
}

#[test]
fn r93_r96_dns_lifetimes_are_capped_and_the_top_bit_means_zero() {
    let policy = Policy::default();
    assert_eq!(records(0, &policy), Duration::ZERO);
    assert_eq!(records(300, &policy), Duration::from_secs(300));
    assert_eq!(records(0x7fff_ffff, &policy), policy.dns.max_ttl);
    assert_eq!(records(0x8000_0000, &policy), Duration::ZERO);
    assert_eq!(records(u32::MAX, &policy), Duration::ZERO);
    assert_eq!(negative(Some(60), &policy), Duration::from_secs(60));
    assert_eq!(negative(Some(86_400), &policy), policy.dns.negative_max_ttl);
    assert_eq!(negative(Some(0x8000_0000), &policy), Duration::ZERO);
    assert_eq!(negative(None, &policy), policy.dns.negative_default_ttl);
}

proptest! {
    #[test]
    fn the_default_is_jittered_by_ten_percent_and_differs_from_name_to_name(seed: u64, host in "[a-z]{1,8}") {
        let policy = Policy::default();
        let none = Freshness { seconds: None, never_stale: false };
        let life = |host: &str| valid(none, &policy, seed, &Question::Get(Url::well_known(&DnsName::parse(host).unwrap())));
        prop_assert!((77_760..=95_040).contains(&life(&host).as_secs()));
        prop_assert_eq!(life(&host), life(&host));
        prop_assert_ne!(life(&host), life(&format!("{host}x")));
    }

    #[test]
    fn a_failures_jitter_only_shortens(seed: u64, percent: u8) {
        let mut policy = Policy::default();
        policy.cache.ttl_jitter_percent = percent;
        let base = Duration::from_secs(3600);
        let life = failure(base, &policy, seed, &question());
        prop_assert!(life <= base);
        prop_assert!(life >= base - base / 100 * u32::from(percent.min(100)));
    }

    #[test]
    fn headers_of_any_kind_are_read_without_panic(
        values in proptest::collection::vec(("(cache-control|expires|date|age)", "[ -~]{0,40}"), 0..6),
        received: Option<u64>,
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in values {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(&value).unwrap());
        }
        let freshness = Freshness::from_headers(&map, received.map(UnixTime));
        let life = valid(freshness, &Policy::default(), 0, &question());
        prop_assert!((300..=172_800).contains(&life.as_secs()));
    }
}
