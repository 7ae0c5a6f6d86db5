//! What lies where the vault is to be: it is not changed by being looked at, and has another name afterwards.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glassdome_vault::{self as vault, Look, Recovered};

use crate::clock;
use crate::run::Error;

/// What lies there.
#[derive(Debug)]
pub(super) enum There {
    /// Nothing.
    Missing,
    /// A vault that can be read.
    Vault(Box<Look>),
    /// One that cannot: why this is done.
    Damaged,
}

/// What is known of a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Panic {
    /// There is none.
    None,
    /// There is one, since then, in Unix milliseconds.
    Since(u64),
    /// The vault that would say so cannot be read.
    Unknown,
}

/// Looks at it.
///
/// # Errors
/// [`Error::Former`]: whatever else may be wrong with a vault, it may remember what the recovered one must not forget.
pub(super) fn look(place: &Path) -> Result<There, Error> {
    match Look::at(place) {
        Ok(None) => Ok(There::Missing),
        Ok(Some(look)) => Ok(There::Vault(Box::new(look))),
        Err(vault::Error::Corrupt(_)) => Ok(There::Damaged),
        Err(source) => Err(Error::Former { path: place.display().to_string(), source }),
    }
}

impl There {
    /// The vault, if it can be read.
    pub fn vault(&self) -> Option<&Look> {
        if let Self::Vault(look) = self { Some(look) } else { None }
    }

    /// Whether there is a panic.
    ///
    /// # Errors
    /// [`Error::Vault`] if the disk does not say.
    pub fn panic(&self) -> Result<Panic, Error> {
        match self {
            Self::Missing => Ok(Panic::None),
            Self::Damaged => Ok(Panic::Unknown),
            Self::Vault(look) => match look.panic() {
                Ok(since) => Ok(since.map_or(Panic::None, Panic::Since)),
                Err(vault::Error::Corrupt(_)) => Ok(Panic::Unknown),
                Err(error) => Err(Error::Vault(error)),
            },
        }
    }
}

/// A name for what is there now, which nothing has, nor what would lie beside it.
///
/// # Errors
/// [`Error::Vault`] with what the system says.
pub(super) fn former(place: &Path) -> Result<PathBuf, Error> {
    let day = glassdome_audit::time(clock::now().wall);
    let mut name = before(place);
    name.push(day.get(..10).unwrap_or_default());
    for count in 1.. {
        let mut name = name.clone();
        if count > 1 {
            name.push(format!("-{count}"));
        }
        let path = place.with_file_name(name);
        if Recovered::former_is_free(&path).map_err(Error::Vault)? {
            return Ok(path);
        }
    }
    unreachable!("some number is free")
}

/// What the names of former vaults begin with.
fn before(place: &Path) -> OsString {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".before-");
    name
}

/// Whether a vault or an audit log was ever here, as far as what is there tells.
///
/// # Errors
/// What the system says.
pub(super) fn has_traces(place: &Path, audit: &Path) -> Result<bool, Error> {
    let mut redo = place.file_name().unwrap_or_default().to_owned();
    redo.push(".redo");
    let before = before(place);
    let of_vault = |name: &OsStr| {
        Some(name) == place.file_name() || name == redo || begins(name, before.as_encoded_bytes())
    };
    // The file that is written to, full ones, the link, what was set aside or planted.
    let of_log = |name: &OsStr| begins(name, b"audit.") || begins(name, b"audit-");
    Ok(any_beside(place, of_vault)? || any_beside(audit, of_log)?)
}

fn begins(name: &OsStr, with: &[u8]) -> bool {
    name.as_encoded_bytes().starts_with(with)
}

fn any_beside(file: &Path, is_one: impl Fn(&OsStr) -> bool) -> Result<bool, Error> {
    let names = match fs::read_dir(file.parent().unwrap_or(Path::new("/"))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        names => names?,
    };
    for name in names {
        if is_one(&name?.file_name()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_of_a_vault_or_a_log_are_told_from_anything_else() {
        let top = tempfile::tempdir().unwrap();
        let (place, audit) = (top.path().join("data/vault"), top.path().join("state/audit.jsonl"));
        assert!(!has_traces(&place, &audit).unwrap(), "not even the directories");
        for dir in ["data", "state"] {
            fs::create_dir(top.path().join(dir)).unwrap();
        }
        for other in ["data/vault.0123456789abcdef.new", "data/vaults", "state/glassdomed.log"] {
            fs::write(top.path().join(other), "").unwrap();
        }
        assert!(!has_traces(&place, &audit).unwrap());
        let traces = [
            "data/vault",
            "data/vault.redo",
            "data/vault.before-2026-11-22",
            "data/vault.before-2026-11-22.redo",
            "state/audit.jsonl",
            "state/audit-000000000001.jsonl",
            "state/audit.link",
            "state/audit-set-aside-2026-11-22T00-24-50Z",
        ];
        for trace in traces.map(|trace| top.path().join(trace)) {
            fs::write(&trace, "").unwrap();
            assert!(has_traces(&place, &audit).unwrap(), "{}", trace.display());
            fs::remove_file(&trace).unwrap();
        }
    }

    #[test]
    fn a_former_vault_has_a_name_of_its_own() {
        let top = tempfile::tempdir().unwrap();
        let place = top.path().join("vault");
        let first = former(&place).unwrap();
        assert!(first.file_name().unwrap().to_str().unwrap().starts_with("vault.before-2"));
        let mut redo = first.clone().into_os_string();
        redo.push(".redo");
        fs::write(&redo, "changes of another").unwrap();
        let second = former(&place).unwrap();
        assert_eq!(second.to_str().unwrap(), format!("{}-2", first.display()));
        fs::write(&second, "").unwrap();
        assert!(former(&place).unwrap().to_str().unwrap().ends_with("-3"));
    }

    #[test]
    fn what_is_no_vault_is_damaged_and_stays_as_it_is() {
        let top = tempfile::tempdir().unwrap();
        let place = top.path().join("vault");
        assert!(matches!(look(&place).unwrap(), There::Missing));
        for content in [&b""[..], b"garbage", &[0; 8192]] {
            fs::write(&place, content).unwrap();
            let there = look(&place).unwrap();
            assert!(matches!(there, There::Damaged) && there.panic().unwrap() == Panic::Unknown);
            assert_eq!(fs::read(&place).unwrap(), content);
        }
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        assert!(matches!(look(&place), Err(Error::Former { .. })));
    }
}
