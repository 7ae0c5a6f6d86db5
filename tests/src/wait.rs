//! Waiting for what happens by itself, without a fixed pause that is too short on a busy machine
//! and too long on any other.

use std::time::{Duration, Instant};

/// Asks again and again until `happened` says yes, for at most `patience`; whether it did.
#[must_use]
pub fn wait_until(mut happened: impl FnMut() -> bool, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if happened() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
