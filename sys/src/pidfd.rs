//! A process by descriptor: unlike a process id, a pidfd never comes to mean another process.

use crate::socket::option;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::{c_int, c_ulong};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `SO_PEERPIDFD` (asm-generic/socket.h, Linux 6.5); libc does not have it yet.
const SO_PEERPIDFD: c_int = 77;

/// The process that called `connect(2)`, `listen(2)` or `socketpair(2)` at the other end (`SO_PEERPIDFD`), closed on exec.
///
/// Of a peer that has been reaped, some kernels give an error and some a dead pidfd: ask [`pidfd_alive`] last of all.
///
/// # Errors
/// What getsockopt(2) says: `ENOPROTOOPT` before Linux 6.5, `ESRCH`, `EINVAL` or `ENODATA` for a peer that is gone.
pub fn peer_pidfd(sock: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let raw = option(sock, SO_PEERPIDFD, -1)?;
    if raw < 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Whether the process has not exited yet. A zombie has, and whatever cannot be asked counts as dead.
pub fn pidfd_alive(pidfd: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    // A poll without waiting can still be interrupted; that says nothing about the process.
    let answer = rustix::io::retry_on_intr(|| poll(&mut asked, Some(&Timespec::default())));
    // A pidfd is readable from the exit on (pidfd_open(2)); a descriptor that is none of ours would give POLLNVAL.
    matches!(answer, Ok(0)) && asked[0].revents().is_empty()
}

/// What the kernel says of a process now, exec and set-id bits considered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PidInfo {
    /// The process id (of the thread group) in our pid namespace.
    pub pid: i32,
    /// What started it, or has taken it over; 0 if that is outside our pid namespace.
    pub parent: i32,
    /// The *effective* user id, as [`Creds`](crate::Creds) has it.
    pub uid: u32,
    /// The *effective* group id, likewise.
    pub gid: u32,
    /// The id of its cgroup in the version-2 hierarchy: the inode number of the cgroup's directory. 0 on a kernel
    /// without cgroups.
    pub cgroup: u64,
}

/// `struct pidfd_info` in its first version (linux/pidfd.h, Linux 6.13).
#[repr(C)]
#[derive(Default)]
struct RawInfo {
    mask: u64,
    cgroup: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ruid: u32,
    rgid: u32,
    euid: u32,
    egid: u32,
    suid: u32,
    sgid: u32,
    fsuid: u32,
    fsgid: u32,
    exit_code: i32,
}

const WANT_PID: u64 = 1 << 0;
const WANT_CREDS: u64 = 1 << 1;
const WANT_CGROUP: u64 = 1 << 2;

/// `PIDFD_GET_INFO`, `_IOWR(0xFF, 11, struct pidfd_info)`: the number carries the struct's size, by which the kernel
/// tells versions apart.
const PIDFD_GET_INFO: c_ulong = libc::_IOWR::<RawInfo>(0xFF, 11) as c_ulong;

/// What the kernel says of a live process; `None` if this kernel cannot say (before Linux 6.13).
///
/// # Errors
/// `ESRCH` of a process that has been reaped, or that our pid namespace does not show; `EBADF` and such.
pub fn pidfd_info(pidfd: BorrowedFd<'_>) -> io::Result<Option<PidInfo>> {
    let mut raw = RawInfo { mask: WANT_PID | WANT_CREDS | WANT_CGROUP, ..RawInfo::default() };
    // SAFETY: the kernel writes at most the size that the request's number carries, which is that of `raw`.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO as _, &raw mut raw) };
    if result != 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOTTY | libc::EINVAL) => Ok(None),
            _ => Err(error),
        };
    }
    let told = |what| raw.mask & what == what;
    // Of an exited process newer kernels may tell the exit alone.
    if !told(WANT_PID | WANT_CREDS) {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    let pid = i32::try_from(raw.tgid).map_err(|_| io::ErrorKind::InvalidData)?;
    let cgroup = if told(WANT_CGROUP) { raw.cgroup } else { 0 };
    let parent = i32::try_from(raw.ppid).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Some(PidInfo { pid, parent, uid: raw.euid, gid: raw.egid, cgroup }))
}

#[cfg(test)]
mod tests {
    use super::{RawInfo, peer_pidfd, pidfd_alive, pidfd_info};
    use rustix::io::{FdFlags, fcntl_getfd};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> (Child, OwnedFd) {
        sleeper_as(&mut Command::new("sleep"))
    }

    fn sleeper_as(command: &mut Command) -> (Child, OwnedFd) {
        let child = command.arg("100").spawn().unwrap();
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        (child, pidfd)
    }

    /// Waits until the child is a zombie, and leaves it one.
    fn wait_for_exit(pidfd: &OwnedFd) {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap().unwrap();
    }

    #[test]
    fn alive_until_the_exit() {
        let (mut child, pidfd) = sleeper();
        assert!(pidfd_alive(pidfd.as_fd()));
        child.kill().unwrap();
        wait_for_exit(&pidfd);
        assert!(!pidfd_alive(pidfd.as_fd()), "a zombie is not alive");
        child.wait().unwrap();
        assert!(!pidfd_alive(pidfd.as_fd()));
    }

    #[test]
    fn what_is_no_pidfd_is_not_alive() {
        let (mut end, other) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut end, b"x").unwrap();
        assert!(!pidfd_alive(other.as_fd()));
        assert!(!pidfd_alive(std::fs::File::open("/dev/null").unwrap().as_fd()));
    }

    #[test]
    fn the_peer_of_a_pair_is_its_maker() {
        let (one, _two) = UnixStream::pair().unwrap();
        let pidfd = peer_pidfd(one.as_fd()).unwrap();
        assert!(fcntl_getfd(&pidfd).unwrap().contains(FdFlags::CLOEXEC));
        assert!(pidfd_alive(pidfd.as_fd()));
        let info = pidfd_info(pidfd.as_fd()).unwrap().expect("tests need Linux 6.13");
        assert_eq!(info.pid, std::process::id() as i32);
    }

    #[test]
    fn a_peer_that_is_gone_is_an_error_or_dead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let status = Command::new("/proc/self/exe")
            .args(["--exact", "creds::tests::connects_for_another_test", "--ignored"])
            .env("SYS_TEST_CONNECT", &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(|mut child| {
                let (server, _) = listener.accept().unwrap();
                let live = peer_pidfd(server.as_fd()).unwrap();
                assert!(pidfd_alive(live.as_fd()), "control");
                child.kill().unwrap();
                child.wait().unwrap();
                assert!(!pidfd_alive(live.as_fd()));
                peer_pidfd(server.as_fd())
            })
            .unwrap();
        assert!(status.is_err() || status.is_ok_and(|pidfd| !pidfd_alive(pidfd.as_fd())));
    }

    #[test]
    fn info_names_the_process_its_ids_and_its_cgroup() {
        assert_eq!(size_of::<RawInfo>(), 64, "PIDFD_INFO_SIZE_VER0");
        let (mut child, pidfd) = sleeper();
        let info = pidfd_info(pidfd.as_fd()).unwrap().expect("tests need Linux 6.13");
        assert_eq!(info.pid, child.id() as i32);
        assert_eq!(info.parent, std::process::id() as i32);
        assert_eq!(info.uid, rustix::process::geteuid().as_raw());
        assert_eq!(info.gid, rustix::process::getegid().as_raw());
        if let Some(inode) = cgroup_inode(child.id()) {
            assert_eq!(info.cgroup, inode);
        } else {
            eprintln!("no cgroup2 is mounted: the cgroup id was not compared");
            assert_ne!(info.cgroup, 0);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(pidfd_info(pidfd.as_fd()).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }

    fn cgroup_inode(pid: u32) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?.to_owned();
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            .into_iter()
            .filter(|mount| std::path::Path::new(mount).join("cgroup.controllers").exists())
            .find_map(|mount| Some(std::fs::metadata(format!("{mount}{path}")).ok()?.ino()))
    }

    #[test]
    fn info_gives_effective_ids_of_another_user() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not root: cannot run as another user, nothing was tested");
            return;
        }
        let (mut child, pidfd) = sleeper_as(Command::new("sleep").uid(54321).gid(12345));
        let info = pidfd_info(pidfd.as_fd()).unwrap().expect("tests need Linux 6.13");
        assert_eq!((info.uid, info.gid), (54321, 12345));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_descriptor_that_knows_no_such_request_gives_none() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(pidfd_info(null.as_fd()).unwrap(), None);
    }
}
