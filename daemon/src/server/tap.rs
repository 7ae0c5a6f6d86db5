//! The taps of handles. Whoever holds one sends a byte and gets a fresh connection, which is of the process
//! that greets on it, and of no other, and ends with the handle.
//!
//! ```text
//! holder ──one byte──────────────────────────► daemon   who sent it is read
//! holder ◄─Challenge{nonce} + descriptor────── daemon   as on the socket
//! holder ──Hello{nonce} Request …────────────► daemon   on that descriptor: its first sender is its peer
//! ```
//! Several processes may hold one tap, and take each other's connections from it: so the peer is not who
//! sent the byte, but who greets.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glassdome_sys::{Creds, pass_credentials, recv, refuse_descriptors};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{self, Shared};
use super::handshake::meet_holder;
use super::unserved;
use super::wire::watched;
use crate::clock;
use crate::handles::Handle;

/// Connections out of one tap at one time, those included that are still greeting; further bytes wait.
const CONNECTIONS: usize = 32;
/// Looks whether a handle is over by a clock that goes on in sleep, which timers do not see.
const LOOK: Duration = Duration::from_secs(10);

/// Opens the tap of a handle: serves it from now on, and returns the end for whoever shall hold it.
///
/// # Errors
/// What the system says.
pub fn open(shared: &Rc<Shared>, handle: Rc<Handle>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    // Of packets: an answer with its descriptor is taken by one reader whole.
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    pass_credentials(ours.as_fd())?;
    refuse_descriptors(ours.as_fd())?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    let tap = Rc::new(watched(ours, Interest::READABLE)?);
    let program = watched(handle.program().try_clone()?, Interest::READABLE)?;
    let shared = shared.clone();
    tokio::task::spawn_local(async move {
        tokio::select! {
            () = handle.ended() => {}
            () = over(&handle, &program) => {}
            never = serve(&shared, &handle, tap) => match never {},
        }
        shared.state.handles().revoke(handle.id());
        handle.end();
    });
    Ok(theirs)
}

/// Waits for the end of the program, or of the time.
async fn over(handle: &Handle, program: &AsyncFd<OwnedFd>) {
    while !handle.is_over(clock::now()) {
        let left = handle.until().map(|until| until.boot.saturating_sub(clock::now().boot));
        // A pidfd is readable when its process has ended (pidfd_open(2)).
        let ended = program.readable();
        let _ = tokio::time::timeout(left.unwrap_or(LOOK).min(LOOK), ended).await;
    }
}

async fn serve(
    shared: &Rc<Shared>,
    handle: &Rc<Handle>,
    tap: Rc<AsyncFd<OwnedFd>>,
) -> std::convert::Infallible {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(seat) = room.clone().acquire_owned().await else { break };
        let mut byte = [0; 1];
        let asked = tap.async_io(Interest::READABLE, |tap| recv(tap.as_fd(), &mut byte)).await;
        match asked {
            Ok(received) if received.len > 0 => {
                tokio::task::spawn_local(meet(
                    shared.clone(),
                    handle.clone(),
                    tap.clone(),
                    received.creds,
                    seat,
                ));
            }
            // Nobody holds it any more, or nobody can use it.
            _ => break,
        }
    }
    drop(tap);
    // The connections that came out of it go on.
    std::future::pending().await
}

async fn meet(
    shared: Rc<Shared>,
    handle: Rc<Handle>,
    tap: Rc<AsyncFd<OwnedFd>>,
    creds: Option<Creds>,
    seat: OwnedSemaphorePermit,
) {
    let met = meet_holder(&shared, tap.get_ref().as_fd(), creds, |pid| handle.reaches(pid)).await;
    // Not held for as long as a connection lives.
    drop(tap);
    match met {
        Ok(met) => connection::run_by(shared, met, handle).await,
        Err(failed) => {
            unserved::failed(&shared, &failed);
            failed.tell().await;
        }
    }
    drop(seat);
}
