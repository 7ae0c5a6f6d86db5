//! Waiting for what happens by itself, without a fixed pause that is too short on a busy machine
//! and too long on any other.

use std::time::{Duration, Instant};

/// Between two questions, at first and when it takes long.
const SOON: Duration = Duration::from_millis(5);
const SELDOM: Duration = Duration::from_millis(100);

/// Asks again and again until `happened` says yes, for at most `patience`; whether it did.
#[must_use]
pub fn wait_until(mut happened: impl FnMut() -> bool, patience: Duration) -> bool {
    let began = Instant::now();
    loop {
        if happened() {
            return true;
        }
        let waited = began.elapsed();
        if waited >= patience {
            return false;
        }
        // To ask may start a program: what takes its time is not to be kept from the processor by that.
        std::thread::sleep((waited / 10).clamp(SOON, SELDOM));
    }
}
