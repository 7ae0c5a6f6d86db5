//! Names what was read, and stores it: nothing is lost without being told.

use std::collections::HashMap;

use glassdome_proto::secrets::Stored;
use glassdome_proto::{Name, limits};

use super::twins::{self, Renamed};
use super::{Content, Item, Parsed, Place, Rest, Skipped};
use crate::bulk::{self, Entry, Manner};
use crate::connection::Connection;
use crate::error::{Error, printable};
use crate::text::import_report::Report;
use crate::text::progress::Progress;

/// Its name in the vault, and what it is.
type Named = (Name<'static>, Item<Content>);

/// What was read, under the names that it has in the vault.
pub(crate) struct Intake {
    named: Vec<Named>,
    skipped: Vec<Skipped>,
    renamed: Vec<Renamed>,
    details: Vec<(usize, &'static str)>,
}

impl Intake {
    /// Each name with `prefix` and a slash in front, if there is one.
    pub(crate) fn new(parsed: impl Into<Parsed<Content>>, prefix: Option<&str>) -> Self {
        let mut parsed = parsed.into();
        let renamed = twins::tell_apart(&mut parsed.items);
        let named = named(&mut parsed, prefix);
        Self { named, skipped: parsed.skipped, renamed, details: parsed.details }
    }

    /// Stores everything.
    ///
    /// # Errors
    /// As [`Connection::set_many`].
    pub(crate) fn store(self, connection: &mut Connection, manner: Manner) -> Result<Report, Error> {
        let all: Vec<&Named> = self.named.iter().collect();
        let mut progress = Progress::new(all.len());
        let mut results = Vec::with_capacity(all.len());
        let outcome = stored(connection, &all, manner, &mut results, |done| progress.at(done));
        drop(progress);
        self.told(outcome, &results, manner.dry_run)?;
        Ok(Report::new(&under_names(&all, &results), self.skipped, manner.dry_run)
            .with(self.renamed, self.details))
    }

    /// Stores everything, and replaces no other values than those of these names.
    ///
    /// # Errors
    /// As [`Connection::set_many`].
    pub(crate) fn store_replacing(
        self,
        connection: &mut Connection,
        names: &[String],
    ) -> Result<Report, Error> {
        let (replaced, others): (Vec<_>, Vec<_>) =
            self.named.iter().partition(|(name, _)| names.iter().any(|one| **one == **name));
        let mut progress = Progress::new(self.named.len());
        let manner = |overwrite| Manner { overwrite, dry_run: false };
        let mut results = Vec::with_capacity(self.named.len());
        let outcome = stored(connection, &others, manner(false), &mut results, |done| progress.at(done));
        let outcome = outcome.and_then(|()| {
            let at = |done| progress.at(others.len() + done);
            stored(connection, &replaced, manner(true), &mut results, at)
        });
        drop(progress);
        self.told(outcome, &results, false)?;
        Ok(Report::new(&under_names(&[others, replaced].concat(), &results), self.skipped, false)
            .with(self.renamed, self.details))
    }

    /// The names in the vault that have another value there.
    ///
    /// # Errors
    /// As [`Connection::set_many`].
    pub(crate) fn differing(&self, connection: &mut Connection) -> Result<Vec<String>, Error> {
        let results = self.compared(connection)?;
        let differing = results.into_iter().filter(|(_, stored)| *stored == Stored::Exists);
        Ok(differing.map(|((name, _), _)| name.to_string()).collect())
    }

    /// What of it is not in the vault, value for value: where, and why not.
    ///
    /// # Errors
    /// As [`Connection::set_many`].
    pub(crate) fn missing(&self, connection: &mut Connection) -> Result<Vec<Skipped>, Error> {
        let mut missing = self.skipped.clone();
        for ((name, item), stored) in self.compared(connection)? {
            let name = printable(name);
            let reason = match stored {
                Stored::Same => continue,
                Stored::Created => format!("there is no {name} in the vault"),
                Stored::Replaced | Stored::Exists => format!("{name} in the vault has another value"),
            };
            missing.push(Skipped { place: item.place.clone(), reason });
        }
        Ok(missing)
    }

    fn compared(&self, connection: &mut Connection) -> Result<Vec<(&Named, Stored)>, Error> {
        let all: Vec<&Named> = self.named.iter().collect();
        let mut results = Vec::with_capacity(all.len());
        stored(connection, &all, Manner { overwrite: false, dry_run: true }, &mut results, |_| {})?;
        Ok(all.into_iter().zip(results).collect())
    }

    /// Says of what ended it in the middle how much is in.
    fn told(&self, outcome: Result<(), Error>, results: &[Stored], dry_run: bool) -> Result<(), Error> {
        let stored = results.iter().filter(|one| **one != Stored::Exists).count();
        outcome.map_err(|cause| match stored {
            _ if dry_run => cause,
            0 => cause,
            _ => Error::HalfIn { stored, all: self.named.len(), cause: Box::new(cause) },
        })
    }
}

fn under_names<'a>(named: &[&'a Named], results: &[Stored]) -> Vec<(&'a str, Stored)> {
    named.iter().zip(results).map(|((name, _), stored)| (&**name, *stored)).collect()
}

fn stored<'a>(
    connection: &mut Connection,
    named: &[&'a Named],
    manner: Manner,
    results: &mut Vec<Stored>,
    progress: impl FnMut(usize),
) -> Result<(), Error> {
    let rest = |rest: &'a Rest| bulk::Rest { fields: &rest.fields, expires: rest.expires };
    let entry = |(name, item): &&'a Named| Entry {
        name: name.clone(),
        value: item.value.value.as_ref().map(|value| &value[..]),
        rest: item.value.rest.as_ref().map(rest),
    };
    let entries: Vec<Entry<'_>> = named.iter().map(entry).collect();
    connection.set_many(&entries, manner, results, progress)
}

/// Gives the items their names. What cannot have one is skipped, and of two with the same name
/// the former.
fn named(parsed: &mut Parsed<Content>, prefix: Option<&str>) -> Vec<Named> {
    let mut named: Vec<Named> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let skipped = &mut parsed.skipped;
    for item in parsed.items.drain(..) {
        if item.value.len() > limits::VALUE {
            let reason = format!("longer than the {} bytes that a secret may have", limits::VALUE);
            skipped.push(Skipped { place: item.place, reason });
            continue;
        }
        match Name::typed(&name_of(&item.key, prefix)) {
            Ok(name) => match places.get(&*name) {
                // Nothing is lost.
                Some(&at) if named[at].1.value == item.value => {}
                Some(&at) => {
                    let reason = format!("given again: {}", item.place);
                    skipped.push(Skipped { place: named[at].1.place.clone(), reason });
                    named[at].1 = item;
                }
                None => {
                    places.insert(name.to_string(), named.len());
                    named.push((name, item));
                }
            },
            Err(error) => skipped.push(Skipped { place: item.place, reason: error.to_string() }),
        }
    }
    // In the order of the file; paths have none and stay as they are.
    skipped.sort_by_key(|skipped| match skipped.place {
        Place::Line(line) => line,
        Place::Path(_) => 0,
    });
    named
}

fn name_of(key: &str, prefix: Option<&str>) -> String {
    match prefix.map(|prefix| prefix.trim_end_matches('/')) {
        None | Some("") => key.to_owned(),
        Some(prefix) => format!("{prefix}/{key}"),
    }
}

#[cfg(test)]
mod tests {
    use glassdome_proto::Code;

    use super::super::{env_file, json_file};
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_prefix_stands_before_a_slash_and_an_empty_one_is_none() {
        for (prefix, name) in [
            (None, "A"),
            (Some(""), "A"),
            (Some("/"), "A"),
            (Some("work"), "work/A"),
            (Some("work/"), "work/A"),
        ] {
            assert_eq!(name_of("A", prefix), name, "{prefix:?}");
        }
    }

    #[test]
    fn the_last_of_two_with_one_name_counts() {
        let mut parsed = env_file::parse(b"A=1\nB=2\nA=3\n").into();
        let named = named(&mut parsed, None);
        let value = |item: &Item<Content>| item.value.value.as_ref().unwrap().to_vec();
        let values: Vec<(&str, Vec<u8>)> = named.iter().map(|(name, item)| (&**name, value(item))).collect();
        assert_eq!(values, [("A", b"3".to_vec()), ("B", b"2".to_vec())]);
        assert_eq!(parsed.skipped, [Skipped { place: Place::Line(1), reason: "given again: line 3".into() }]);
    }

    #[test]
    fn an_end_in_the_middle_says_how_much_is_in() {
        let intake = Intake::new(env_file::parse(b"A=1\nB=2\nC=3\n"), None);
        let locked = || {
            let message = "locked: run glassdome_start".to_owned();
            Err(Error::Refused { code: Code::Locked, message, retry_after: None })
        };
        let results = [Stored::Created, Stored::Exists];
        let error = intake.told(locked(), &results, false).unwrap_err();
        assert_eq!(
            error.advice(),
            "locked: run glassdome_start. At least 1 of 3 are in: run it again, what is in is passed over"
        );
        assert_eq!(Exit::of(&error), Exit::Locked);
        for (results, dry_run) in [(&results[..], true), (&results[1..], false), (&[], false)] {
            let error = intake.told(locked(), results, dry_run).unwrap_err();
            assert_eq!(error.advice(), "locked: run glassdome_start");
        }
        assert!(intake.told(Ok(()), &results, false).is_ok());
    }

    #[test]
    fn names_that_become_one_in_the_vault_are_two() {
        let file = r#"{"\u00e9": "1", "e\u0301": "2"}"#;
        let intake = Intake::new(json_file::parse(file.as_bytes()).unwrap(), None);
        let names: Vec<&str> = intake.named.iter().map(|(name, _)| &**name).collect();
        assert_eq!((names, intake.skipped.len(), intake.renamed.len()), (vec!["é", "é (2)"], 0, 1));
    }

    #[test]
    fn what_is_given_twice_is_given() {
        let mut parsed = env_file::parse(b"A=1\nB=2\nA=1\n").into();
        let named = named(&mut parsed, None);
        assert_eq!((named.len(), parsed.skipped.len()), (2, 0));
    }

    #[test]
    fn what_is_too_long_for_a_value_keeps_nothing_else_out() {
        let file = format!("A=1\nB={}\nC={}\n", "x".repeat(limits::VALUE), "x".repeat(limits::VALUE + 1));
        let mut parsed = env_file::parse(file.as_bytes()).into();
        assert_eq!(named(&mut parsed, None).len(), 2);
        assert_eq!(parsed.skipped[0].place, Place::Line(3));
    }

    #[test]
    fn prefixes_make_paths_and_impossible_names_are_skipped() {
        for prefix in ["shop/dev", "shop/dev/"] {
            let named = named(&mut env_file::parse(b"A=1").into(), Some(prefix));
            assert_eq!(&*named[0].0, "shop/dev/A");
        }
        let mut parsed = json_file::parse(br#"{"": "x", "a//b": "y", "ok": "z"}"#).unwrap().into();
        let named = named(&mut parsed, None);
        assert_eq!((named.len(), parsed.skipped.len()), (1, 2));
    }
}
