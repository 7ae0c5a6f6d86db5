//! Where the last so many records begin that somebody wants: found from the end, so that it takes as long as there is
//! to show, however long the log is.

use super::backwards::Backwards;
use super::filter::Filter;
use super::place::Files;
use super::record;
use crate::error::Error;

/// A place between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// In which file, from 0, the oldest.
    pub(crate) nth: usize,
    /// Where in it, in bytes.
    pub(crate) offset: u64,
}

impl Start {
    /// Of the oldest file.
    pub(crate) const OLDEST: Self = Self { nth: 0, offset: 0 };
}

/// Where the last `wanted` lines begin that `filter` takes.
///
/// # Errors
/// [`Error::ReadFile`].
pub(crate) fn start(files: &Files, filter: &Filter, wanted: u64) -> Result<Start, Error> {
    let mut left = wanted;
    for nth in (0..files.len()).rev() {
        let Some(file) = files.open(nth)? else { return Ok(Start { nth, offset: 0 }) };
        let failed = |source| Error::ReadFile { path: files.path(nth), source };
        if left == 0 {
            let offset = file.metadata().map_err(failed)?.len();
            return Ok(Start { nth, offset });
        }
        let mut lines = Backwards::of(file).map_err(failed)?;
        while let Some(line) = lines.previous().map_err(failed)? {
            let (takes, ends) = match record(&line.bytes) {
                Some(record) => (filter.takes(&record), filter.ends_at(&record)),
                None => (filter.takes_all(), false),
            };
            left -= u64::from(takes);
            if left == 0 || ends {
                return Ok(Start { nth, offset: line.start });
            }
        }
    }
    Ok(Start::OLDEST)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use glassdome_audit::{Event, Outcome, Record, files};

    use super::*;
    use crate::audit_log::filter::SinceArg;
    use crate::audit_log::place::Place;

    /// A log in files of so many records each, the last one the active one.
    pub(crate) fn log(lens: &[u64]) -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let mut seq = 0;
        for (nth, len) in lens.iter().enumerate() {
            let name =
                if nth + 1 == lens.len() { files::ACTIVE.to_owned() } else { files::full_name(seq + 1) };
            let mut content = Vec::new();
            for _ in 0..*len {
                seq += 1;
                let secret = (seq % 10 == 0).then(|| "tenth".into());
                let record = Record { seq, secret, ..Record::new(Event::Get, Outcome::Allowed) };
                glassdome_audit::write(&record, &mut content).unwrap();
            }
            fs::write(dir.path().join(name), content).unwrap();
        }
        let place = Place::at(dir.path());
        (dir, place)
    }

    fn first(files: &Files, start: Start) -> Option<u64> {
        let mut file = files.open(start.nth).unwrap().unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(start.offset)).unwrap();
        let mut lines = glassdome_audit::Lines::of(file);
        lines.next().unwrap().and_then(|line| record(line.bytes).map(|record| record.seq))
    }

    #[test]
    fn the_last_ones_are_found_over_all_files() {
        let (_dir, place) = log(&[30, 20, 10]);
        let files = place.files().unwrap();
        for (wanted, seq) in [(1, 60), (10, 51), (11, 50), (31, 30), (60, 1), (1000, 1)] {
            assert_eq!(
                first(&files, start(&files, &Filter::default(), wanted).unwrap()),
                Some(seq),
                "{wanted}"
            );
        }
        assert_eq!(first(&files, start(&files, &Filter::default(), 0).unwrap()), None, "behind the last");
        let tenth = Filter::about(&glassdome_proto::Name::parse("tenth").unwrap(), SinceArg::default());
        for (wanted, seq) in [(1, 60), (2, 50), (5, 20), (6, 10), (7, 1)] {
            assert_eq!(first(&files, start(&files, &tenth, wanted).unwrap()), Some(seq), "{wanted}");
        }
        let (_dir, none) = log(&[]);
        assert_eq!(start(&none.files().unwrap(), &tenth, 5).unwrap(), Start::OLDEST);
    }
}
