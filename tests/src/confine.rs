//! Limits that a program, and the daemon that it starts, run under: what an old kernel, a container
//! or an administrator takes away. The only file of the tests with `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// What is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confine {
    /// memfd_secret(2) fails with `ENOSYS`, as before Linux 5.14.
    NoSecretMemory,
    /// No memory can be locked: `RLIMIT_MEMLOCK` is zero (getrlimit(2)).
    NoLockedMemory,
}

impl Confine {
    /// Makes `command` start without it.
    pub(crate) fn put_on(self, command: &mut Command) {
        // SAFETY: between fork and exec only system calls are made; nothing is allocated.
        unsafe { command.pre_exec(move || self.enter()) };
    }

    fn enter(self) -> io::Result<()> {
        match self {
            Self::NoSecretMemory => refuse_call(libc::SYS_memfd_secret as u32),
            Self::NoLockedMemory => {
                let none = Rlimit { current: Some(0), maximum: Some(0) };
                setrlimit(Resource::Memlock, none).map_err(io::Error::from)
            }
        }
    }
}

/// Takes the terminal of whoever runs the tests away: a program that wants to ask must not ask there.
pub(crate) fn without_terminal(command: &mut Command) {
    // SAFETY: as above.
    unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) };
}

/// Gives this process, and all that it starts, a controlling terminal: the one on stdin.
pub(crate) fn with_terminal(command: &mut Command) {
    // SAFETY: as above.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        })
    };
}

/// Installs a filter (seccomp(2)) under which the system call of that number gives `ENOSYS`.
fn refuse_call(number: u32) -> io::Result<()> {
    const LOAD_NUMBER: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The number is the first field of struct seccomp_data.
    let mut filter = [
        step(LOAD_NUMBER, 0, 0, 0),
        step(IF_EQUAL, 0, 1, number),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    rustix::thread::set_no_new_privs(true)?;
    // SAFETY: the program points to a filter that lives to the end of this call; the kernel copies it.
    let set = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
