//! What Linux says of the process at the other end of a socket.
//!
//! The order matters. The handle on the address space comes first and the proof of life last, behind the
//! nonce's return: a process that is alive then under the same handle is the one that everything in between
//! was read of.
//!
//! A dead handle is certain; a living one is not quite: whoever reads a process's memory at the
//! moment it executes something else keeps the old address space alive for as long as that read
//! takes. So once more, when the nonce has come back, the executable and the layout of the address
//! space are compared ([`Identity::unchanged`]).

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use glassdome_sys::{AddressSpace, Creds, peer_creds, peer_pidfd, pidfd_alive, pidfd_info, stream_pair};
use rustix::fs::{AtFlags, OFlags, Statx, StatxFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::process::{self, HIDDEN, Layout, Stat, StatFile};
use super::{Exe, Kernel, Ours, Unattested};

/// Handles on a process that die with it, and what was read while they lived.
#[derive(Debug)]
pub struct Identity {
    pub(super) kernel: Kernel,
    pub(super) ours: Option<Ours>,
    pub(super) pidfd: Arc<OwnedFd>,
    /// Of a stamped peer there is none: it is out of our reach, and needs none, since our programs
    /// never execute anything with a connection open.
    pub(super) space: Option<AddressSpace>,
    pub(super) dir: OwnedFd,
    stat: StatFile,
    layout: Layout,
}

/// The client programs that are installed beside the daemon.
const CLIENTS: [&str; 3] = ["ctl", "glassdome", "glassdome_start"];

/// The namespaces in which a process could forge what is read of it: their kind, and where they are
/// named below its directory.
const NAMESPACES: [(&str, &str); 2] = [("user", "ns/user"), ("pid", "ns/pid")];

/// Whether this kernel can say who connects: asked once, before anybody does.
///
/// # Errors
/// What the kernel said (Linux before 6.5 has no `SO_PEERPIDFD`).
pub fn supported() -> io::Result<()> {
    let (ours, _theirs) = stream_pair()?;
    peer_pidfd(ours.as_fd()).map(drop)
}

/// Reads who connected to `socket`. Not for the event loop: opening a process's files waits for
/// that process where it is just executing something. `stamp` is the group of the installed
/// programs, if this daemon is one of them.
///
/// Whether it lives, and nobody holds it, is asked behind this: [`Identity::held_by_nobody`], [`Identity::confirmed`].
///
/// # Errors
/// [`Unattested`] says why it cannot be served.
pub fn identify(socket: BorrowedFd<'_>, owner: u32, stamp: Option<u32>) -> Result<Identity, Unattested> {
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
    let dir = process::directory(pid).map_err(|_| Unattested::Gone { pid })?;
    match stamp {
        Some(stamp) if creds.gid == stamp => stamped(creds, pidfd, dir),
        _ => looked_at(creds, pidfd, dir, stamp.is_none(), Where::Here),
    }
}

/// Reads who holds a tap, by the credentials of what it sent there. What it has is the right that the tap
/// gives to whoever holds it: it may live in other namespaces, and hide what it is. Not for the event loop,
/// as [`identify`].
///
/// # Errors
/// [`Unattested`]: another user, in no namespace below ours, gone, or held by a debugger.
pub fn identify_holder(creds: Creds, owner: u32, stamp: Option<u32>) -> Result<Identity, Unattested> {
    let Creds { pid, uid, gid } = creds;
    if uid != owner {
        return Err(Unattested::OtherUser { uid, owner });
    }
    let number = Pid::from_raw(pid).filter(|_| pid > 0);
    let number = number.ok_or(Unattested::ForeignNamespace { pid, kind: "pid" })?;
    let open = || {
        let pidfd = pidfd_open(number, PidfdFlags::empty()).ok()?;
        Some((pidfd, process::directory(pid).ok()?))
    };
    let (pidfd, dir) = open().ok_or(Unattested::Gone { pid })?;
    let identity = match stamp {
        Some(stamp) if gid == stamp => stamped(creds, pidfd, dir)?,
        _ => match looked_at(creds, pidfd, dir, stamp.is_none(), Where::Anywhere) {
            Err(Unattested::Hidden { .. }) => {
                let (pidfd, dir) = open().ok_or(Unattested::Gone { pid })?;
                let kernel = Kernel { pid, uid, gid, exe: None };
                unseen(kernel, None, pidfd, dir)?
            }
            looked => looked?,
        },
    };
    identity.held_by_nobody()?;
    identity.still()?;
    Ok(identity)
}

/// One of the installed programs: the kernel gives their group to nobody else.
fn stamped(creds: Creds, pidfd: OwnedFd, dir: OwnedFd) -> Result<Identity, Unattested> {
    let Creds { pid, uid, gid } = creds;
    unseen(Kernel { pid, uid, gid, exe: None }, Some(Ours::Stamp), pidfd, dir)
}

/// One that nobody can look into.
fn unseen(kernel: Kernel, ours: Option<Ours>, pidfd: OwnedFd, dir: OwnedFd) -> Result<Identity, Unattested> {
    let read = StatFile::open(dir.as_fd()).and_then(|stat| Ok((stat.read()?.layout, stat)));
    let (layout, stat) = read.map_err(|_| Unattested::Gone { pid: kernel.pid })?;
    Ok(Identity { kernel, ours, pidfd: Arc::new(pidfd), space: None, dir, stat, layout })
}

/// In which namespaces a process may live.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Here,
    Anywhere,
}

/// Any other program. Without a stamp anywhere, ours are told `by_file`.
fn looked_at(
    creds: Creds,
    pidfd: OwnedFd,
    dir: OwnedFd,
    by_file: bool,
    place: Where,
) -> Result<Identity, Unattested> {
    let Creds { pid, uid, gid } = creds;
    let hidden = |what| move |source: io::Error| Unattested::Hidden { pid, what, source };
    let space = AddressSpace::open(dir.as_fd()).map_err(hidden("the address space"))?;
    if place == Where::Here {
        namespaces(pid, dir.as_fd())?;
    }
    let exe = executable(dir.as_fd()).map_err(hidden("the executable"))?;
    let file = StatFile::open(dir.as_fd()).map_err(hidden("the layout"))?;
    let stat = file.read().map_err(hidden("the layout"))?;
    if stat.is_unrandomised() {
        return Err(Unattested::Unrandomised { pid });
    }
    let ours = (by_file && is_client_file(&exe)).then_some(Ours::File);
    let kernel = Kernel { pid, uid, gid, exe: Some(exe) };
    let (pidfd, space) = (Arc::new(pidfd), Some(space));
    Ok(Identity { kernel, ours, pidfd, space, dir, stat: file, layout: stat.layout })
}

/// Whether a process is in the daemon's own user and pid namespaces.
pub(super) fn namespaces(pid: i32, dir: BorrowedFd<'_>) -> Result<(), Unattested> {
    let hidden = |what| move |source: io::Error| Unattested::Hidden { pid, what, source };
    let ours = own_namespaces().map_err(hidden("the daemon's namespace"))?;
    for ((kind, path), ours) in NAMESPACES.into_iter().zip(ours) {
        let theirs = file_id(dir, path).map_err(hidden("the namespace"))?;
        if theirs != ours {
            return Err(Unattested::ForeignNamespace { pid, kind });
        }
    }
    Ok(())
}

impl Identity {
    /// Whether bytes that came with `sender` are this process's. Whether that is still alive as it was is asked
    /// behind everything else, by [`Identity::unchanged`]: the answer never goes back to yes.
    ///
    /// # Errors
    /// [`Unattested`] says what does not fit.
    pub fn sent(&self, sender: Option<Creds>) -> Result<(), Unattested> {
        sent(&self.kernel, sender)
    }

    /// Whether it lives, as the program that was read: that goes from yes to no once and never back.
    ///
    /// # Errors
    /// [`Unattested::Gone`].
    pub fn still(&self) -> Result<(), Unattested> {
        still(&self.pidfd, self.space.as_ref(), self.kernel.pid)
    }

    /// Whether no debugger or the like holds it: what is said to everybody, also of a process that hides itself. Of a
    /// stamped peer it is not asked.
    ///
    /// # Errors
    /// [`Unattested::Traced`]; [`Unattested::Gone`]; [`Unattested::Hidden`] if it cannot be told.
    pub fn held_by_nobody(&self) -> Result<(), Unattested> {
        let pid = self.kernel.pid;
        if self.ours == Some(Ours::Stamp) {
            return Ok(());
        }
        match process::status(self.dir.as_fd(), "TracerPid") {
            Ok(tracer) if tracer == "0" => Ok(()),
            Ok(_) => Err(Unattested::Traced { pid }),
            Err(_) if !pidfd_alive(self.pidfd.as_fd()) => Err(Unattested::Gone { pid }),
            Err(source) => Err(Unattested::Hidden { pid, what: "the tracer", source }),
        }
    }

    /// Whether executable and layout are those that were read first. A process that hides itself
    /// from us meanwhile is believed only if it is one of our own programs, which do that and never
    /// execute anything with a connection open. What was read of it now, where that was needed.
    pub(super) fn unchanged(&self) -> Result<Option<Stat>, Unattested> {
        let pid = self.kernel.pid;
        let hidden = |source| Unattested::Hidden { pid, what: "the executable", source };
        let now = match &self.kernel.exe {
            None => None,
            Some(Exe { dev, ino, .. }) => match file_id(self.dir.as_fd(), "exe") {
                Ok(exe) if exe != (*dev, *ino) => return Err(Unattested::Gone { pid }),
                Ok(_) => Some(self.stat.read().map_err(hidden)?),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && self.ours.is_some() => None,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(hidden(error)),
                Err(_) => return Err(Unattested::Gone { pid }),
            },
        };
        let fits = |layout| layout == self.layout || layout == HIDDEN && self.ours.is_some();
        if now.as_ref().is_some_and(|now| !fits(now.layout)) {
            return Err(Unattested::Gone { pid });
        }
        self.still()?;
        Ok(now)
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

pub(super) fn still(pidfd: &OwnedFd, space: Option<&AddressSpace>, pid: i32) -> Result<(), Unattested> {
    let same = space.is_none_or(AddressSpace::alive) && pidfd_alive(pidfd.as_fd());
    if same { Ok(()) } else { Err(Unattested::Gone { pid }) }
}

/// Whether this is the file of a client program that lies beside the daemon itself.
pub fn is_client_file(exe: &Exe) -> bool {
    // The text only says which file to look at.
    let name = Path::new(&exe.path).file_name().and_then(OsStr::to_str).unwrap_or_default();
    let beside = || Some(own_file()?.with_file_name(name));
    CLIENTS.contains(&name)
        && beside().and_then(|path| std::fs::metadata(path).ok()).is_some_and(|file| is(exe, &file))
}

fn is(exe: &Exe, file: &std::fs::Metadata) -> bool {
    (file.dev(), file.ino()) == (exe.dev, exe.ino)
}

/// Where the daemon was when that was first asked: it is not moved while it runs, and what replaces it there lies at
/// the same place.
fn own_file() -> Option<&'static Path> {
    static OWN: OnceLock<Option<PathBuf>> = OnceLock::new();
    OWN.get_or_init(|| std::env::current_exe().ok()).as_deref()
}

/// Those of the daemon, which never leaves them: read once.
fn own_namespaces() -> io::Result<[(u64, u64); 2]> {
    static OURS: OnceLock<[(u64, u64); 2]> = OnceLock::new();
    if let Some(ours) = OURS.get() {
        return Ok(*ours);
    }
    let own = rustix::fs::open("/proc/self", OFlags::PATH | OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    let mut ours = [(0, 0); 2];
    for (id, (_, path)) in ours.iter_mut().zip(NAMESPACES) {
        *id = file_id(own.as_fd(), path)?;
    }
    Ok(*OURS.get_or_init(|| ours))
}

/// The file that was executed, by what the kernel holds open: never by the text of a path.
pub(super) fn executable(dir: BorrowedFd<'_>) -> io::Result<Exe> {
    let (dev, ino) = file_id(dir, "exe")?;
    let path = rustix::fs::readlinkat(dir, "exe", Vec::new())?;
    Ok(Exe { path: path.to_string_lossy().into_owned(), dev, ino })
}

pub(super) fn file_id(dir: BorrowedFd<'_>, path: &str) -> io::Result<(u64, u64)> {
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
        let identity = identify(ours.as_fd(), uid, None).unwrap();
        let exe = std::fs::metadata("/proc/self/exe").unwrap();
        let seen = identity.kernel.exe.as_ref().unwrap();
        assert_eq!((seen.dev, seen.ino), (exe.dev(), exe.ino()));
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
        assert!(matches!(identify(ours.as_fd(), owner, None), Err(Unattested::OtherUser { .. })));
    }

    #[test]
    fn another_layout_is_another_program() {
        let (ours, _theirs) = stream_pair().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let mut identity = identify(ours.as_fd(), uid, None).unwrap();
        identity.layout[2] ^= 16;
        assert!(matches!(identity.unchanged(), Err(Unattested::Gone { .. })));
    }
}
