//! Signals that wait to be asked for: whoever changed something that outlives the process, such as a
//! terminal, puts it back before a signal has its way.
//!
//! No handler: it would run between any two instructions, and may do next to nothing (signal-safety(7)).

use rustix::io::{Errno, read};
use rustix::process::Signal;
use std::io;
use std::marker::PhantomData;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{null, null_mut};

/// Signals that are held back from the calling thread until this is dropped. Then those that came and were not taken
/// do what they would have done.
///
/// For programs of one thread: another one, which does not hold them, would be given them. Its descriptor is readable
/// when one has come.
pub struct HeldSignals {
    queue: OwnedFd,
    held: Mask,
    /// The mask belongs to one thread.
    _not_send: PhantomData<*const ()>,
}

impl HeldSignals {
    /// Holds those of `signals` that would have an effect: what is ignored or blocked already stays so.
    ///
    /// # Errors
    /// What signalfd(2) says: `EMFILE`, and such.
    pub fn hold(signals: &[Signal]) -> io::Result<Self> {
        let blocked = Mask::of_thread()?;
        let mut held = Mask::empty();
        for &signal in signals {
            if !blocked.has(signal) && !is_ignored(signal)? {
                held.add(signal);
            }
        }
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: `held` is an initialised set that lives to the end of the call.
        let queue = unsafe { libc::signalfd(-1, &raw const held.0, flags) };
        if queue < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor, and nobody else knows of it.
        let queue = unsafe { OwnedFd::from_raw_fd(queue) };
        held.change_thread(libc::SIG_BLOCK)?;
        Ok(Self { queue, held, _not_send: PhantomData })
    }

    /// Takes the next one that has come; `None` if there is none.
    ///
    /// # Errors
    /// What read(2) says; nothing is known to.
    pub fn take(&self) -> io::Result<Option<Signal>> {
        const NUMBER: usize = offset_of!(libc::signalfd_siginfo, ssi_signo);
        let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
        match read(&self.queue, &mut record) {
            Ok(_) => {
                let number = record[NUMBER..].first_chunk().map_or(0, |number| i32::from_ne_bytes(*number));
                Signal::from_named_raw(number).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
            }
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for HeldSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        // It fails for an operation that does not exist only (pthread_sigmask(3)).
        self.held.change_thread(libc::SIG_UNBLOCK).ok();
    }
}

/// A set of signals.
struct Mask(libc::sigset_t);

impl Mask {
    fn empty() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigemptyset(3) writes the whole set, and cannot fail.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            Self(set.assume_init())
        }
    }

    fn of_thread() -> io::Result<Self> {
        let mut mask = Self::empty();
        // SAFETY: without a new set nothing changes; the old one is written to a set that is ours.
        let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, null(), &raw mut mask.0) };
        if error == 0 { Ok(mask) } else { Err(io::Error::from_raw_os_error(error)) }
    }

    fn change_thread(&self, how: i32) -> io::Result<()> {
        // SAFETY: the set is initialised; the old one is not asked for.
        let error = unsafe { libc::pthread_sigmask(how, &raw const self.0, null_mut()) };
        if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
    }

    fn add(&mut self, signal: Signal) {
        // SAFETY: the set is initialised; a `Signal` is a valid number.
        unsafe { libc::sigaddset(&raw mut self.0, signal.as_raw()) };
    }

    fn has(&self, signal: Signal) -> bool {
        // SAFETY: as above.
        unsafe { libc::sigismember(&raw const self.0, signal.as_raw()) == 1 }
    }
}

fn is_ignored(signal: Signal) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action nothing changes; the old one is written to memory of its type.
    if unsafe { libc::sigaction(signal.as_raw(), null(), action.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it was written.
    Ok(unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN)
}

#[cfg(test)]
mod tests {
    use super::{HeldSignals, Mask};
    use rustix::process::Signal;
    use std::os::fd::AsFd;

    /// To this thread: the others of the test hold nothing back.
    fn send(signal: Signal) {
        // SAFETY: a thread may always signal itself.
        assert_eq!(unsafe { libc::pthread_kill(libc::pthread_self(), signal.as_raw()) }, 0);
    }

    fn is_readable(held: &HeldSignals) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::from_borrowed_fd(held.as_fd(), PollFlags::IN)], Some(&at_once)).unwrap() == 1
    }

    #[test]
    fn what_is_held_waits_to_be_taken() {
        // Two that nobody ignores for what he starts, as nohup(1) does with SIGHUP.
        let held = HeldSignals::hold(&[Signal::TERM, Signal::ALARM]).unwrap();
        assert!(!is_readable(&held));
        assert_eq!(held.take().unwrap(), None);
        send(Signal::TERM);
        send(Signal::ALARM);
        assert!(is_readable(&held));
        let both = [held.take().unwrap().unwrap(), held.take().unwrap().unwrap()];
        assert!(both.contains(&Signal::TERM) && both.contains(&Signal::ALARM), "{both:?}");
        assert_eq!(held.take().unwrap(), None);
    }

    #[test]
    fn what_has_no_effect_stays_so() {
        // Rust's programs ignore this one.
        let held = HeldSignals::hold(&[Signal::PIPE, Signal::USR1]).unwrap();
        send(Signal::PIPE);
        assert_eq!(held.take().unwrap(), None);
        send(Signal::USR1);
        assert_eq!(held.take().unwrap(), Some(Signal::USR1), "control");
        let inner = HeldSignals::hold(&[Signal::USR1]).unwrap();
        drop(inner);
        assert!(Mask::of_thread().unwrap().has(Signal::USR1), "what others hold is not let go");
    }

    #[test]
    fn dropping_lets_go() {
        let is_held = || Mask::of_thread().unwrap().has(Signal::USR2);
        let held = HeldSignals::hold(&[Signal::USR2]).unwrap();
        assert!(is_held());
        drop(held);
        assert!(!is_held());
    }
}
