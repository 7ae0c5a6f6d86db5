//! Which files belong to a log, in order. The active one is `audit.jsonl`; when it is full it is
//! renamed to `audit-<seq of its first record>.jsonl`, and a new one goes on with the same chain
//! and the same seals.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Hex, time};

/// How the file is called that is written to.
pub const ACTIVE: &str = "audit.jsonl";
/// How the file with the [`Link`](crate::link::Link) is called, beside the log.
pub const LINK: &str = "audit.link";
const DIGITS: usize = 12;

/// What a full file is called whose first record is `first`.
pub fn full_name(first: u64) -> String {
    format!("audit-{first:0DIGITS$}.jsonl")
}

/// The first record of the full file of this name, if that is one: exactly as [`full_name`] writes it.
pub fn first_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
    let first = digits.parse().ok()?;
    (first > 0 && name == full_name(first)).then_some(first)
}

/// What the directory is called that a log was moved to which did not verify: `audit-set-aside-` and when
/// that was, by the wall clock in UTC, to the second; behind it `random`, if there is one of that name.
pub fn aside_name(wall: Duration, random: Option<Hex<8>>) -> String {
    let wall = Duration::from_secs(wall.as_secs());
    let time = time(wall).replace(".000", "").replace(':', "-");
    match random {
        None => format!("audit-set-aside-{time}"),
        Some(random) => format!("audit-set-aside-{time}-{random}"),
    }
}

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its first record, by its name; `None`: the active one.
    pub first: Option<u64>,
}

/// The files of the log in `dir`, oldest first, the active one last. Other files there are not of
/// the log. Empty if there is none.
///
/// # Errors
/// What the system says about the directory. That it is not there is no error.
pub fn list(dir: &Path) -> io::Result<Vec<LogFile>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let first = first_of(name);
        if first.is_some() || name == ACTIVE {
            files.push(LogFile { path: dir.join(name), first });
        }
    }
    files.sort_by_key(|file| file.first.unwrap_or(u64::MAX));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_where_a_file_begins() {
        assert_eq!(full_name(7), "audit-000000000007.jsonl");
        for first in [1, 7, 999_999_999_999, 1_000_000_000_000, u64::MAX] {
            assert_eq!(first_of(&full_name(first)), Some(first));
        }
        for other in [
            "audit.jsonl",
            "audit-7.jsonl",
            "audit-+00000000007.jsonl",
            "audit-000000000000.jsonl",
            "audit-0000000000007.jsonl",
            "audit-000000000007.jsonl~",
            "audit-set-aside-2026-11-22T00-24-50Z",
        ] {
            assert_eq!(first_of(other), None, "{other}");
        }
        let wall = Duration::from_millis(1_795_307_090_123);
        assert_eq!(aside_name(wall, None), "audit-set-aside-2026-11-22T00-24-50Z");
        let again = "audit-set-aside-2026-11-22T00-24-50Z-0707070707070707";
        assert_eq!(aside_name(wall, Some(Hex([7; 8]))), again);
    }

    #[test]
    fn the_oldest_is_first_and_the_active_last() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(list(&dir.path().join("none")).unwrap(), []);
        let names =
            [ACTIVE, &full_name(1_000_000_000_000), &full_name(1), &full_name(900), LINK, "glassdomed.log"];
        for name in names {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join(aside_name(Duration::from_secs(1_795_307_090), None))).unwrap();
        let firsts: Vec<_> = list(dir.path()).unwrap().into_iter().map(|file| file.first).collect();
        assert_eq!(firsts, [Some(1), Some(900), Some(1_000_000_000_000), None]);
    }
}
