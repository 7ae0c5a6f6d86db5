//! A twin of the daemon's front, for the controls of the handshake's tests: the same steps through
//! the same system calls, but those that it is told to leave out. An attack that the daemon refuses
//! must succeed here when the one step that answers it is missing, or it proves nothing.
//!
//! ```text
//! twin SOCKET TRUSTED [--without STEP]…     (serves TRUSTED, a program's path, and nobody else)
//! ```
//!
//! A trusted peer is answered any request with the value [`BAIT`]. Each connection's verdict is
//! printed as a line.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use glassdome_proto::secrets::Answer as Secrets;
use glassdome_proto::{
    Answer, Bytes, Challenge, HEADER_LEN, Hello, Outcome, Range, Reply, Request, decode, encode, limits,
    payload_len,
};
use glassdome_sys::{
    AddressSpace, Creds, pass_credentials, peer_creds, peer_pidfd, pidfd_alive, recv, refuse_descriptors,
    send_with_fd, stream_pair,
};
use rustix::fs::{Mode, OFlags};

/// What a trusted peer gets.
const BAIT: &[u8] = b"the bait";

/// The steps that can be left out.
const STEPS: [&str; 8] =
    ["nonce", "maps", "fresh-pair", "sender", "namespace", "exe-identity", "passrights", "layout"];

type Failure = Box<dyn Error + Send + Sync>;

struct Front {
    trusted: PathBuf,
    without: BTreeSet<String>,
}

struct Identity {
    creds: Creds,
    pidfd: OwnedFd,
    space: AddressSpace,
    process: PathBuf,
    exe: Exe,
    layout: Vec<String>,
}

#[derive(PartialEq, Eq)]
struct Exe {
    path: PathBuf,
    dev: u64,
    ino: u64,
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let (Some(socket), Some(trusted)) = (args.next(), args.next()) else {
        return Err("twin SOCKET TRUSTED [--without STEP]…".into());
    };
    let without: BTreeSet<String> = args.filter(|arg| arg != "--without").collect();
    if let Some(unknown) = without.iter().find(|step| !STEPS.contains(&step.as_str())) {
        return Err(format!("no such step: {unknown}").into());
    }
    let front = Arc::new(Front { trusted: fs::canonicalize(trusted)?, without });
    let listener = UnixListener::bind(&socket)?;
    pass_credentials(listener.as_fd())?;
    if front.with("passrights") {
        refuse_descriptors(listener.as_fd())?;
    }
    println!("ready");
    for accepted in listener.incoming() {
        let (accepted, front) = (accepted?, front.clone());
        thread::spawn(move || match front.serve(&accepted) {
            Ok(()) => println!("served"),
            Err(failure) => println!("refused: {failure}"),
        });
    }
    Ok(())
}

impl Front {
    fn with(&self, step: &str) -> bool {
        !self.without.contains(step)
    }

    fn serve(&self, accepted: &UnixStream) -> Result<(), Failure> {
        let identity = self.identify(accepted.as_fd())?;
        let mut nonce = [0; 32];
        rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty())?;
        let challenge = framed(&Challenge { protocol: Range::OURS, nonce })?;
        let wire = if !self.with("nonce") {
            accepted.try_clone()?
        } else if !self.with("fresh-pair") {
            send(accepted.as_fd(), &challenge)?;
            accepted.try_clone()?
        } else {
            let (ours, theirs) = stream_pair()?;
            pass_credentials(ours.as_fd())?;
            if self.with("passrights") {
                refuse_descriptors(ours.as_fd())?;
            }
            send_with_fd(accepted.as_fd(), &challenge, theirs.as_fd())?;
            ours.into()
        };
        wire.set_read_timeout(Some(limits::HANDSHAKE))?;
        let mut inbox = Vec::new();
        let hello = self.receive(&wire, &mut inbox, &identity)?;
        let hello: Hello<'_> = decode(&hello)?;
        if self.with("nonce") && hello.nonce != nonce {
            return Err("another nonce".into());
        }
        if self.with("layout") {
            let same =
                Exe::of(&identity.process)? == identity.exe && layout(&identity.process)? == identity.layout;
            if !same {
                return Err("layout: another program".into());
            }
        }
        let request = self.receive(&wire, &mut inbox, &identity)?;
        let request: Request<'_> = decode(&request)?;
        if !self.trusts(&identity.exe)? {
            return Err(format!("not trusted: {}", identity.exe.path.display()).into());
        }
        self.check(&identity, None)?;
        let first = Bytes::new(BAIT).ok_or("the bait fits")?;
        let total = BAIT.len() as u32;
        let value = Secrets::Value { version: 1, expires: None, total, first };
        let reply = Reply { id: request.id, outcome: Outcome::Ok(Answer::Secrets(value)) };
        Ok(send(wire.as_fd(), &framed(&reply)?)?)
    }

    fn identify(&self, accepted: BorrowedFd<'_>) -> Result<Identity, Failure> {
        let creds = peer_creds(accepted)?;
        let pidfd = peer_pidfd(accepted)?;
        let process = PathBuf::from(format!("/proc/{}", creds.pid));
        let dir = rustix::fs::open(&process, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let space = AddressSpace::open(dir.as_fd())?;
        for kind in ["ns/user", "ns/pid"].iter().filter(|_| self.with("namespace")) {
            let id = |found: Metadata| (found.dev(), found.ino());
            if id(fs::metadata(process.join(kind))?) != id(fs::metadata(Path::new("/proc/self").join(kind))?)
            {
                return Err(format!("another namespace: {kind}").into());
            }
        }
        let (exe, layout) = (Exe::of(&process)?, layout(&process)?);
        Ok(Identity { creds, pidfd, space, process, exe, layout })
    }

    /// By device and inode number of the trusted file; without that step, by what the path says.
    fn trusts(&self, exe: &Exe) -> io::Result<bool> {
        if !self.with("exe-identity") {
            return Ok(exe.path == self.trusted);
        }
        let trusted = fs::metadata(&self.trusted)?;
        Ok((exe.dev, exe.ino) == (trusted.dev(), trusted.ino()))
    }

    fn check(&self, identity: &Identity, sender: Option<Creds>) -> Result<(), Failure> {
        if let Some(sender) = sender.filter(|_| self.with("sender"))
            && sender.pid != identity.creds.pid
        {
            return Err(format!("another sender: {}", sender.pid).into());
        }
        if self.with("maps") && !identity.space.alive() {
            return Err("maps: another address space".into());
        }
        if pidfd_alive(identity.pidfd.as_fd()) { Ok(()) } else { Err("it has ended".into()) }
    }

    /// The payload of the next frame.
    fn receive(&self, wire: &UnixStream, inbox: &mut Vec<u8>, peer: &Identity) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some((header, rest)) = inbox.split_first_chunk::<HEADER_LEN>() {
                let len = payload_len(*header)?;
                if rest.len() >= len {
                    let payload = rest[..len].to_vec();
                    inbox.drain(..HEADER_LEN + len);
                    return Ok(payload);
                }
            }
            let mut part = [0; 4096];
            let received = recv(wire.as_fd(), &mut part)?;
            if received.len == 0 {
                return Err("closed".into());
            }
            self.check(peer, Some(received.creds.ok_or("no credentials")?))?;
            inbox.extend_from_slice(&part[..received.len]);
        }
    }
}

impl Exe {
    fn of(process: &Path) -> io::Result<Self> {
        let found = fs::metadata(process.join("exe"))?;
        Ok(Self { path: fs::read_link(process.join("exe"))?, dev: found.dev(), ino: found.ino() })
    }
}

/// Start of code, end of code and start of stack (proc_pid_stat(5)).
fn layout(process: &Path) -> Result<Vec<String>, Failure> {
    let stat = fs::read_to_string(process.join("stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("a stat has a name")?;
    Ok(fields.split_ascii_whitespace().skip(26 - 3).take(3).map(str::to_owned).collect())
}

fn framed<T: serde::Serialize>(message: &T) -> Result<Vec<u8>, Failure> {
    let mut frame = vec![0; HEADER_LEN + limits::FRAME];
    let len = encode(message, &mut frame)?;
    frame.truncate(len);
    Ok(frame)
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL)?;
    Ok(())
}
