//! Runs `tests/peers` in namespaces with two addresses, a `resolv.conf` and no network.
//!
//! `tests/peers` itself decides what is compared and measured.

mod agreement;

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;

use agreement::Line;
pub(crate) use agreement::{Agreement, check};

/// The namespaces: interfaces and ports, mounts, and the host name, which would otherwise become a default search list.
const APART: [&str; 4] = ["--map-root-user", "--net", "--mount", "--uts"];

/// The setup inside: `$0` is the folder with the files, the other arguments are the program.
const READY: &str = r#"
ip link set lo up
for address in 192.0.2.53/32 192.0.2.80/32; do ip address add "$address" dev lo; done
echo peers >/proc/sys/kernel/hostname
for file in resolv.conf nsswitch.conf; do
    if [ -e "/etc/$file" ]; then mount --bind "$0/$file" "/etc/$file"; fi
done
exec "$@"
"#;

/// The setup in which every address is local: `$0` is the folder with the files, the other arguments are the program.
const EVERYWHERE: &str = r#"
ip link set lo up
ip route add local 0.0.0.0/0 dev lo
ip -6 route add local ::/0 dev lo
ip -6 address add 2001:db8:ffff::1/128 dev lo nodad
for family in ipv4 ipv6; do echo 1 >/proc/sys/net/$family/ip_nonlocal_bind; done
echo peers >/proc/sys/kernel/hostname
for file in resolv.conf nsswitch.conf hosts; do
    if [ -e "/etc/$file" ]; then mount --bind "$0/$file" "/etc/$file"; fi
done
exec "$@"
"#;

/// The number of concurrent lookups, each in a namespace of its own. They mostly wait.
const WORKERS: usize = 16;

/// The release of Synapse to compare with.
const SYNAPSE: &str = "1.163.2";

/// Whether a comparison can run.
pub(crate) enum Status<T> {
    /// It ran.
    Done(T),
    /// It was left out. The text says why, and what to do.
    LeftOut(&'static str),
}

/// Namespaces cannot be created.
const NO_NAMESPACES: &str = "this needs Linux with `unshare` and `ip` (Debian: util-linux, iproute2), and leave to make namespaces";

/// Runs the comparison of results (`agreement`), the loads that are named, or everything. Returns whether it succeeded.
/// None: it cannot run here, and a message says why.
pub(crate) fn run(
    root: &Path,
    words: &[String],
    python: Option<&Path>,
) -> io::Result<Option<bool>> {
    let (asked, loads): (Vec<_>, Vec<_>) =
        words.iter().cloned().partition(|word| word == "agreement");
    let mut well = Some(true);
    if words.is_empty() || !asked.is_empty() {
        well = match agreement(root, python)? {
            Status::Done(agreement) => {
                print!("{}", agreement.table());
                for line in &agreement.stale {
                    println!("explained, but no disagreement any more: {line}");
                }
                for line in &agreement.unexplained {
                    println!("UNEXPLAINED {line}");
                }
                Some(agreement.is_well())
            }
            Status::LeftOut(why) => {
                println!("left out: {why}");
                None
            }
        };
    }
    if words.is_empty() || !loads.is_empty() {
        let measured = measure(root, &loads)?;
        well = well.zip(measured).map(|(asked, measured)| asked && measured);
    }
    Ok(well)
}

/// Compares the results of all implementations in all suitable scenarios. Without a Python interpreter with Synapse the
/// others are compared, and a message says so.
pub(crate) fn agreement(root: &Path, python: Option<&Path>) -> io::Result<Status<Agreement>> {
    if !may() {
        return Ok(Status::LeftOut(NO_NAMESPACES));
    }
    let Some(program) = build(root)? else {
        return Err(io::Error::other("tests/peers cannot be built"));
    };
    let synapse = synapse(root, python);
    if synapse.is_none() {
        println!(
            "left out: Synapse. To have it asked: `python3 -m venv target/synapse` and \
             `target/synapse/bin/pip install matrix-synapse=={SYNAPSE}`, or --python"
        );
    }
    let folder = folder("agreement")?;
    let lines = ask(root, &folder, &program, synapse.as_deref());
    fs::remove_dir_all(&folder)?;
    Agreement::of(root, lines?).map(Status::Done)
}

/// A Python interpreter with the right release of Synapse.
fn synapse(root: &Path, python: Option<&Path>) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), Into::into);
    let python = python.map_or(target.join("synapse/bin/python3"), Path::to_owned);
    let version = "import importlib.metadata as m; print(m.version('matrix-synapse'))";
    let said = Command::new(&python).args(["-c", version]).stderr(Stdio::null()).output().ok()?;
    (String::from_utf8_lossy(&said.stdout).trim() == SYNAPSE).then_some(python)
}

/// Builds the program for the comparison of results, without release optimisations.
fn build(root: &Path) -> io::Result<Option<PathBuf>> {
    #[derive(Deserialize)]
    struct Message {
        executable: Option<PathBuf>,
    }
    let mut build = Command::new("cargo");
    without_own(&mut build).args(["build", "--quiet", "--message-format=json", "--manifest-path"]);
    build.arg(root.join("tests/peers/Cargo.toml")).stderr(Stdio::inherit());
    let said = build.output()?;
    let messages = said.stdout.split(|byte| *byte == b'\n');
    let mut programs = messages
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok()?.executable)
        .filter(|program| program.file_stem().is_some_and(|name| name == "discovery-peers"));
    Ok(programs.next_back().filter(|_| said.status.success()))
}

/// Runs workers and collects their output.
fn ask(
    root: &Path,
    folder: &Path,
    program: &Path,
    synapse: Option<&Path>,
) -> io::Result<Vec<Line>> {
    let claims = folder.join("claims");
    fs::create_dir(&claims)?;
    let mut workers: Vec<Child> = Vec::new();
    for worker in 0..WORKERS {
        let own = folder.join(worker.to_string());
        fs::create_dir(&own)?;
        let files = [
            ("resolv.conf", "nameserver 127.0.0.53\n"),
            ("nsswitch.conf", "hosts: files dns\n"),
            ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        ];
        for (name, text) in files {
            fs::write(own.join(name), text)?;
        }
        let mut command = Command::new("unshare");
        command.args(APART).args(["sh", "-ec", EVERYWHERE]).arg(&own).arg(program);
        command.arg("agree").arg(worker.to_string()).arg(root.join("tests/scenarios"));
        command.arg(&claims).arg(&own).stdout(Stdio::piped());
        if let Some(python) = synapse {
            command.arg(python).arg(root.join("tests/peers/ask_synapse.py"));
        }
        workers.push(command.spawn()?);
    }
    let mut lines = Vec::new();
    let mut well = true;
    for mut worker in workers {
        // What the others print waits in their pipes, and they wait for it.
        for line in worker.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            lines.push(serde_json::from_str(&line?)?);
        }
        well &= worker.wait()?.success();
    }
    if well { Ok(lines) } else { Err(io::Error::other("a worker has failed")) }
}

/// Whether namespaces can be created here.
fn may() -> bool {
    let mut trial = Command::new("unshare");
    trial.args(APART).args(["ip", "link", "set", "lo", "up"]).stderr(Stdio::null());
    trial.status().is_ok_and(|status| status.success())
}

/// Creates a folder for files of these programs.
fn folder(word: &str) -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("peers-{word}-{}", std::process::id()));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// Builds and measures. Returns whether it succeeded. None: it cannot run here, and a message says why.
fn measure(root: &Path, loads: &[String]) -> io::Result<Option<bool>> {
    if !may() {
        println!("left out: {NO_NAMESPACES}");
        return Ok(None);
    }
    let manifest = root.join("tests/peers/Cargo.toml");
    let options = ["--release", "--quiet", "--manifest-path"];
    let mut build = Command::new("cargo");
    without_own(&mut build).arg("build").args(options).arg(&manifest);
    if !build.status()?.success() {
        return Ok(Some(false));
    }
    let folder = folder("loads")?;
    let files =
        [("resolv.conf", "nameserver 192.0.2.53\n"), ("nsswitch.conf", "hosts: files dns\n")];
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    let mut program = Command::new("unshare");
    without_own(&mut program).args(APART).args(["sh", "-ec", READY]).arg(&folder);
    // Nothing is left to build or to fetch: this only finds the program.
    program.args(["cargo", "run", "--offline"]).args(options).arg(&manifest).arg("--").args(loads);
    let status = program.status();
    fs::remove_dir_all(&folder)?;
    Ok(Some(status?.success()))
}

/// Removes the environment variables that cargo set for this program. Build scripts read them, and dependencies would be
/// rebuilt for a call from here.
fn without_own(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}
