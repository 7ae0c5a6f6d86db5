//! The beginning and the end of a program that is started often: a prompt runs one each time it is drawn.
//!
//! What the standard library does before `main` is done here, but for its message of a stack overflow. It reads
//! `/proc/self/maps` for that, which takes longer than all that a short program does itself; the kernel ends a program
//! whose stack overflows either way (`SIGSEGV`).

use std::ffi::c_int;
use std::io::Write;
use std::os::fd::IntoRawFd;
use std::panic::catch_unwind;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::stdio::{stderr, stdin, stdout};

/// What a program ends with that panicked, as with the standard library's `main`.
const PANICKED: u8 = 101;

/// Makes a program of a function that returns its exit code, in a crate with `#![no_main]`.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[cfg(not(target_env = "gnu"))]
        ::core::compile_error!(
            "std::env knows the arguments without the standard library's start with glibc only"
        );

        // The C library calls it, with arguments that std::env knows as well.
        #[allow(unsafe_code, reason = "no other function of a program has this name")]
        #[unsafe(no_mangle)]
        extern "C" fn main(
            _count: ::std::ffi::c_int,
            _words: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            $crate::run_program($main)
        }
    };
}

/// Runs `main` as the whole program: see [`program!`](macro@crate::program).
pub fn run_program(main: fn() -> u8) -> c_int {
    open_standard_streams();
    // SAFETY: no handler is installed, so none can run in the middle of anything.
    // Whoever writes is told (EPIPE) when nobody reads any more.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let code = catch_unwind(main).unwrap_or(PANICKED);
    // Nobody may be left to read it.
    let _ = std::io::stdout().flush();
    code.into()
}

/// Where one of the first three descriptors is closed, `/dev/null` takes its place: what is opened later must not be
/// taken for it. It is open the wrong way round: who reads from nothing or writes to nobody is told (`EBADF`), as of
/// what is closed. Only messages may go nowhere.
fn open_standard_streams() {
    let mut streams =
        [stdin(), stdout(), stderr()].map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::empty()));
    let polled = rustix::io::retry_on_intr(|| poll(&mut streams, Some(&Timespec::default())));
    if polled.is_err() {
        std::process::abort();
    }
    let closed = streams.iter().map(|stream| stream.revents().contains(PollFlags::NVAL));
    for ((number, flags), closed) in (0..).zip([OFlags::WRONLY, OFlags::RDONLY, OFlags::RDWR]).zip(closed) {
        // The lowest number that is free, and so this one.
        if closed
            && rustix::fs::open("/dev/null", flags, Mode::empty()).map(IntoRawFd::into_raw_fd) != Ok(number)
        {
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::alone;
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::path::Path;

    #[test]
    fn a_closed_stream_is_opened_on_nothing_and_the_others_stay() {
        alone("program::tests::a_closed_stream_is_opened_on_nothing_and_the_others_stay", || {
            let lies = |number: i32| std::fs::read_link(format!("/proc/self/fd/{number}")).ok();
            let output = lies(1);
            // SAFETY: nothing here uses standard input.
            drop(unsafe { OwnedFd::from_raw_fd(0) });
            assert_eq!(lies(0), None, "control");
            open_standard_streams();
            assert_eq!(lies(0).as_deref(), Some(Path::new("/dev/null")));
            assert_eq!(rustix::io::read(stdin(), &mut [0; 1]), Err(rustix::io::Errno::BADF));
            assert_eq!(lies(1), output);
        });
    }

    #[test]
    fn what_it_returns_is_the_exit_code_and_a_panic_has_its_own() {
        alone("program::tests::what_it_returns_is_the_exit_code_and_a_panic_has_its_own", || {
            // As a program begins: this one has the standard library's start.
            // SAFETY: no handler is installed.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            assert_eq!(run_program(|| 7), 7);
            assert_eq!(run_program(|| panic!("it ends badly")), 101);
            // Nobody reads: an error, and no signal that ends us.
            let (reader, writer) = rustix::pipe::pipe().unwrap();
            drop(reader);
            assert_eq!(rustix::io::write(&writer, b"x"), Err(rustix::io::Errno::PIPE));
        });
    }
}
