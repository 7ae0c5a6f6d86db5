//! The one line on stderr that says what happened and what to do next.

use std::io::{Write, stderr};

use glassdome_proto::Code;

use super::style::Style;
use super::time;
use crate::error::{Error, printable};

/// Says what happened. A stderr that is closed is nobody who wants to know.
pub(crate) fn say(line: &str) {
    writeln!(stderr(), "{line}").ok();
}

/// Says what was done, with its tick.
pub(crate) fn done(line: &str) {
    say(&format!("{} {line}", Style::of(&stderr()).good("✓")));
}

/// Says what is worth knowing beside the result.
pub(crate) fn remind(line: &str) {
    say(&format!("{} {line}", Style::of(&stderr()).careful("note:")));
}

/// Says that a secret is past its day, if it is.
pub(crate) fn expired(name: &str, expires: Option<u64>) {
    if let Some(at) = expires.filter(|at| *at <= time::now()) {
        let name = printable(name);
        remind(&format!("{name} expired on {}. Replace it: ctl set {name}", time::date(at)));
    }
}

/// Says why something was not done.
pub(crate) fn failed(program: &str, error: &Error) {
    if !error.is_broken_pipe() {
        say(&format!("{} {}", Style::of(&stderr()).bad(&format!("{program}:")), advice(error)));
    }
}

/// The error's line, and where it names no remedy, the remedy.
fn advice(error: &Error) -> String {
    let line = error.to_string();
    match error.code() {
        Some(Code::Locked | Code::NoVault) if !line.contains("glassdome_start") => {
            format!("{line}: run glassdome_start")
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: Code, message: &str) -> Error {
        Error::Refused { code, message: message.into(), retry_after: None }
    }

    #[test]
    fn whoever_is_locked_out_is_told_how_to_get_in() {
        assert_eq!(advice(&refused(Code::Locked, "locked")), "locked: run glassdome_start");
        assert_eq!(
            advice(&refused(Code::NoVault, "no vault: run glassdome_start")),
            "no vault: run glassdome_start"
        );
        assert_eq!(advice(&refused(Code::Denied, "no")), "no");
    }
}
