//! Runs `tests/peers` in a machine of its own: namespaces with two addresses, a `resolv.conf`, and no network.
//!
//! Knows nothing of what is measured.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is apart: interfaces and ports, mounted files, the host's name (of which a default search list would be made).
const APART: [&str; 4] = ["--map-root-user", "--net", "--mount", "--uts"];

/// What is made ready inside: `$0` is the folder with the files, the rest is the program.
const READY: &str = r#"
ip link set lo up
for address in 192.0.2.53/32 192.0.2.80/32; do ip address add "$address" dev lo; done
echo peers >/proc/sys/kernel/hostname
for file in resolv.conf nsswitch.conf; do
    if [ -e "/etc/$file" ]; then mount --bind "$0/$file" "/etc/$file"; fi
done
exec "$@"
"#;

/// Builds and measures. Whether it went well; None: it cannot be done here, which has been said.
pub(crate) fn run(root: &Path, loads: &[String]) -> io::Result<Option<bool>> {
    let mut trial = Command::new("unshare");
    trial.args(APART).args(["ip", "link", "set", "lo", "up"]).stderr(Stdio::null());
    if !trial.status().is_ok_and(|status| status.success()) {
        println!("skipped: this needs Linux with `unshare` and `ip`, and leave to make namespaces");
        return Ok(None);
    }
    let manifest = root.join("tests/peers/Cargo.toml");
    let options = ["--release", "--quiet", "--manifest-path"];
    let mut build = Command::new("cargo");
    without_own(&mut build).arg("build").args(options).arg(&manifest);
    if !build.status()?.success() {
        return Ok(Some(false));
    }
    let folder = std::env::temp_dir().join(format!("peers-{}", std::process::id()));
    fs::create_dir(&folder)?;
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

/// Without what cargo has told this program about itself: a build script among the dependencies reads it, and they would be built
/// once for who calls cargo by hand and once more from here.
fn without_own(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}
