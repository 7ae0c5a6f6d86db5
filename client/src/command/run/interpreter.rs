//! Which interpreter runs a script from its copy, and how it is told to read nothing else before: no file of
//! the user's, no directory that happens to be there.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, printable};

/// Where programs are looked for: what root alone changes.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// As much of the first line as the kernel reads (`BINPRM_BUF_SIZE` in linux/binfmts.h), in bytes.
const LINE: usize = 256;

/// A program, and the words before the script.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// It.
    pub(super) program: PathBuf,
    /// Its options.
    pub(super) options: Vec<OsString>,
}

impl Interpreter {
    /// The one that was typed, without options; or else the one that the script's first line names.
    ///
    /// # Errors
    /// [`Error::Usage`] of one that cannot be kept to the script, and of options that might change what it
    /// runs.
    pub(super) fn of(script: &[u8], typed: Option<&Path>) -> Result<Self, Error> {
        let (named, letters) = match typed {
            Some(typed) => (typed.to_owned(), None),
            None => first_line(script)?,
        };
        let program = if named.as_os_str().as_bytes().contains(&b'/') { named } else { found(&named)? };
        // By what it is, not by what it is called: /bin/sh is dash here and bash there. It is started as it was
        // named, since a virtual environment of Python is known by that.
        let failed = |source| Error::Run { program: shown(&program), source };
        let file = fs::canonicalize(&program).map_err(failed)?;
        let Some(how) = HOW.iter().find(|how| how.fits(&file)) else { return Err(unknown(&file)) };
        let mut options: Vec<OsString> = how.options.iter().map(Into::into).collect();
        if let Some(letters) = letters {
            let plain = letters.strip_prefix(b"-").filter(|letters| !letters.is_empty());
            if !plain.is_some_and(|plain| plain.iter().all(|letter| how.letters.contains(letter))) {
                return Err(Error::Usage(format!(
                    "the first line of the script gives {} the option {}, with which it might run something \
                     else: name the interpreter, without it, by --exe",
                    shown(&program),
                    shown(OsStr::from_bytes(&letters)),
                )));
            }
            options.push(OsStr::from_bytes(&letters).to_owned());
        }
        Ok(Self { program, options })
    }
}

/// How an interpreter is kept to its script.
struct How {
    /// Its file's name, without a version.
    name: &'static str,
    options: &'static [&'static str],
    /// Options of one letter that may stand in the first line: none of them loads code, or takes a word.
    letters: &'static [u8],
}

/// Those of which it is known, and tested, that they run nothing before the script but what root installed,
/// once their environment is cleared. What a script then loads itself is its own affair.
const HOW: &[How] = &[
    // Isolated: no PYTHON*, no packages of the user's, neither the script's nor the working directory.
    How { name: "python", options: &["-I"], letters: b"bBdEIOqRsSuvx" },
    // No ~/.bashrc, no profile; privileged: no functions from the environment, no BASH_ENV, no SHELLOPTS.
    How { name: "bash", options: &["--norc", "--noprofile", "-p"], letters: b"abefhkmuvxBCET" },
    // It reads files of the user's only where somebody types.
    How { name: "dash", options: &[], letters: b"abefmuvxC" },
    // No ~/.zshenv.
    How { name: "zsh", options: &["-f"], letters: b"efuvx" },
    // No configuration, and no functions that load themselves.
    How { name: "fish", options: &["--no-config"], letters: b"" },
    // No sitecustomize.pl.
    How { name: "perl", options: &["-f"], letters: b"ftTuUwWX" },
    // By its path as it is, since the copy has no other; no modules of the home directory.
    How { name: "node", options: &["--preserve-symlinks-main", "--no-global-search-paths"], letters: b"" },
];

impl How {
    fn fits(&self, file: &Path) -> bool {
        let name = file.file_name().and_then(OsStr::to_str);
        name.and_then(|name| name.strip_prefix(self.name)).is_some_and(is_version)
    }
}

/// `3.11`, `-5.9`, `3.13t`, `22`, or nothing.
fn is_version(rest: &str) -> bool {
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let build = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    build.is_empty() || (build != rest && matches!(build, "d" | "t" | "-dbg"))
}

/// What follows `#!`: the interpreter, and one word of options (execve(2)). `/usr/bin/env` looks one up, and
/// so does this.
fn first_line(script: &[u8]) -> Result<(PathBuf, Option<Vec<u8>>), Error> {
    let line = script.strip_prefix(b"#!").and_then(|rest| rest.split(|&byte| byte == b'\n').next());
    let line = line.filter(|line| line.len() < LINE).ok_or_else(|| {
        Error::Usage("the script's first line names no interpreter (#!): name one by --exe".into())
    })?;
    let words = line.split(|byte| b" \t\r".contains(byte)).filter(|word| !word.is_empty());
    let mut words: Vec<&[u8]> = words.collect();
    if words.first().is_some_and(|first| first.ends_with(b"/env")) {
        words.remove(0);
        if words.first().is_some_and(|first| *first == b"-S") {
            words.remove(0);
        }
    }
    let path = |word: &[u8]| PathBuf::from(OsStr::from_bytes(word));
    // What env(1) would take for an option or a variable, or take apart.
    let is_name = |word: &[u8]| !word.starts_with(b"-") && !word.iter().any(|byte| b"=\"'\\$".contains(byte));
    match words.as_slice() {
        [program] if is_name(program) => Ok((path(program), None)),
        [program, letters] if is_name(program) => Ok((path(program), Some(letters.to_vec()))),
        _ => Err(Error::Usage(
            "the script's first line (#!) is not a program with at most one word of options: name the \
             interpreter by --exe"
                .into(),
        )),
    }
}

fn found(name: &Path) -> Result<PathBuf, Error> {
    let mut places = PATH.split(':').map(|place| Path::new(place).join(name));
    places.find(|place| place.is_file()).ok_or_else(|| {
        Error::Usage(format!(
            "there is no {} in {PATH}: name the interpreter by --exe",
            shown(name.as_os_str())
        ))
    })
}

fn unknown(file: &Path) -> Error {
    let known: Vec<&str> = HOW.iter().map(|how| how.name).collect();
    Error::Usage(format!(
        "{} is no interpreter that is known to run a script and nothing of the user's before it ({} are): \
         start it without --script",
        shown(file.as_os_str()),
        known.join(", ")
    ))
}

fn shown(text: impl AsRef<OsStr>) -> String {
    printable(&text.as_ref().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> Result<(String, Option<String>), Error> {
        let (program, letters) = first_line(format!("{line}\nprint()\n").as_bytes())?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ok((program.to_str().unwrap().to_owned(), letters.map(text)))
    }

    #[test]
    fn first_lines() {
        for (line, program, letters) in [
            ("#!/bin/sh", "/bin/sh", None),
            ("#! /usr/bin/python3 -u", "/usr/bin/python3", Some("-u")),
            ("#!/usr/bin/env python3", "python3", None),
            ("#!/usr/bin/env -S python3 -u\r", "python3", Some("-u")),
            ("#!/opt/my-python/bin/python3", "/opt/my-python/bin/python3", None),
        ] {
            assert_eq!(read(line).unwrap(), (program.to_owned(), letters.map(str::to_owned)), "{line}");
        }
        let long = format!("#!/{}", "x".repeat(LINE));
        for line in [
            "",
            "# /bin/sh",
            "#!",
            "#!/usr/bin/env",
            "#!/usr/bin/env -i python3",
            "#!/usr/bin/env A=1 python3",
            "#!/usr/bin/env -S python3 -u -x",
            "#!/bin/bash -e -u",
            &long,
        ] {
            assert!(matches!(read(line), Err(Error::Usage(_))), "{line}");
        }
    }

    #[test]
    fn it_is_known_by_its_file() {
        let how = |name: &str| HOW.iter().find(|how| how.fits(&Path::new("/usr/bin").join(name)));
        for (name, known) in [
            ("python3.11", "python"),
            ("python3.13t", "python"),
            ("bash", "bash"),
            ("zsh-5.9", "zsh"),
            ("node22", "node"),
            ("dash", "dash"),
        ] {
            assert_eq!(how(name).map(|how| how.name), Some(known), "{name}");
        }
        for name in ["ruby", "busybox", "rbash", "pythonista", "python3-config", "node_exporter", "ctl", "sh"]
        {
            assert!(how(name).is_none(), "{name}");
        }
    }

    #[test]
    fn options_that_might_run_something_else_are_refused() {
        let of = |line: &str| Interpreter::of(format!("#!{line}\n").as_bytes(), None);
        assert_eq!(of("/usr/bin/bash -eu").unwrap().options, ["--norc", "--noprofile", "-p", "-eu"]);
        for line in
            ["/bin/bash -c", "/bin/bash -l", "/bin/bash --rcfile", "/bin/bash x", "/bin/bash -", "/bin/cat"]
        {
            assert!(matches!(of(line), Err(Error::Usage(_))), "{line}");
        }
        // What is typed goes before the first line.
        let typed = Interpreter::of(b"#!/bin/bash -c\n", Some(Path::new("bash"))).unwrap();
        assert_eq!(typed.options, ["--norc", "--noprofile", "-p"]);
        assert!(typed.program.is_absolute());
        assert!(matches!(Interpreter::of(b"", Some(Path::new("/nowhere"))), Err(Error::Run { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(script: Vec<u8>) {
            let _ = first_line(&script);
            let _ = first_line(&[b"#!", &script[..]].concat());
        }
    }
}
