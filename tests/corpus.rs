//! The corpora of the fuzz targets, replayed: what was found once stays found.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::path::Path;

use discovery_sim::fuzz;

fn replay(target: &str, body: fn(&[u8])) -> usize {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = corpus.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        // A failure's panic does not name the file: this does, where output is shown.
        println!("{}", file.display());
        body(&bytes);
    }
    files.len()
}

#[test]
fn every_server_name_of_the_corpus_keeps_the_rules() {
    assert!(replay("server_name", fuzz::server_name_target) >= 20);
}

#[test]
fn every_run_of_the_corpus_keeps_the_promises() {
    assert!(replay("machine", fuzz::machine_target) >= 30);
}

#[test]
fn every_life_of_the_corpus_is_what_the_model_allows() {
    assert!(replay("cache", fuzz::cache_target) >= 30);
}

#[test]
fn every_export_of_the_corpus_is_refused_or_read_and_written_as_it_is() {
    assert!(replay("export", fuzz::export_target) >= 30);
}
