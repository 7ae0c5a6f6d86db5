//! The tap of a handle (`GLASSDOME_FD`): with it, whoever was started by `ctl run --grant` asks for the secrets
//! that it was given, and for no others.

use std::env::var_os;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use glassdome_sys::Stamp;
use rustix::net::sockopt::socket_type;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType, UCred, sendmsg};
use rustix::process::{Gid, getpid, getuid};

use crate::descriptor::inherited;
use crate::error::Error;

/// The environment variable that names the descriptor.
pub const HANDLE: &str = "GLASSDOME_FD";

/// A tap that this process was started with.
pub(crate) struct Tap(OwnedFd);

impl Tap {
    /// The tap that the environment names, if it names one.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none behind the number: whoever was given a handle asks by it or not at
    /// all.
    pub(crate) fn given() -> Result<Option<Self>, Error> {
        let Some(number) = var_os(HANDLE) else { return Ok(None) };
        let lost = || {
            Error::Usage(format!(
                "{HANDLE} names no handle that came along: whoever started this must pass that descriptor on \
                 (in Python: pass_fds), or unset the variable"
            ))
        };
        let number = number.to_str().and_then(|number| number.parse().ok()).ok_or_else(lost)?;
        let tap = inherited(number).map_err(|_| lost())?;
        match socket_type(&tap) {
            Ok(SocketType::SEQPACKET) => Ok(Some(Self(tap))),
            _ => Err(lost()),
        }
    }

    /// Asks for a connection. A stamped program shows its stamp.
    ///
    /// # Errors
    /// [`Error::HandleEnded`].
    pub(crate) fn ask(self) -> Result<OwnedFd, Error> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if let Some(stamp) = Stamp::taken() {
            let gid = Gid::from_raw(stamp.gid());
            let fits = control.push(SendAncillaryMessage::ScmCredentials(UCred {
                pid: getpid(),
                uid: getuid(),
                gid,
            }));
            assert!(fits, "the space was measured for it");
        }
        sendmsg(self.0.as_fd(), &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)
            .map_err(|_| Error::HandleEnded)?;
        Ok(self.0)
    }
}
