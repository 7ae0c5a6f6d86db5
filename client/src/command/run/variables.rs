//! The variables that a program is given, and where the value of each comes from: the command line and
//! files.

use std::path::Path;

use zeroize::Zeroizing;

use crate::descriptor::read_file;
use crate::error::Error;
use crate::import::{Item, Place, env_file};
use crate::reference::{Reference, SCHEME};

/// Largest file, in bytes.
const FILE: usize = 1024 * 1024;

/// Where a value comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It stands in a file as it is.
    Plain(Zeroizing<Vec<u8>>),
    /// The daemon has it.
    Secret(Reference),
}

/// Variables by name, each once.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    all: Vec<(String, Source)>,
    /// How many at the front no file changes.
    typed: usize,
}

impl Variables {
    /// Those of `--env VAR=NAME[#FIELD]`; of several with one name the last.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(crate) fn typed(options: &[String]) -> Result<Self, Error> {
        let mut variables = Self::default();
        for option in options {
            let (name, secret) = option.split_once('=').ok_or_else(|| {
                Error::Usage(format!("--env needs VAR=NAME, not {}", crate::error::printable(option)))
            })?;
            let reason =
                |reason: &str| Error::Usage(format!("--env {}: {reason}", crate::error::printable(option)));
            if !env_file::is_key(name) {
                return Err(reason(env_file::NO_KEY));
            }
            let secret = secret.strip_prefix(SCHEME).unwrap_or(secret);
            let secret = Reference::typed(secret).map_err(|error| reason(&error.to_string()))?;
            variables.put(name.to_owned(), Source::Secret(secret), 0);
        }
        variables.typed = variables.all.len();
        Ok(variables)
    }

    /// Adds those of a file.
    ///
    /// # Errors
    /// [`Error::ReadFile`], [`Error::TooLong`]; [`Error::Usage`] with the first line that is not
    /// understood: with less than all that the file means, nothing shall start.
    pub(crate) fn read(&mut self, path: &Path) -> Result<(), Error> {
        self.add(path, &read_file(path, FILE)?)
    }

    fn add(&mut self, path: &Path, text: &[u8]) -> Result<(), Error> {
        let parsed = env_file::parse(text);
        let refused = |place: &Place, reason: &str| {
            Error::Usage(format!("{}, {place}: {reason}: nothing was started", path.display()))
        };
        if let Some(skipped) = parsed.skipped.first() {
            return Err(refused(&skipped.place, &skipped.reason));
        }
        for Item { place, key, value } in parsed.items {
            let source = source(value).map_err(|reason| refused(&place, &reason))?;
            self.put(key, source, self.typed);
        }
        Ok(())
    }

    /// Puts one in the place of one of that name, unless that is among the first `fixed`.
    fn put(&mut self, name: String, source: Source, fixed: usize) {
        match self.all.iter().position(|(there, _)| *there == name) {
            Some(at) if at < fixed => {}
            Some(at) => self.all[at].1 = source,
            None => self.all.push((name, source)),
        }
    }

    /// The secrets that must be asked for, in the order of [`Variables::into_all`].
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Reference> {
        self.all.iter().filter_map(|(_, source)| match source {
            Source::Secret(secret) => Some(secret),
            Source::Plain(_) => None,
        })
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &(String, Source)> {
        self.all.iter()
    }

    /// All of them, to be given away.
    pub(crate) fn into_all(self) -> Vec<(String, Source)> {
        self.all
    }
}

/// What a file's value means.
fn source(value: Zeroizing<Vec<u8>>) -> Result<Source, String> {
    match value.strip_prefix(SCHEME.as_bytes()) {
        Some(secret) => {
            let secret = str::from_utf8(secret).map_err(|_| "the name is not UTF-8".to_owned())?;
            Reference::typed(secret).map(Source::Secret).map_err(|error| error.to_string())
        }
        None if value.contains(&0) => Err("a value with a zero byte, which no variable can hold".to_owned()),
        None => Ok(Source::Plain(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(options: &[&str]) -> Result<Variables, Error> {
        Variables::typed(&options.iter().map(|&option| option.to_owned()).collect::<Vec<_>>())
    }

    fn secret(text: &str) -> Source {
        Source::Secret(Reference::typed(text).unwrap())
    }

    fn plain(text: &str) -> Source {
        Source::Plain(Zeroizing::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn of_several_with_one_name_the_last_counts_and_what_is_typed_before_files() {
        let mut variables = typed(&["A=a/1", "B=glassdome://b#user", "A=a/2"]).unwrap();
        let first = b"A=from a file\nC=plain # comment\nexport D='glassdome://d#x'\nE=1\n";
        variables.add(Path::new("one"), first).unwrap();
        variables.add(Path::new("two"), b"E=glassdome://e\nF=http://x\n").unwrap();
        let wanted: Vec<&str> = variables.wanted().map(|wanted| &*wanted.name).collect();
        assert_eq!(wanted, ["a/2", "b", "d", "e"]);
        let expected = [
            ("A", secret("a/2")),
            ("B", secret("b#user")),
            ("C", plain("plain")),
            ("D", secret("d#x")),
            ("E", secret("e")),
            ("F", plain("http://x")),
        ];
        assert_eq!(variables.into_all(), expected.map(|(name, source)| (name.to_owned(), source)));
    }

    #[test]
    fn what_is_typed_wrongly_is_refused_with_what_was_typed() {
        for option in ["A", "=a", "1A=a", "A B=a", "A=", "A=#x", "A=a//b", "A\u{1b}=a"] {
            let line = typed(&[option]).unwrap_err().to_string();
            assert!(line.starts_with("--env ") && !line.contains('\u{1b}'), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_not_understood_refuses_the_file() {
        for (text, place) in [
            (&b"A=1\nnonsense\n"[..], "x.env, line 2: no =: nothing was started"),
            (b"\nA=glassdome://\n", "x.env, line 2: a name must not be empty: nothing was started"),
            (b"A=glassdome://\xff\n", "x.env, line 1: the name is not UTF-8: nothing was started"),
            (b"A=\"x\0\"\n", "x.env, line 1: a value with a zero byte, which no variable can hold: nothing"),
        ] {
            let line = Variables::default().add(Path::new("x.env"), text).unwrap_err().to_string();
            assert!(line.starts_with(place), "{line}");
        }
    }
}
