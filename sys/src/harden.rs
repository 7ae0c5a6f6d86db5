//! What a process that holds secrets gives up, and the one limit it raises.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use std::io;

/// Makes this process non-dumpable (`PR_SET_DUMPABLE` 0: no `ptrace`, no `/proc/PID/mem` for the same user) and forbids
/// core files, for good (`RLIMIT_CORE` 0, soft and hard).
///
/// An `exec` makes the process dumpable again: it is called by every program itself, first of all.
///
/// # Errors
/// What prctl(2) or setrlimit(2) says; neither happens on Linux.
pub fn harden_process() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// No `exec` of this thread, or of what it starts from now on, gains privileges by set-id bits (`PR_SET_NO_NEW_PRIVS`).
/// It cannot be undone. To be called while there is one thread only.
///
/// # Errors
/// What prctl(2) says: `EINVAL` before Linux 3.5.
pub fn set_no_new_privs() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// Raises the soft limit of open files to the hard one, and says what it is; `u64::MAX` is no limit.
///
/// # Errors
/// What setrlimit(2) says: `EPERM` if the hard limit is above the kernel's `fs.nr_open`.
pub fn raise_nofile() -> io::Result<u64> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{harden_process, raise_nofile, set_no_new_privs};
    use crate::testing::alone;
    use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit};

    #[test]
    fn hardening_stays() {
        alone("harden::tests::hardening_stays", || {
            assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable, "control");
            harden_process().unwrap();
            assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
            let none = Rlimit { current: Some(0), maximum: Some(0) };
            assert_eq!(getrlimit(Resource::Core), none);
            harden_process().unwrap();
        });
    }

    #[test]
    fn no_new_privileges_shows_in_proc() {
        alone("harden::tests::no_new_privileges_shows_in_proc", || {
            let told = || {
                let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
                status.lines().find_map(|line| line.strip_prefix("NoNewPrivs:").map(|v| v.trim().to_owned()))
            };
            assert_eq!(told().as_deref(), Some("0"), "control");
            set_no_new_privs().unwrap();
            assert_eq!(told().as_deref(), Some("1"));
        });
    }

    #[test]
    fn the_soft_limit_of_files_rises_to_the_hard_one() {
        alone("harden::tests::the_soft_limit_of_files_rises_to_the_hard_one", || {
            let maximum = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
            assert_eq!(raise_nofile().unwrap(), maximum.unwrap_or(u64::MAX));
            assert_eq!(getrlimit(Resource::Nofile).current, maximum);
        });
    }
}
