//! The one line on stderr that says what happened and what to do next.

use std::io::{Write, stderr};
use std::path::Path;

use super::shell_word::quoted;
use super::style::Style;
use super::time;
use crate::error::{Error, printable};

/// Says what happened. A stderr that is closed is nobody who wants to know.
pub(crate) fn say(line: &str) {
    writeln!(stderr(), "{line}").ok();
}

/// Says what was done, with its tick.
pub(crate) fn done(line: &str) {
    say(&format!("{} {}", Style::of(&stderr()).good("✓"), printable(line)));
}

/// Says what is worth knowing beside the result.
pub(crate) fn remind(line: &str) {
    say(&format!("{} {}", Style::of(&stderr()).careful("note:"), printable(line)));
}

/// Says that a file holds secrets in plain text, and how it is deleted.
pub(crate) fn plain_text(path: &Path) {
    let path = path.to_string_lossy();
    let shown = printable(&path);
    // What cannot be shown as it is cannot be typed as it is shown; and a name is no option.
    let typed = if shown == path { quoted(&path) } else { "FILE".to_owned() };
    let dashes = if path.starts_with('-') { "-- " } else { "" };
    remind(&format!("{shown} holds secrets in plain text. Delete it: shred -u {dashes}{typed}"));
}

/// Says that a file holds secrets in plain text, some of them nowhere else.
pub(crate) fn not_all_in(path: &Path) {
    let shown = printable(&path.to_string_lossy());
    remind(&format!(
        "{shown} holds secrets in plain text, and still what was not taken in: see to that, then delete it"
    ));
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
        let advice = printable(&error.advice());
        say(&format!("{} {advice}", Style::of(&stderr()).bad(&format!("{program}:"))));
    }
}
