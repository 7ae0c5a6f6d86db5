//! What Linux says of the process at the other end of a socket.
//!
//! The order matters. The handle on the address space comes first and the proof of life last: a
//! process that is alive at the end under the same handle is the one that everything in between was
//! read of.
//!
//! A dead handle is certain; a living one is not quite: whoever reads a process's memory at the
//! moment it executes something else keeps the old address space alive for as long as that read
//! takes. So once more, when the nonce has come back, the executable and the layout of the address
//! space are compared ([`Identity::unchanged`]).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use glassdome_sys::{AddressSpace, Creds, peer_creds, peer_pidfd, pidfd_alive, pidfd_info, stream_pair};
use rustix::fs::{AtFlags, Mode, OFlags, Statx, StatxFlags};

use super::{Exe, Kernel, Unattested};

/// Handles on a process that die with it, and what was read while they lived.
#[derive(Debug)]
pub struct Identity {
    pub(super) kernel: Kernel,
    pub(super) pidfd: OwnedFd,
    pub(super) space: AddressSpace,
    dir: OwnedFd,
    layout: Layout,
}

/// The namespaces in which a process could forge what is read of it: their kind, and where they are
/// named below its directory.
const NAMESPACES: [(&str, &str); 2] = [("user", "ns/user"), ("pid", "ns/pid")];

/// Where code and stack lie: under address space randomisation no two executions agree
/// (proc_pid_stat(5), fields startcode, endcode, startstack).
type Layout = [u64; 3];

/// What the kernel shows for all three of a process that it hides from us.
const HIDDEN: Layout = [1, 1, 0];

/// Whether this kernel can say who connects: asked once, before anybody does.
///
/// # Errors
/// What the kernel said (Linux before 6.5 has no `SO_PEERPIDFD`).
pub fn supported() -> io::Result<()> {
    let (ours, _theirs) = stream_pair()?;
    peer_pidfd(ours.as_fd()).map(drop)
}

/// Reads who connected to `socket`. Not for the event loop: opening a process's files waits for
/// that process where it is just executing something.
///
/// # Errors
/// [`Unattested`] says why it cannot be served.
pub fn identify(socket: BorrowedFd<'_>, owner: u32) -> Result<Identity, Unattested> {
    let creds = peer_creds(socket).map_err(Unattested::NoPeer)?;
    if creds.uid != owner {
        return Err(Unattested::OtherUser { uid: creds.uid, owner });
    }
    let pid = creds.pid;
    if pid <= 0 {
        // The kernel has no number for it here: it lives in a pid namespace that is not below ours.
        return Err(Unattested::ForeignNamespace { pid, kind: "pid" });
    }
    let pidfd = peer_pidfd(socket).map_err(|_| Unattested::Gone { pid })?;
    match pidfd_info(pidfd.as_fd()) {
        Ok(Some(info)) if info.pid != pid => return Err(Unattested::Gone { pid }),
        Ok(_) => {}
        Err(_) => return Err(Unattested::Gone { pid }),
    }
    let hidden = |what| move |source: io::Error| Unattested::Hidden { pid, what, source };
    let dir = process_dir(pid).map_err(|_| Unattested::Gone { pid })?;
    let space = AddressSpace::open(dir.as_fd()).map_err(hidden("the address space"))?;
    let ours = own_namespaces().map_err(hidden("the daemon's namespace"))?;
    for ((kind, path), ours) in NAMESPACES.into_iter().zip(ours) {
        let theirs = file_id(dir.as_fd(), path).map_err(hidden("the namespace"))?;
        if theirs != ours {
            return Err(Unattested::ForeignNamespace { pid, kind });
        }
    }
    let exe = executable(dir.as_fd()).map_err(hidden("the executable"))?;
    let layout = layout(dir.as_fd()).map_err(hidden("the layout"))?;
    let kernel = Kernel { pid, uid: creds.uid, gid: creds.gid, exe };
    let identity = Identity { kernel, pidfd, space, dir, layout };
    identity.still()?;
    Ok(identity)
}

impl Identity {
    /// Whether bytes that came with `sender` are this process's, and it is still alive as it was.
    ///
    /// # Errors
    /// [`Unattested`] says what does not fit.
    pub fn sent(&self, sender: Option<Creds>) -> Result<(), Unattested> {
        sent(&self.kernel, sender)?;
        self.still()
    }

    pub(super) fn still(&self) -> Result<(), Unattested> {
        still(&self.pidfd, &self.space, self.kernel.pid)
    }

    /// Whether executable and layout are those that were read first. A process that hides itself
    /// from us meanwhile is believed only if it is one of our own programs, which do that and never
    /// execute anything with a connection open.
    pub(super) fn unchanged(&self) -> Result<(), Unattested> {
        let pid = self.kernel.pid;
        let Exe { dev, ino, .. } = self.kernel.exe;
        let hidden = |source| Unattested::Hidden { pid, what: "the executable", source };
        let now = match file_id(self.dir.as_fd(), "exe") {
            Ok(exe) => Some((exe, layout(self.dir.as_fd()).map_err(hidden)?)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && ours((dev, ino)) => None,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(hidden(error)),
            Err(_) => return Err(Unattested::Gone { pid }),
        };
        match now {
            None => self.still(),
            Some((exe, layout))
                if exe == (dev, ino) && (layout == self.layout || layout == HIDDEN && ours(exe)) =>
            {
                self.still()
            }
            Some(_) => Err(Unattested::Gone { pid }),
        }
    }

    /// The process, for the log of a handshake that fails.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }
}

pub(super) fn sent(kernel: &Kernel, sender: Option<Creds>) -> Result<(), Unattested> {
    let sender = sender.ok_or(Unattested::NoCredentials)?;
    if sender.pid == kernel.pid && sender.uid == kernel.uid {
        Ok(())
    } else {
        Err(Unattested::OtherSender { pid: kernel.pid, sender: sender.pid })
    }
}

pub(super) fn still(pidfd: &OwnedFd, space: &AddressSpace, pid: i32) -> Result<(), Unattested> {
    if space.alive() && pidfd_alive(pidfd.as_fd()) { Ok(()) } else { Err(Unattested::Gone { pid }) }
}

/// Whether this is the file of a client program that lies beside the daemon itself.
fn ours(exe: (u64, u64)) -> bool {
    let Ok(daemon) = std::env::current_exe() else { return false };
    ["ctl", "glassdome", "glassdome_start"].iter().any(|name| {
        let path = daemon.with_file_name(name);
        std::fs::metadata(path).is_ok_and(|file| (file.dev(), file.ino()) == exe)
    })
}

fn layout(dir: BorrowedFd<'_>) -> io::Result<Layout> {
    let stat = rustix::fs::openat(dir, "stat", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = [0; 1024];
    let len = rustix::io::read(&stat, &mut text)?;
    parse_layout(&text[..len]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_layout(stat: &[u8]) -> Option<Layout> {
    // The second field is the program's name in brackets, and may hold anything, brackets too.
    let behind_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let mut fields = std::str::from_utf8(&stat[behind_name..]).ok()?.split_ascii_whitespace().skip(26 - 3);
    let mut field = || fields.next()?.parse().ok();
    Some([field()?, field()?, field()?])
}

fn process_dir(pid: i32) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())?)
}

/// Those of the daemon, which never leaves them: read once.
fn own_namespaces() -> io::Result<[(u64, u64); 2]> {
    static OURS: OnceLock<[(u64, u64); 2]> = OnceLock::new();
    if let Some(ours) = OURS.get() {
        return Ok(*ours);
    }
    let own = rustix::fs::open("/proc/self", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let mut ours = [(0, 0); 2];
    for (id, (_, path)) in ours.iter_mut().zip(NAMESPACES) {
        *id = file_id(own.as_fd(), path)?;
    }
    Ok(*OURS.get_or_init(|| ours))
}

/// The file that was executed, by what the kernel holds open: never by the text of a path.
fn executable(dir: BorrowedFd<'_>) -> io::Result<Exe> {
    let (dev, ino) = file_id(dir, "exe")?;
    let path = rustix::fs::readlinkat(dir, "exe", Vec::new())?;
    Ok(Exe { path: path.to_string_lossy().into_owned(), dev, ino })
}

fn file_id(dir: BorrowedFd<'_>, path: &str) -> io::Result<(u64, u64)> {
    // A file may lie on a file system that a user serves: what is cached will do, since device and
    // inode number do not change, and nobody has to be asked (statx(2), AT_STATX_DONT_SYNC).
    let flags = AtFlags::STATX_DONT_SYNC;
    let Statx { stx_dev_major, stx_dev_minor, stx_ino, .. } =
        rustix::fs::statx(dir, path, flags, StatxFlags::INO)?;
    Ok((rustix::fs::makedev(stx_dev_major, stx_dev_minor), stx_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_identity_is_read_and_stays() {
        let (ours, _theirs) = stream_pair().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let identity = identify(ours.as_fd(), uid).unwrap();
        let exe = std::fs::metadata("/proc/self/exe").unwrap();
        assert_eq!((identity.kernel.exe.dev, identity.kernel.exe.ino), (exe.dev(), exe.ino()));
        assert_eq!(identity.kernel.pid, std::process::id().cast_signed());
        identity.still().unwrap();
        identity.unchanged().unwrap();
        let other = Creds { pid: 1, uid, gid: 0 };
        assert!(matches!(identity.sent(Some(other)), Err(Unattested::OtherSender { sender: 1, .. })));
        assert!(matches!(identity.sent(None), Err(Unattested::NoCredentials)));
    }

    #[test]
    fn another_owner_is_refused() {
        let (ours, _theirs) = stream_pair().unwrap();
        let owner = rustix::process::getuid().as_raw() + 1;
        assert!(matches!(identify(ours.as_fd(), owner), Err(Unattested::OtherUser { .. })));
    }

    #[test]
    fn the_layout_is_read_behind_any_name() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        for name in ["cat", "a b", "a) 1 2 (3"] {
            let stat = format!("7 ({name}) {}", fields.join(" "));
            assert_eq!(parse_layout(stat.as_bytes()), Some([26, 27, 28]));
        }
        assert_eq!(parse_layout(b"7 (cat) S 1 2"), None);
    }

    #[test]
    fn another_layout_is_another_program() {
        let (ours, _theirs) = stream_pair().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let mut identity = identify(ours.as_fd(), uid).unwrap();
        identity.layout[2] ^= 16;
        assert!(matches!(identity.unchanged(), Err(Unattested::Gone { .. })));
    }
}
