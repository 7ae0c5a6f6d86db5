//! Who is asking. What the kernel says of a peer and what the peer says of itself are two types, so
//! that no rule can mistake one for the other.
//!
//! The attacker is a process of the same user that wants to be taken for another program. The order
//! of the handshake answers it: the identity is read first, through handles that die with the
//! process ([`Identity`]); then the nonce travels; only the process that was read can send it back
//! under its own pid; and each later message must come from that process ([`Peer::sent`]), which must live as the
//! same program ([`Peer::still`]).

mod digest;
mod file;
mod interpreter;
pub mod lineage;
mod linux;
pub mod matching;
mod mounts;
pub mod process;
pub mod program;
mod script;
pub mod seen;
pub mod subject;
pub mod unit;

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use glassdome_audit as audit;
use glassdome_sys::{AddressSpace, Creds};

use lineage::Member;
pub use linux::{Identity, identify, identify_holder, is_client_file, supported};
use process::Stat;

/// What the kernel says of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The file that was executed; nothing of a stamped peer, which nobody can look into.
    pub exe: Option<Exe>,
}

/// An executable file, as the kernel knows it. Which *file* was executed is certain; whose code runs
/// in it is not: a process of the same user can start any ordinary program and steer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exe {
    /// The path as the kernel prints it, for people: it can lie, and no decision reads it.
    pub path: String,
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// What tells one of the programs that were installed with this daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ours {
    /// The group that the kernel gives to nobody else.
    Stamp,
    /// The file that was executed: weak, since a process of the same user can steer it.
    File,
}

/// What a peer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// What the client calls itself.
    pub client: String,
    /// Its version.
    pub version: String,
}

/// Everything known of a peer: what the policy decides by and the log records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// From the kernel.
    pub kernel: Kernel,
    /// From the peer.
    pub claims: Claims,
}

/// Why a peer is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unattested {
    /// Another user.
    #[error("uid {uid} is not the owner's uid {owner}")]
    OtherUser {
        /// The peer's user.
        uid: u32,
        /// Whom the daemon serves.
        owner: u32,
    },
    /// In a user or pid namespace of its own, where it could forge its pid and its executable.
    #[error("pid {pid} is in another {kind} namespace")]
    ForeignNamespace {
        /// The peer.
        pid: i32,
        /// Which kind.
        kind: &'static str,
    },
    /// It ended, or became another program.
    #[error("pid {pid} is no longer the program that connected")]
    Gone {
        /// The peer.
        pid: i32,
    },
    /// A message came from another process than the one that connected.
    #[error("a message from pid {sender} on the connection of pid {pid}")]
    OtherSender {
        /// Who connected.
        pid: i32,
        /// Who sent.
        sender: i32,
    },
    /// It uses a handle outside the unit of the system's in which that was made.
    #[error("pid {pid} is not in the unit {unit}, in which its handle was made")]
    OtherUnit {
        /// The peer.
        pid: i32,
        /// Where the handle belongs.
        unit: String,
    },
    /// The kernel did not say who sent a message.
    #[error("a message without sender credentials")]
    NoCredentials,
    /// What the kernel knows of it cannot be read: it hides itself, or the kernel is too old.
    #[error(
        "{what} of pid {pid} cannot be read: it hides itself, and is not the client installed beside this daemon"
    )]
    Hidden {
        /// The peer.
        pid: i32,
        /// What was to be read.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It runs without address space randomisation: one execution of it cannot be told from the next.
    #[error("pid {pid} runs without address space randomisation (setarch -R, a debugger): start it without")]
    Unrandomised {
        /// The peer.
        pid: i32,
    },
    /// Whoever holds it by a debugger is who acts in it.
    #[error("pid {pid} is held by a debugger or tracer: run it without")]
    Traced {
        /// The peer.
        pid: i32,
    },
    /// The kernel does not say who connected.
    #[error("the socket does not say who connected")]
    NoPeer(#[source] std::io::Error),
}

impl Unattested {
    /// The process that is not served, as far as this daemon has a number for it.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Self::ForeignNamespace { pid, .. }
            | Self::Gone { pid }
            | Self::OtherSender { pid, .. }
            | Self::OtherUnit { pid, .. }
            | Self::Unrandomised { pid }
            | Self::Traced { pid }
            | Self::Hidden { pid, .. } => Some(*pid).filter(|pid| *pid > 0),
            Self::OtherUser { .. } | Self::NoCredentials | Self::NoPeer(_) => None,
        }
    }

    /// The word that the log records.
    pub fn word(&self) -> &'static str {
        match self {
            Self::OtherUser { .. } => "other-user",
            Self::ForeignNamespace { .. } => "foreign-namespace",
            Self::Gone { .. } => "gone",
            Self::OtherSender { .. } => "other-sender",
            Self::OtherUnit { .. } => "other-unit",
            Self::NoCredentials => "no-credentials",
            Self::Hidden { .. } => "hidden",
            Self::Unrandomised { .. } => "unrandomised",
            Self::Traced { .. } => "traced",
            Self::NoPeer(_) => "no-peer",
        }
    }
}

/// A peer that sent the nonce back: known, and the same as the one that connected. Made only by
/// [`Identity::confirmed`] and [`Identity::confirmed_holder`].
#[derive(Debug)]
pub struct Peer {
    pidfd: Arc<OwnedFd>,
    space: Option<AddressSpace>,
    ours: Option<Ours>,
    evidence: Evidence,
    /// Its directory, for the look at it that the first request brings, and open until then: whoever connects and asks
    /// nothing has one descriptor more for as long as that lasts.
    dir: RefCell<Option<OwnedFd>>,
    /// What the end of the handshake read of it, where the first request was there by then: it was read for that, too.
    for_first: RefCell<Option<Stat>>,
    /// Whether the next request has it looked at: not the one that was there when the handshake's end looked.
    must_look: Cell<bool>,
}

impl Identity {
    /// The peer has proved that it is the process that was read: it sent the nonce back, under the
    /// same pid, and is still the same program. `asked` says whether its first request is there already.
    ///
    /// # Errors
    /// [`Unattested::Gone`] if it became another program, [`Unattested::Hidden`] if that cannot be
    /// told.
    pub fn confirmed(self, claims: Claims, asked: bool) -> Result<Peer, Box<(Self, Unattested)>> {
        match self.unchanged() {
            Ok(read) => Ok(self.into_peer(claims, read.filter(|_| asked))),
            Err(reason) => Err(Box::new((self, reason))),
        }
    }

    /// As [`Identity::confirmed`], for the holder of a tap: it need not be seen to be still the same program,
    /// since its right is that of whoever holds the tap.
    ///
    /// # Errors
    /// [`Unattested::Gone`].
    pub fn confirmed_holder(self, claims: Claims) -> Result<Peer, Unattested> {
        self.still()?;
        Ok(self.into_peer(claims, None))
    }

    fn into_peer(self, claims: Claims, for_first: Option<Stat>) -> Peer {
        let Self { kernel, pidfd, space, ours, dir, .. } = self;
        let must_look = Cell::new(for_first.is_none());
        let (dir, for_first) = (RefCell::new(Some(dir)), RefCell::new(for_first));
        Peer { pidfd, space, ours, evidence: Evidence { kernel, claims }, dir, for_first, must_look }
    }
}

impl Peer {
    /// The process.
    pub fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Everything known of it.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// What the kernel says of it to everybody, now: through the directory of the handshake, as long as that is
    /// [kept](Self::let_go), or by its number.
    ///
    /// # Errors
    /// [`Unattested::Gone`].
    pub fn member(&self) -> Result<Member, Unattested> {
        let pid = self.evidence.kernel.pid;
        let look = || {
            let dir = self.dir.take().map_or_else(|| process::directory(pid), Ok)?;
            let stat = self.for_first.take().map_or_else(|| Stat::read(dir.as_fd()), Ok)?;
            Ok::<_, std::io::Error>(Member::held(dir, stat, self.pidfd.clone()))
        };
        look().map_err(|_| Unattested::Gone { pid })
    }

    /// The first request is answered: what was kept for that is kept no longer.
    pub fn let_go(&self) {
        self.dir.take();
        self.for_first.take();
    }

    /// Whether it is one of the programs that were installed with this daemon, and how that is known:
    /// then not it is judged, but who ran it.
    pub fn ours(&self) -> Option<Ours> {
        self.ours
    }

    /// Whether bytes that came with `sender` came from this peer's process. Whether that is still the program
    /// that it was is asked with [`Peer::still`], before anything is done about them.
    ///
    /// # Errors
    /// [`Unattested`] says what does not fit; the connection must end.
    pub fn sent(&self, sender: Option<Creds>) -> Result<(), Unattested> {
        linux::sent(&self.evidence.kernel, sender)
    }

    /// As [`Peer::still`], for a request that is taken up now. What had come before the handshake ended was there when
    /// its end looked.
    ///
    /// # Errors
    /// As [`Peer::still`].
    pub fn asks(&self) -> Result<(), Unattested> {
        if !self.must_look.replace(true) {
            return Ok(());
        }
        // The first may have been refused before anything was looked at for it.
        self.for_first.take();
        self.still()
    }

    /// Whether it is still the program it was: asked when a request is there, and again before anything leaves.
    /// The answer goes from yes to no once and never back, so a yes holds for all that was before.
    ///
    /// # Errors
    /// [`Unattested::Gone`]; the connection must end.
    pub fn still(&self) -> Result<(), Unattested> {
        linux::still(&self.pidfd, self.space.as_ref(), self.evidence.kernel.pid)
    }
}

impl Evidence {
    /// As the log records it.
    pub fn record(&self) -> audit::Peer<'_> {
        let claims =
            audit::Claims { client: (&*self.claims.client).into(), version: (&*self.claims.version).into() };
        audit::Peer { kernel: self.kernel.record(), claims: Some(claims) }
    }
}

impl Kernel {
    /// As the log records it.
    pub fn record(&self) -> audit::Kernel<'_> {
        let exe = self.exe.as_ref();
        let exe = exe.map(|exe| audit::Exe { path: (&*exe.path).into(), dev: exe.dev, ino: exe.ino });
        audit::Kernel { pid: Some(self.pid), uid: self.uid, gid: Some(self.gid), exe }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glassdome_sys::stream_pair;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    fn peer(asked: bool) -> Peer {
        let (ours, _theirs) = stream_pair().unwrap();
        let identity = identify(ours.as_fd(), rustix::process::getuid().as_raw(), None).unwrap();
        let claims = Claims { client: "test".into(), version: "1".into() };
        identity.confirmed(claims, asked).unwrap()
    }

    #[test]
    fn what_the_handshake_read_serves_the_request_that_was_there_and_no_other() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let dead = Arc::new(pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        for asked in [true, false] {
            let peer = Peer { pidfd: dead.clone(), ..peer(asked) };
            assert_eq!(peer.asks().is_ok(), asked);
            assert!(peer.asks().is_err(), "the second was not there then");
        }
    }

    #[test]
    fn what_is_read_of_it_for_its_first_request_is_read_once() {
        let own = std::process::id().cast_signed();
        let peer = peer(true);
        let parent = || peer.member().unwrap().parent().map(|parent| parent.stat.pid);
        let keep = |peer: &Peer| peer.for_first.borrow_mut().as_mut().unwrap().name = "kept".into();
        keep(&peer);
        peer.asks().unwrap();
        let first = peer.member().unwrap();
        assert_eq!((first.stat.pid, first.stat.name.as_str()), (own, "kept"));
        assert_ne!(peer.member().unwrap().stat.name, "kept", "the next request's look is its own");
        // The first was refused before it was looked at.
        let refused = self::peer(true);
        keep(&refused);
        refused.asks().unwrap();
        refused.asks().unwrap();
        assert_ne!(refused.member().unwrap().stat.name, "kept");
        assert_eq!(parent(), Some(rustix::process::getppid().unwrap().as_raw_nonzero().get()));
    }
}
