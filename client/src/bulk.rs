//! Many secrets at once: small ones in batches that fit a frame, large ones one by one; and those that are stored as a
//! whole, with their fields, as [`crate::whole`] sends them.

use std::time::Duration;

use glassdome_proto::secrets::{self, Expect, Stored};
use glassdome_proto::{Answer, Body, Bytes, Code, Field, List, Name, limits};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::error::Error;
use crate::transfer::Upload;
use crate::whole;

/// A value from this size on, in bytes, travels alone.
const LARGE: usize = 48 * 1024;
/// Bytes of names and values in a batch; with what the codec adds for 256 items it fits a frame.
const BATCH_BYTES: usize = limits::FRAME - limits::BATCH * ITEM_OVERHEAD - 64;
/// What the codec adds to an item: two lengths of up to three bytes each.
const ITEM_OVERHEAD: usize = 6;

/// One of many.
pub(crate) struct Entry<'a> {
    pub(crate) name: Name<'a>,
    /// `None` if it has only fields, which is said only of the whole.
    pub(crate) value: Option<&'a [u8]>,
    /// Its fields and expiry, if it is stored as a whole; else what is there stays.
    pub(crate) rest: Option<Rest<'a>>,
}

/// What makes a secret whole.
#[derive(Clone, Copy)]
pub(crate) struct Rest<'a> {
    pub(crate) fields: &'a [(Field<'static>, Zeroizing<Vec<u8>>)],
    /// In seconds since the epoch.
    pub(crate) expires: Option<u64>,
}

impl Entry<'_> {
    fn bytes(&self) -> &[u8] {
        self.value.unwrap_or_default()
    }
}

/// What to do with names that hold another value already, and whether to do anything at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) overwrite: bool,
    pub(crate) dry_run: bool,
}

impl Connection {
    /// Stores `entries`, and adds to `results` what became of each, in their order. A batch is stored whole
    /// or not at all; `progress` is told how many are done.
    ///
    /// # Errors
    /// What ends it in the middle: what was stored before that is in, and in `results`.
    pub(crate) fn set_many(
        &mut self,
        entries: &[Entry<'_>],
        manner: Manner,
        results: &mut Vec<Stored>,
        mut progress: impl FnMut(usize),
    ) -> Result<(), Error> {
        let begun = results.len();
        let mut rest = entries;
        while let Some(first) = rest.first() {
            if first.rest.is_some() {
                let len = rest.iter().take_while(|entry| entry.rest.is_some()).count();
                let (wholes, behind) = rest.split_at(len);
                let before = results.len() - begun;
                whole::store(self, wholes, manner, results, |done| progress(before + done))?;
                rest = behind;
            } else if first.bytes().len() >= LARGE {
                results.push(self.set_large(first, manner)?);
                rest = &rest[1..];
            } else {
                let (batch, behind) = rest.split_at(batch_len(rest));
                match self.set_batch(batch, manner) {
                    Err(error) if is_too_much_for_one_step(&error) => {
                        for entry in batch {
                            results.push(self.set_large(entry, manner)?);
                        }
                    }
                    stored => results.extend(stored?),
                }
                rest = behind;
            }
            progress(results.len() - begun);
        }
        Ok(())
    }

    fn set_batch(&mut self, batch: &[Entry<'_>], manner: Manner) -> Result<Vec<Stored>, Error> {
        let too_long = || Error::TooLong { what: "a value", max: limits::VALUE };
        let mut items = Vec::with_capacity(batch.len());
        for entry in batch {
            let value = Bytes::new(entry.bytes()).ok_or_else(too_long)?;
            items.push(secrets::Item { name: entry.name.clone(), value });
        }
        let items = List::new(items).ok_or_else(too_long)?;
        let Manner { overwrite, dry_run } = manner;
        match self.call(Body::Secrets(secrets::Request::SetMany { items, overwrite, dry_run }))? {
            Answer::Secrets(secrets::Answer::StoredMany(results)) if results.len() == batch.len() => {
                Ok(results.into_vec())
            }
            _ => Err(Error::Unexpected),
        }
    }

    /// Compare and set, so that what this says is true whoever else writes at the same time.
    fn set_large(&mut self, entry: &Entry<'_>, manner: Manner) -> Result<Stored, Error> {
        let (expect, stored) = match self.get(entry.name.clone(), None) {
            Ok(there) if *there.bytes == *entry.bytes() => return Ok(Stored::Same),
            Ok(_) if !manner.overwrite => return Ok(Stored::Exists),
            Ok(there) => (Expect::Version(there.version), Stored::Replaced),
            Err(error) if error.code() == Some(Code::NotFound) => (Expect::New, Stored::Created),
            Err(error) => return Err(error),
        };
        if !manner.dry_run {
            self.set(Upload {
                name: entry.name.clone(),
                field: None,
                expires: None,
                expect,
                canary: false,
                value: entry.bytes(),
            })?;
        }
        Ok(stored)
    }
}

/// Whether a batch takes the daemon too long, since what is there is large: one by one may go at once, while whoever is
/// throttled for any other reason has to wait.
pub(crate) fn is_too_much_for_one_step(error: &Error) -> bool {
    matches!(error, Error::Refused { code: Code::Throttled, retry_after: Some(Duration::ZERO), .. })
}

/// How many of the entries, all small up to there, make the next batch; at least one.
fn batch_len(entries: &[Entry<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&Entry<'_>| {
        bytes += entry.name.len() + entry.bytes().len();
        entry.rest.is_none() && entry.bytes().len() < LARGE && bytes <= BATCH_BYTES
    };
    entries.iter().take(limits::BATCH).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use glassdome_proto::{Request, encode};

    use super::*;
    use crate::wire_buffer::CAPACITY;

    fn entries(values: &[Vec<u8>], name_len: usize) -> Vec<Entry<'_>> {
        let name = |i: usize| Name::parse(format!("{i:0name_len$}")).unwrap();
        let entry = |i, value| Entry { name: name(i), value: Some(value), rest: None };
        values.iter().enumerate().map(|(i, value)| entry(i, &value[..])).collect()
    }

    #[test]
    fn every_batch_fits_a_frame() {
        for (len, name_len) in [(0, 8), (150, 100), (240, 16), (1000, 512), (LARGE - 1, 512)] {
            let values = vec![vec![7; len]; 600];
            let entries = entries(&values, name_len);
            let batch = &entries[..batch_len(&entries)];
            let item = |e: &Entry<'_>| secrets::Item {
                name: e.name.clone().into_owned(),
                value: Bytes::new(values[0].as_slice()).unwrap(),
            };
            let items = List::new(batch.iter().map(item).collect()).unwrap();
            let body = Body::Secrets(secrets::Request::SetMany { items, overwrite: true, dry_run: true });
            let request = Request { id: u32::MAX, body };
            assert!(encode(&request, &mut vec![0; CAPACITY]).is_ok(), "{len} {name_len}");
        }
    }

    #[test]
    fn only_what_may_go_at_once_is_tried_one_by_one() {
        let refused = |code, retry_after| Error::Refused { code, message: "x".into(), retry_after };
        assert!(is_too_much_for_one_step(&refused(Code::Throttled, Some(Duration::ZERO))));
        assert!(!is_too_much_for_one_step(&refused(Code::Throttled, Some(Duration::from_secs(1)))));
        assert!(!is_too_much_for_one_step(&refused(Code::Throttled, None)));
        assert!(!is_too_much_for_one_step(&refused(Code::Locked, Some(Duration::ZERO))));
    }

    #[test]
    fn a_batch_ends_at_its_limits() {
        let values = vec![vec![7; 1]; 600];
        assert_eq!(batch_len(&entries(&values, 8)), limits::BATCH);
        let values = [vec![7; 10], vec![7; LARGE], vec![7; 10]];
        assert_eq!(batch_len(&entries(&values, 8)), 1);
        let values = vec![vec![7; LARGE - 1]; 2];
        assert_eq!(batch_len(&entries(&values, 8)), 1);
    }
}
