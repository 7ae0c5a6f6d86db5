//! A line that tells how far a long task is: on a terminal only, and only once it has taken a second.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(1);

/// One task of `total` steps, or of several stages with their own.
pub(crate) struct Progress {
    total: usize,
    what: &'static str,
    started: Instant,
    watched: bool,
    shown: bool,
}

impl Progress {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, what: "", started: Instant::now(), watched: stderr().is_terminal(), shown: false }
    }

    /// `done` steps are behind us.
    pub(crate) fn at(&mut self, done: usize) {
        if self.watched && self.started.elapsed() >= PATIENCE {
            self.shown = true;
            // What a longer line left is taken away (ECMA-48, EL).
            write!(stderr(), "\r{}{}\x1b[K", line(done, self.total), self.what).ok();
        }
    }

    /// It is at another stage, of `total` steps.
    pub(crate) fn stage(&mut self, what: &'static str, total: usize) {
        (self.what, self.total) = (what, total);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            // Leaves the line as if nothing had been there (ECMA-48, EL).
            write!(stderr(), "\r\x1b[K").ok();
        }
    }
}

fn line(done: usize, total: usize) -> String {
    const WIDTH: usize = 24;
    let full = (done * WIDTH).checked_div(total).unwrap_or(WIDTH).min(WIDTH);
    format!("[{}{}] {done} of {total}", "#".repeat(full), ".".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(line(0, 10), "[........................] 0 of 10");
        assert_eq!(line(5, 10), "[############............] 5 of 10");
        assert_eq!(line(10, 10), "[########################] 10 of 10");
        assert_eq!(line(0, 0), "[########################] 0 of 0");
    }
}
