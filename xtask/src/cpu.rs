//! CPU time of this program and of its children, which is independent of other load on the machine.
//!
//! It does not know what they do.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// The CPU time of all children that have ended, and of their children.
pub(crate) fn of_children() -> Duration {
    used(UsageWho::RUSAGE_CHILDREN)
}

/// The CPU time of this program and of all children that have ended.
pub(crate) fn of_all() -> Duration {
    used(UsageWho::RUSAGE_SELF).saturating_add(of_children())
}

/// Zero on systems that do not report it.
fn used(who: UsageWho) -> Duration {
    let Ok(usage) = getrusage(who) else { return Duration::ZERO };
    let part = |time: TimeVal| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
        let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
        Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros))
    };
    part(usage.user_time()).saturating_add(part(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{of_all, of_children};

    #[test]
    fn cpu_time_of_a_child_counts_once_it_has_ended() {
        let before = of_children();
        let output = Command::new("rustc").arg("--version").arg("--verbose").output();
        assert!(output.is_ok_and(|output| output.status.success()));
        assert!(of_children() > before);
        assert!(of_all() >= of_children());
    }
}
