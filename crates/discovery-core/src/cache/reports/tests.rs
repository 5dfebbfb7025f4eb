//! How long places rest, and how often facts are doubted, at their edges. Callers' view of it is in the tests of the whole resolver.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_secs(100_000 + seconds)
}

/// Back-offs of a minute to four.
fn reports() -> Reports {
    let (first, longest) = (Duration::from_secs(60), Duration::from_secs(240));
    let mut policy = Policy::default();
    (policy.feedback.backoff, policy.feedback.max_backoff) = (first, longest);
    Reports::new(&policy, crate::config::HashKey::default())
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

fn place() -> SocketAddr {
    "192.0.2.1:443".parse().unwrap()
}

/// How often in a row the place has failed, and for how many seconds it rests from now on.
fn rest(reports: &Reports, now: Instant) -> (u8, u64) {
    let failed = reports.iter().next().unwrap();
    (failed.times, failed.rests_until.saturating_duration_since(now).as_secs())
}

#[test]
fn a_place_rests_twice_as_long_each_further_time_and_anew_after_the_longest_back_off() {
    let mut reports = reports();
    let mut fails = |second| {
        reports.note(&name("a.example"), place(), Feedback::ConnectFailed, at(second));
        assert!(reports.cannot_connect(place(), at(second)), "{second}");
        rest(&reports, at(second))
    };
    assert_eq!(fails(0), (1, 60));
    assert_eq!(fails(59), (1, 1), "it is told of while it rests");
    assert_eq!(fails(60), (2, 120));
    assert_eq!(fails(180), (3, 240));
    assert_eq!(fails(420), (4, 240), "no longer than that");
    assert_eq!(fails(660 + 239), (5, 240));
    assert_eq!(fails(660 + 239 + 480), (1, 60), "it has not failed for so long");
}

#[test]
fn a_place_that_fails_for_one_name_is_as_good_as_before_for_others() {
    let mut reports = reports();
    reports.note(&name("a.example"), place(), Feedback::TlsFailed, at(0));
    let rests = |of: &str| reports.look(&name(of), at(1))(place());
    assert_eq!(rests("a.example"), Some(Feedback::TlsFailed));
    assert_eq!(rests("b.example"), None);
    assert!(!reports.cannot_connect(place(), at(1)));
}

#[test]
fn only_the_facts_behind_names_that_are_doubted_are_asked_again_and_only_once_they_are_old_enough()
{
    let mut reports = reports();
    let (doubted, other) = (name("a.example"), name("b.example"));
    assert!(!reports.is_due(&doubted, at(0)), "nothing has been told");
    assert!(!reports.doubt(&doubted, at(0), at(59)));
    assert!(!reports.is_due(&doubted, at(59)));
    assert!(reports.is_due(&doubted, at(60)));
    assert!(!reports.is_due(&other, at(60)));
    reports.asked(&doubted, at(60));
    assert!(!reports.is_due(&doubted, at(9999)), "nobody has told anything since");
    assert!(reports.doubt(&doubted, at(60), at(9999)));
    assert!(reports.is_due(&doubted, at(9999)));
    reports.note(&doubted, place(), Feedback::Connected, at(9999));
    assert!(!reports.is_due(&doubted, at(9999)), "it works");
}

#[test]
fn facts_that_are_doubted_again_and_again_are_asked_less_and_less_and_anew_after_a_long_time() {
    let mut reports = reports();
    let name = name("a.example");
    // When they may be asked again, in seconds after they were asked.
    let mut asked = |second| {
        assert!(reports.doubt(&name, at(0), at(second)), "{second}");
        reports.asked(&name, at(second));
        let _ = reports.doubt(&name, at(0), at(second));
        (0..).find(|later| reports.is_due(&name, at(second + later))).unwrap()
    };
    assert_eq!(asked(100), 60);
    assert_eq!(asked(160), 120);
    assert_eq!(asked(280), 240);
    assert_eq!(asked(520), 240, "no longer than that");
    assert_eq!(asked(520 + 479), 240, "two of the longest back-offs have not passed");
    assert_eq!(asked(520 + 479 + 480), 60, "they have");
}
