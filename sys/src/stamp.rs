//! The stamp: a group that only an installed program of ours can show at a socket, and that no process can get in any
//! other way. Without it, both ends of a socket know no more than the user, who may run anything.
//!
//! The programs are installed setgid, in a group without members that owns nothing. What the kernel makes of that:
//!
//! * execve(2) sets the effective and the saved group of such a program, unless its file system is mounted `nosuid`,
//!   the process is traced, shares its `fs_struct` or has `no_new_privs`, or its user namespace does not map the group:
//!   then it starts all the same, without.
//! * `SO_PEERCRED` (unix(7)) shows the effective group as it was at connect(2), or at listen(2), for good. So it is
//!   worn for those calls only ([`Stamp::worn`]): files that the program makes have the user's group.
//! * While effective or saved group differ from the user's, no process of the user may attach or read
//!   (`PTRACE_MODE_*`, ptrace(2)), and the program in turn cannot look at the user's other processes. So it is given up
//!   as soon as it was shown ([`Stamp::give_up`]).
//! * A program that is executed inherits the effective group, and its saved group becomes that one
//!   (credentials(7)): who does not wear the stamp does not hand it on.
//! * Each change of the effective group sets the "dumpable" attribute to `fs.suid_dumpable` (PR_SET_DUMPABLE(2const)):
//!   here it is taken away again each time.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

/// The mode of a program whose group goes to whoever executes it (inode(7)).
const SETGID: u32 = 0o2010;

/// For setresgid(2): this one stays as it is.
const KEEP: u32 = u32::MAX;

static TAKEN: OnceLock<Option<Stamp>> = OnceLock::new();

/// The group of the installed programs, in the hand of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    real: u32,
    gid: u32,
}

impl Stamp {
    /// Looks whether this process was started with a stamp, which is so if its effective group is not its real one; if
    /// so, puts the effective group back to the real one and makes the process non-dumpable. The saved group stays, for
    /// [`Stamp::worn`]. To be called first of all in `main`; later calls say what the first one found.
    ///
    /// # Errors
    /// What setresgid(2) or prctl(2) says, and a change without effect; the program must not go on then.
    pub fn take() -> io::Result<Option<Self>> {
        if let Some(taken) = TAKEN.get() {
            return Ok(*taken);
        }
        let Ids { real, effective, .. } = Ids::of_this_thread()?;
        let stamp = (effective != real).then_some(Self { real, gid: effective });
        if let Some(stamp) = stamp {
            stamp.change(real, KEEP)?;
        }
        Ok(*TAKEN.get_or_init(|| stamp))
    }

    /// What [`Stamp::take`] found; `None` also in a process that never called it.
    pub fn taken() -> Option<Self> {
        TAKEN.get().copied().flatten()
    }

    /// Whether this program's file has a stamp to give, and [`Stamp::take`] found none: execve(2) withheld it, for one
    /// of the reasons above. Then the program is not in its user's hand alone, and cannot tell the daemon from another
    /// program. Whoever gave it a mount namespace could show it another file here, and could as well have given it
    /// other bytes.
    ///
    /// # Errors
    /// What stat(2) says of `/proc/self/exe`.
    pub fn withheld() -> io::Result<bool> {
        Ok(Self::taken().is_none() && std::fs::metadata("/proc/self/exe")?.mode() & SETGID == SETGID)
    }

    /// The group's id.
    pub fn gid(self) -> u32 {
        self.gid
    }

    /// Calls `show` with the stamp as the effective group of all threads, and takes it back afterwards, also when
    /// `show` panics.
    ///
    /// # Errors
    /// `EPERM` once the stamp was given up, or as [`Stamp::take`]; `show` was not called.
    pub fn worn<T>(self, show: impl FnOnce() -> T) -> io::Result<T> {
        let lowered = Lowered(self);
        self.change(self.gid, KEEP)?;
        let shown = show();
        drop(lowered);
        Ok(shown)
    }

    /// Gives the stamp up, in all threads, for good: real, effective and saved group are the real one.
    ///
    /// # Errors
    /// As [`Stamp::take`].
    pub fn give_up(self) -> io::Result<()> {
        self.change(self.real, self.real)
    }

    /// As [`Stamp::give_up`] between fork and exec, where there is one thread and the C library must not be asked.
    pub(crate) fn give_up_in_child(self) -> io::Result<()> {
        let real = rustix::process::Gid::from_raw(self.real);
        Ok(rustix::thread::set_thread_res_gid(real, real, real)?)
    }

    fn change(self, effective: u32, saved: u32) -> io::Result<()> {
        // SAFETY: three integers. Not the bare system call, which would change this thread only.
        if unsafe { libc::setresgid(self.real, effective, saved) } != 0 {
            return Err(io::Error::last_os_error());
        }
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        let now = Ids::of_this_thread()?;
        let wanted = Ids { real: self.real, effective, saved: if saved == KEEP { now.saved } else { saved } };
        if now == wanted { Ok(()) } else { Err(io::Error::other("the group did not change")) }
    }
}

/// Takes the stamp back when it goes.
struct Lowered(Stamp);

impl Drop for Lowered {
    fn drop(&mut self) {
        // It cannot fail, since a process may always return to its real group; it must not go on if it does.
        if self.0.change(self.0.real, KEEP).is_err() {
            std::process::abort();
        }
    }
}

/// The three groups of a thread (credentials(7)).
#[derive(Debug, PartialEq, Eq)]
struct Ids {
    real: u32,
    effective: u32,
    saved: u32,
}

impl Ids {
    fn of_this_thread() -> io::Result<Self> {
        let mut ids = Self { real: u32::MAX, effective: u32::MAX, saved: u32::MAX };
        // SAFETY: the kernel writes three integers to three places of ours.
        let result = unsafe { libc::getresgid(&mut ids.real, &mut ids.effective, &mut ids.saved) };
        if result == 0 { Ok(ids) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
mod tests;
