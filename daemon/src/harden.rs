//! What the daemon takes away from itself before it does anything else, on every way it starts.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use glassdome_sys::{harden_process, raise_nofile, set_no_new_privs};
use rustix::fs::Mode;

static REFUSES_DESCRIPTORS: AtomicBool = AtomicBool::new(false);

/// Not dumpable, no core, no new privileges; files of ours are for us; room for many descriptors.
///
/// # Errors
/// When the kernel refuses one of them: the daemon must not start without.
pub fn harden() -> io::Result<()> {
    harden_process()?;
    set_no_new_privs()?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    raise_nofile()?;
    Ok(())
}

/// Whether no new privileges can be gained (`PR_SET_NO_NEW_PRIVS`), as the kernel reports it.
pub fn no_new_privileges() -> bool {
    rustix::thread::no_new_privs().unwrap_or(false)
}

/// Notes whether the listening socket refuses passed descriptors.
pub fn note_descriptors(refused: bool) {
    REFUSES_DESCRIPTORS.store(refused, Ordering::Relaxed);
}

/// Whether it does.
pub fn refuses_descriptors() -> bool {
    REFUSES_DESCRIPTORS.load(Ordering::Relaxed)
}
