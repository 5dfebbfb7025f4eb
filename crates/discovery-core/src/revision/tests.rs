//! Every release's name.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn every_release_names_its_group() {
    let releases = |prefix: &'static str, range: std::ops::RangeInclusive<u8>| {
        range.map(move |minor| format!("{prefix}{minor}"))
    };
    for name in releases("r0.1.", 0..=4).chain(releases("v1.", 1..=7)) {
        assert_eq!(name.parse(), Ok(Revision::V1_7), "{name}");
    }
    for name in releases("v1.", 8..=19).chain(["latest".to_owned()]) {
        assert_eq!(name.parse(), Ok(Revision::V1_8), "{name}");
    }
    assert_eq!("draft-old".parse(), Ok(Revision::DraftOld));
    assert_eq!("draft-new".parse(), Ok(Revision::DraftNew));
    assert_eq!(Revision::default(), Revision::LATEST_RELEASE.parse().unwrap());
}

#[test]
fn what_is_no_release_is_refused() {
    let bad = [
        "", "v1.0", "v1.20", "v1.08", "v1.", "v1.8 ", "V1.8", "v2.1", "r0.1.5", "r0.1.00", "r0.1",
        "r0.2.0", "1.8", "draft", "LATEST", "v1.+8", "v1.8.1", "v1.256", "v1.264",
    ];
    for name in bad {
        assert_eq!(name.parse::<Revision>(), Err(UnknownRevision), "{name:?}");
    }
}

#[test]
fn a_revision_survives_its_own_name() {
    for revision in Revision::ALL {
        assert_eq!(revision.to_string().parse(), Ok(revision));
        let json = serde_json::to_string(&revision).unwrap();
        assert_eq!(serde_json::from_str::<Revision>(&json).unwrap(), revision);
    }
}

#[test]
fn r51_r55_r78_services_and_their_order_follow_the_revision() {
    assert_eq!(Revision::V1_8.services(), ["_matrix-fed", "_matrix"]);
    for revision in [Revision::DraftOld, Revision::DraftNew, Revision::V1_7] {
        assert_eq!(revision.services(), ["_matrix"]);
    }
}
