//! The environment of a script that is run from its copy: what is named here and nothing else, since a
//! variable can have an interpreter run other code before the script, or instead of it.

use std::env::var_os;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::interpreter::PATH;
use super::variables::{Source, Variables};
use crate::error::{Error, printable};
use crate::import::env_file;

/// Tells the script where it was read, since it runs from somewhere else.
pub(super) const SCRIPT: &str = "GLASSDOME_SCRIPT";

/// What comes along: who and where the user is, how to write to the terminal, and where the daemon is.
const KEPT: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_COLLATE",
    "LC_MESSAGES",
    "LC_NUMERIC",
    "LC_MONETARY",
    "LC_TIME",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "TZ",
    "XDG_RUNTIME_DIR",
    "GLASSDOME_SOCKET",
    "GLASSDOME_WAIT",
];

/// Beginnings of names by which the loader, the C library and the interpreters load or do something else.
const STEERING: &[&str] =
    &["LD_", "GLIBC_", "MALLOC_", "PYTHON", "PERL", "NODE_", "OPENSSL_", "BASH", "SHELLOPTS", "ZDOTDIR"];
/// The whole of such names.
const STEERS: &[&str] =
    &["ENV", "GCONV_PATH", "LOCPATH", "NLSPATH", "CDPATH", "IFS", "PS4", "FPATH", "MODULE_PATH"];

/// Names, and beginnings of names, that say where programs, settings, and the files of the C library and of
/// terminals are looked for. A person may keep them; a file or a secret does not set them.
const PLACES: &[&str] = &["PATH", "HOME", "TZDIR"];
const PLACES_BEGIN: &[&str] = &["GLASSDOME_", "XDG_", "TERMINFO", "TERMCAP"];

/// The variables to begin with: those that are always kept, and `keep`. In `last` programs are looked for when
/// they are nowhere else.
///
/// # Errors
/// [`Error::Usage`] of a name that steers interpreters, or is none.
pub(super) fn cleared(keep: &[String], last: Option<&Path>) -> Result<Vec<(String, OsString)>, Error> {
    for name in keep {
        if !env_file::is_key(name) {
            return Err(Error::Usage(format!("--keep {}: {}", printable(name), env_file::NO_KEY)));
        }
        allow(name)?;
    }
    let names = KEPT.iter().copied().chain(keep.iter().map(String::as_str));
    let kept = names.filter_map(|name| Some((name.to_owned(), var_os(name)?)));
    let kept = kept.filter(|(name, value)| names_no_file(name, value.as_bytes()));
    let mut path = OsString::from(PATH);
    if let Some(last) = last {
        path.push(":");
        path.push(last);
    }
    // A PATH that is kept comes last, and counts.
    Ok([("PATH".to_owned(), path)].into_iter().chain(kept).collect())
}

/// Refuses variables that would take back what was cleared: by their names, and by those values that are
/// known by now.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn allow_given(variables: &Variables) -> Result<(), Error> {
    for (name, source) in variables.all() {
        allow(name)?;
        if PLACES.contains(&name.as_str()) || PLACES_BEGIN.iter().any(|beginning| name.starts_with(beginning))
        {
            return Err(Error::Usage(format!(
                "{name} says where things are looked for: --script takes it from you only (--keep), not from \
                 --env or a file"
            )));
        }
        if let Source::Plain(value) = source {
            allow_value(name, value)?;
        }
    }
    Ok(())
}

/// Refuses a value of a locale, a time zone or a terminal that is a path.
///
/// # Errors
/// [`Error::Usage`], without the value.
pub(super) fn allow_value(name: &str, value: &[u8]) -> Result<(), Error> {
    if names_no_file(name, value) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{name} is a path: with --script it is one of the system's. Nothing was started"
    )))
}

/// Whether a locale, a time zone or a terminal is one of the system's: each can be a path of whatever files
/// (setlocale(3), tzset(3), term(5)), translations with directives of printf(3) among them.
fn names_no_file(name: &str, value: &[u8]) -> bool {
    match name {
        "TZ" => {
            !value.starts_with(b"/") && !value.starts_with(b":") && !value.windows(2).any(|two| two == b"..")
        }
        _ if name == "TERM" || name.starts_with("LANG") || name.starts_with("LC_") => !value.contains(&b'/'),
        _ => true,
    }
}

/// Refuses a variable by which something else than the script could be run.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn allow(name: &str) -> Result<(), Error> {
    if STEERING.iter().any(|beginning| name.starts_with(beginning)) || STEERS.contains(&name) {
        return Err(Error::Usage(format!(
            "{name} can have an interpreter run something else than the script: it does not go with --script"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_refused_and_the_rest_is_not() {
        for name in [
            "LD_PRELOAD",
            "LD_AUDIT",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "PERL5OPT",
            "NODE_OPTIONS",
            "BASH_ENV",
            "BASH_FUNC_ls",
            "ENV",
            "ZDOTDIR",
            "GCONV_PATH",
        ] {
            assert!(allow(name).is_err() && cleared(&[name.to_owned()], None).is_err(), "{name}");
        }
        for name in ["PATH", "ENVIRONMENT", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "HTTPS_PROXY"] {
            assert!(allow(name).is_ok() && cleared(&[name.to_owned()], None).is_ok(), "{name}");
        }
        assert!(cleared(&["A B".to_owned()], None).is_err());
    }

    #[test]
    fn what_was_cleared_is_not_given_back() {
        let given = |option: &str| allow_given(&Variables::typed(&[option.to_owned()]).unwrap());
        for name in [
            "PATH",
            "HOME",
            "TERMINFO",
            "TERMINFO_DIRS",
            "TZDIR",
            "GLASSDOME_SCRIPT",
            "GLASSDOME_SOCKET",
            "XDG_RUNTIME_DIR",
            "LD_PRELOAD",
        ] {
            assert!(given(&format!("{name}=a")).is_err(), "{name}");
        }
        for name in ["A", "PATHS", "TERM", "TZ", "LANG", "DATABASE_URL"] {
            given(&format!("{name}=a")).unwrap();
        }
        let told = allow_value("TZ", b"/tmp/secret").unwrap_err().to_string();
        assert!(told.starts_with("TZ is a path") && !told.contains("secret"), "{told}");
        allow_value("TZ", b"Europe/Berlin").unwrap();
    }

    #[test]
    fn a_locale_and_a_time_zone_are_the_systems() {
        for (name, value) in
            [("LANG", "de_DE.UTF-8"), ("LANGUAGE", "de:en"), ("TZ", "Europe/Berlin"), ("HOME", "/u")]
        {
            assert!(names_no_file(name, value.as_bytes()), "{name}={value}");
        }
        for (name, value) in [
            ("LC_ALL", "/tmp/evil"),
            ("LANGUAGE", "de:/tmp"),
            ("TZ", "/tmp/x"),
            ("TZ", ":/tmp/x"),
            ("TERM", "../../tmp/x"),
            ("TZ", "../x"),
        ] {
            assert!(!names_no_file(name, value.as_bytes()), "{name}={value}");
        }
    }

    #[test]
    fn it_begins_with_a_path_that_root_alone_changes() {
        let names = |keep: &[String]| -> Vec<String> {
            cleared(keep, None).unwrap().into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(cleared(&[], None).unwrap()[0], ("PATH".to_owned(), PATH.into()));
        let more = cleared(&[], Some(Path::new("/u/bin"))).unwrap().swap_remove(0).1;
        assert_eq!(more, format!("{PATH}:/u/bin").as_str());
        assert!(!names(&[]).contains(&"CARGO_MANIFEST_DIR".to_owned()), "cargo sets it");
        assert!(names(&["CARGO_MANIFEST_DIR".to_owned()]).contains(&"CARGO_MANIFEST_DIR".to_owned()));
    }
}
