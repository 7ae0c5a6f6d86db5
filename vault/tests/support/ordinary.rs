//! Modes of files say nothing to root: what is about them runs as an ordinary user.

use std::panic::resume_unwind;
use std::thread;

use rustix::process::{Uid, geteuid};
use rustix::thread::set_thread_res_uid;

/// Nobody's.
pub const ORDINARY: u32 = 65534;

/// Runs it on a thread that is an ordinary user's, whoever runs the tests. What it makes is that user's.
pub fn as_ordinary_user<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let ran = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if geteuid().is_root() {
                set_thread_res_uid(None, Uid::from_raw(ORDINARY), None).unwrap();
            }
            work()
        });
        thread.join()
    });
    ran.unwrap_or_else(|panic| resume_unwind(panic))
}
