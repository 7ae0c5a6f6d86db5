//! A descriptor in a process that is not ours, which may fork: the child has a copy, by a number that it may have
//! closed and given to a file of its own before this crate knows of it (daemons close all that they inherit).

use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};

use rustix::fs::fstat;

use crate::greeting::Host;

/// Closed when it is dropped, unless its number leads elsewhere by then.
pub(crate) struct SharedFd {
    /// Taken by the drop.
    descriptor: Option<OwnedFd>,
    /// Device and inode number, by which a socket is told from all others; `None` in programs of ours, where nobody
    /// else closes anything.
    leads_to: Option<(u64, u64)>,
}

impl SharedFd {
    /// In whosever process.
    pub(crate) fn of(descriptor: OwnedFd, host: Host<'_>) -> Self {
        let leads_to = match host {
            Host::Ours => None,
            Host::Other { .. } => leads_to(descriptor.as_fd()),
        };
        Self { descriptor: Some(descriptor), leads_to }
    }

    /// Another one, of the same process.
    pub(crate) fn beside(&self, descriptor: OwnedFd) -> Self {
        let leads_to = self.leads_to.and_then(|_| leads_to(descriptor.as_fd()));
        Self { descriptor: Some(descriptor), leads_to }
    }
}

fn leads_to(descriptor: BorrowedFd<'_>) -> Option<(u64, u64)> {
    fstat(descriptor).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

impl AsFd for SharedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.descriptor {
            Some(descriptor) => descriptor.as_fd(),
            None => unreachable!("only its drop takes it"),
        }
    }
}

impl Drop for SharedFd {
    fn drop(&mut self) {
        let Some(descriptor) = self.descriptor.take() else { return };
        if self.leads_to.is_some() && leads_to(descriptor.as_fd()) != self.leads_to {
            // Somebody else's by now, or nobody's.
            let _ = descriptor.into_raw_fd();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    const GUEST: Host<'_> = Host::Other { client: "a guest", version: "7" };

    /// Has the number of a socket lead to another one, as in a child that closed everything, and drops what had it.
    /// Gives whether the other one is closed then.
    fn closes_the_other(host: Host<'_>) -> bool {
        let (ours, _daemon) = UnixStream::pair().unwrap();
        let (mut far, near) = UnixStream::pair().unwrap();
        let mut ours = SharedFd::of(ours.into(), host);
        rustix::io::dup2(&near, ours.descriptor.as_mut().unwrap()).unwrap();
        drop(near);
        drop(ours);
        far.set_nonblocking(true).unwrap();
        matches!(far.read(&mut [0]), Ok(0))
    }

    #[test]
    fn what_leads_elsewhere_is_left_alone() {
        assert!(!closes_the_other(GUEST));
        assert!(closes_the_other(Host::Ours), "control");
    }

    #[test]
    fn what_leads_where_it_did_is_closed() {
        let (ours, mut daemon) = UnixStream::pair().unwrap();
        drop(SharedFd::of(ours.into(), GUEST));
        assert_eq!(daemon.read(&mut [0]).unwrap(), 0);
    }
}
