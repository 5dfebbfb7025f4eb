//! Compares a result with the expected one.
//!
//! Choices that the specification leaves open are not compared: the order among addresses of one priority, and the kind of
//! an error.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use discovery_sim::{Addresses, Done, Wanted};

use super::answer::{Answer, Lead};
use super::cases::Case;

/// The differences between a result and the expected one.
pub fn differences(case: &Case, answer: &Answer) -> Vec<String> {
    let against = |wanted: &Wanted| match (wanted, answer) {
        (Wanted::Fail(_), Answer::Fails(_)) => Vec::new(),
        (Wanted::Fail(kind), Answer::Leads(lead)) => {
            vec![format!("must fail ({kind}), leads to {}", shown(lead))]
        }
        (Wanted::Done(_), Answer::Fails(why)) => vec![format!("must lead somewhere, fails: {why}")],
        (Wanted::Done(done), Answer::Leads(lead)) => of_lead(case, done, lead),
    };
    let nearest = case.expect.wanted.iter().map(against).min_by_key(Vec::len);
    nearest.unwrap_or_default()
}

fn of_lead(case: &Case, done: &Done, lead: &Lead) -> Vec<String> {
    let mut found = Vec::new();
    let all: BTreeSet<SocketAddr> = done
        .targets
        .iter()
        .flat_map(|target| match target {
            Addresses::One(place) => vec![*place],
            Addresses::AnyOrder(places) => places.iter().copied().collect(),
        })
        .collect();
    if !all.is_empty() {
        let first = case.first_group();
        let begins = |place: &SocketAddr| match &first {
            Some(group) => group.contains(place),
            None => all.contains(place),
        };
        let right = lead.places.first().is_some_and(begins);
        if !right || lead.places.iter().any(|place| !all.contains(place)) {
            let all: Vec<String> = all.iter().map(SocketAddr::to_string).collect();
            found.push(format!("must connect to {}, connects to {}", all.join(" "), places(lead)));
        }
    }
    if let Some(host) = done.host.as_ref().filter(|host| **host != lead.host) {
        found.push(format!("must send Host {host}, sends {}", lead.host));
    }
    if let (Some(wanted), Some(got)) = (&done.tls, &lead.tls)
        && plain(wanted) != plain(got)
    {
        found.push(format!("must demand a certificate for {wanted}, demands one for {got}"));
    }
    if let (Some(wanted), Some(got)) = (&done.sni, &lead.sni)
        && !wanted.as_deref().unwrap_or_default().eq_ignore_ascii_case(got)
    {
        let shown = |sni: &str| if sni.is_empty() { "none".to_owned() } else { sni.to_owned() };
        let wanted = shown(wanted.as_deref().unwrap_or_default());
        found.push(format!("must indicate {wanted}, indicates {}", shown(got)));
    }
    found
}

/// A name for a certificate in normal form: case-insensitive (R122), addresses as addresses.
fn plain(name: &str) -> String {
    match name.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => ip.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

fn places(lead: &Lead) -> String {
    let places: Vec<String> = lead.places.iter().take(6).map(SocketAddr::to_string).collect();
    places.join(" ")
}

fn shown(lead: &Lead) -> String {
    format!("{} with Host {}", places(lead), lead.host)
}
