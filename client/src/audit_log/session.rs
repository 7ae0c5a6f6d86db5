//! Which session somebody means: sessions are known by the number of the record that began them.

use glassdome_audit::{Event, Outcome, Record};

use super::backwards::Backwards;
use super::place::Files;
use crate::error::Error;

/// `last`, `current` or a number.
///
/// # Errors
/// [`Error::Usage`] when there is none; [`Error::ReadFile`].
pub(crate) fn named(text: &str, files: &Files) -> Result<u64, Error> {
    let usage = |text: &str| Error::Usage(text.to_owned());
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let only_open = match text {
        "last" => false,
        "current" => true,
        _ => return Err(usage("--session takes the number of a record, last, or current")),
    };
    for nth in (0..files.len()).rev() {
        let Some(file) = files.open(nth)? else { continue };
        let failed = |source| Error::ReadFile { path: files.path(nth), source };
        let mut lines = Backwards::of(file).map_err(failed)?;
        while let Some(line) = lines.previous().map_err(failed)? {
            let Some(record) = super::record(&line.bytes) else { continue };
            match session(&record) {
                Seen::In(session) => return Ok(session),
                Seen::End if only_open => {
                    return Err(usage("no session is open. Show the last one: --session last"));
                }
                Seen::End | Seen::Nothing => {}
            }
        }
    }
    Err(usage("the log has no session"))
}

enum Seen {
    In(u64),
    End,
    Nothing,
}

/// What a record tells of the session that it is of.
fn session(record: &Record<'_>) -> Seen {
    match (record.event, record.outcome) {
        (Event::Unlock | Event::EndPanic, Outcome::Allowed) => Seen::In(record.seq),
        // The record that ends a session may still be of it.
        (Event::Lock | Event::Panic | Event::Start | Event::Stop, _) => Seen::End,
        _ => record.session.map_or(Seen::Nothing, Seen::In),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::audit_log::place::Place;

    fn log(events: &[(Event, Option<u64>)]) -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let (mut content, mut seq) = (Vec::new(), 0);
        for (event, session) in events {
            seq += 1;
            let record = Record { seq, session: *session, ..Record::new(*event, Outcome::Allowed) };
            glassdome_audit::write(&record, &mut content).unwrap();
        }
        fs::write(dir.path().join(glassdome_audit::files::ACTIVE), content).unwrap();
        let files = Place::at(dir.path()).files().unwrap();
        (dir, files)
    }

    #[test]
    fn the_last_one_and_the_open_one_are_found() {
        let begun = [(Event::Start, None), (Event::Unlock, None)];
        let (_dir, files) = log(&begun);
        assert_eq!((named("last", &files).unwrap(), named("current", &files).unwrap()), (2, 2));
        assert_eq!(named("41", &files).unwrap(), 41);
        let used = [(Event::Get, Some(2)), (Event::Connect, None)];
        let (_dir, files) = log(&[&begun[..], &used].concat());
        assert_eq!(named("current", &files).unwrap(), 2);
        let (_dir, files) = log(&[&begun[..], &used, &[(Event::Lock, Some(2)), (Event::Get, None)]].concat());
        assert_eq!(named("last", &files).unwrap(), 2);
        assert!(matches!(named("current", &files), Err(Error::Usage(_))));
        let (_dir, files) = log(&[(Event::Start, None)]);
        assert!(named("last", &files).is_err());
        assert!(named("first", &files).is_err());
    }
}
