//! Lifetimes from headers, as `http-cache-semantics` computes them.
//!
//! Headers are built from parts that both should read alike. The other library treats directives as case-sensitive and
//! duplicates as invalid, and ignores the age by the clocks and the largest number; this project follows RFC 9111.

use std::time::{Duration, SystemTime};

use discovery_core::{Freshness, UnixTime};
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_cache_semantics::{CacheOptions, CachePolicy};

/// The time of the response.
const NOW: u64 = 1_700_000_000;

/// Builds headers from bytes, a few bits each.
///
/// # Panics If the lifetimes differ and RFC 9111 does not explain it.
pub fn freshness_target(bytes: &[u8]) {
    let mut bytes = bytes.iter().copied();
    let mut next = || bytes.next().unwrap_or_default();
    let mut number = || u64::from(u16::from_be_bytes([next(), next()]));
    let which = number();
    let has = |bit: u32| which >> bit & 1 == 1;
    let (max_age, expires, date, age) = (number(), number(), number(), number());
    let mut control = Vec::new();
    if has(0) {
        control.push(format!("max-age={max_age}"));
    }
    if has(1) {
        control.push("no-store".to_owned());
    }
    if has(2) {
        control.push("no-cache".to_owned());
    }
    if has(3) {
        control.push("must-revalidate".to_owned());
    }
    if has(4) {
        control.push("private".to_owned());
    }
    if has(5) {
        control.push(format!("s-maxage={expires}"));
    }
    if has(6) {
        control.push(format!("stale-while-revalidate={age}"));
    }
    if has(7) {
        control.reverse();
    }
    let mut headers = HeaderMap::new();
    let mut put = |name, text: String| match HeaderValue::from_str(&text) {
        Ok(value) => drop(headers.append(name, value)),
        Err(error) => unreachable!("{error}"),
    };
    if has(8) {
        control.drain(..).for_each(|one| put(CACHE_CONTROL, one));
    } else if !control.is_empty() {
        put(CACHE_CONTROL, control.join(", "));
    }
    let time = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let written = |seconds| httpdate::fmt_http_date(time(seconds));
    // In half of all cases the clocks agree; otherwise the server's is behind or ahead.
    let sent = if has(9) { NOW } else { NOW - 30_000 + date };
    if has(10) {
        put(DATE, written(sent));
    }
    if has(11) {
        put(EXPIRES, if has(12) { "0".to_owned() } else { written(NOW - 20_000 + expires) });
    }
    let age = if has(13) { age } else { 0 };
    if has(13) {
        put(AGE, age.to_string());
    }
    let ours = Freshness::from_headers(&headers, Some(UnixTime(NOW)));
    let request = Request::get("https://a.example/").body(());
    let mut response = Response::new(());
    *response.headers_mut() = headers.clone();
    let options = CacheOptions { shared: false, ..CacheOptions::default() };
    let Ok(request) = request else { return };
    let theirs = CachePolicy::new_options(&request, &response, time(NOW), options);
    let theirs = theirs.time_to_live(time(NOW)).as_secs();
    let Some(seconds) = ours.seconds else {
        assert!(!has(0) && !has(1) && !has(2) && !has(11), "something was said: {headers:?}");
        return;
    };
    let seconds = u64::try_from(seconds).unwrap_or(0);
    // RFC 9111 §4.2.3: the age is also what the clocks show, which it leaves out.
    let apparent = if has(10) { NOW.saturating_sub(sent) } else { 0 };
    if apparent <= age {
        assert_eq!(seconds, theirs, "{headers:?}");
    } else {
        assert_eq!(seconds, (theirs + age).saturating_sub(apparent).min(theirs), "{headers:?}");
    }
    assert_eq!(ours.never_stale, has(1) || has(2) || has(3), "{headers:?}");
}
