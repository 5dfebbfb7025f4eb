//! The lab with a world of the user's own.

use std::fs;

use super::*;

#[test]
fn the_lab_serves_the_world_of_a_file_and_prints_where() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("own.scenario");
    fs::write(&world, "dns own.example A 192.0.2.1\n").unwrap();
    let mut child = typing(program().arg("lab").arg("--world").arg(&world));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let value = |name: &str| {
        let word = line.split_whitespace().find_map(|word| word.strip_prefix(name));
        word.unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    assert!(value("FRONT_DOOR=").starts_with("127.0.0.1:"));
    let (server, ca_file) = (value("NAMESERVER="), value("CA_FILE="));
    let output = run(&[
        "resolve",
        "--nameserver",
        &server,
        "--ca-file",
        &ca_file,
        "--any-address",
        "--short",
        "own.example:1",
    ]);
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(ca_file).unwrap();
    assert!(text(&output.stdout).contains("192.0.2.1:1"), "{output:?}");
    fs::write(&world, "dns own.example A nonsense\n").unwrap();
    let output = run(&["lab", "--world", world.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("line 1"), "{output:?}");
}
