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

/// Whether set-id programs start out of reach of other processes (`fs.suid_dumpable`, proc_sys_fs(5), is
/// not 1), so that a stamped one is at no moment open to them; not so if the kernel does not say.
pub fn set_id_programs_are_closed() -> bool {
    std::fs::read_to_string("/proc/sys/fs/suid_dumpable").is_ok_and(|told| matches!(told.trim(), "0" | "2"))
}

/// Notes whether the listening socket refuses passed descriptors.
pub fn note_descriptors(refused: bool) {
    REFUSES_DESCRIPTORS.store(refused, Ordering::Relaxed);
}

/// Whether it does.
pub fn refuses_descriptors() -> bool {
    REFUSES_DESCRIPTORS.load(Ordering::Relaxed)
}
