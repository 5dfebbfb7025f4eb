//! Replays the corpora of the fuzz targets, so that earlier findings stay fixed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

use discovery_sim::fuzz;

/// The body of a target.
type Body = fn(&[u8]);

/// Every target, with the minimum number of files in its corpus.
const TARGETS: [(&str, Body, usize); 13] = [
    ("server_name", fuzz::server_name_target, 35),
    ("machine", fuzz::machine_target, 30),
    ("cache", fuzz::cache_target, 30),
    ("export", fuzz::export_target, 30),
    ("scenario", fuzz::scenario_target, 10),
    ("document", fuzz::document_target, 10),
    ("url", discovery_oracles::url_target, 25),
    ("resolv_conf", discovery_oracles::resolv_conf_target, 10),
    ("hosts", discovery_oracles::hosts_target, 10),
    ("dns", discovery_oracles::dns_target, 30),
    ("http", discovery_oracles::http_target, 25),
    ("exchange", discovery_oracles::exchange_target, 10),
    ("freshness", discovery_oracles::freshness_target, 8),
];

fn replay(target: &str) {
    let (_, body, least) = TARGETS.iter().find(|(name, ..)| *name == target).unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = corpus.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        // A panic does not name the file, so it is printed.
        println!("{}", file.display());
        body(&bytes);
    }
    assert!(files.len() >= *least, "{target}: {}", files.len());
}

#[test]
fn every_server_name_of_the_corpus_keeps_the_rules() {
    replay("server_name");
}

#[test]
fn every_run_of_the_corpus_keeps_the_invariants() {
    replay("machine");
}

#[test]
fn every_session_of_the_corpus_agrees_with_the_model() {
    replay("cache");
}

#[test]
fn every_text_of_the_corpora_is_read_as_others_read_it() {
    for target in ["scenario", "document", "url", "resolv_conf", "hosts", "freshness"] {
        replay(target);
    }
}

#[test]
fn every_message_of_the_corpora_is_read_the_same_in_every_split() {
    for target in ["dns", "http", "exchange"] {
        replay(target);
    }
}

#[test]
fn every_target_is_replayed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let stem = |file: std::io::Result<std::fs::DirEntry>| {
        file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()
    };
    let there: BTreeSet<String> = targets.read_dir().unwrap().map(stem).collect();
    let replayed: BTreeSet<String> = TARGETS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(there, replayed);
}

#[test]
fn every_export_of_the_corpus_is_refused_or_read_and_written_as_it_is() {
    replay("export");
}
