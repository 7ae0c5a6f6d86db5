//! What was done at a place where a line does not fit. That line alone does not tell: those behind it
//! are looked at, until it is clear what is missing, too much or another.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::rc::Rc;

use super::VerifyError;
use super::source::{Source, Taken};
use crate::chain::{self, Head};
use crate::marks::Hex;

/// Where a line stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// In which file; none in a log without lines, and where no line is to blame.
    pub file: Option<Rc<PathBuf>>,
    /// Counted from 1.
    pub line: u64,
}

/// A place of a log that is not as it was written, or where nothing shows that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line.
    pub place: Place,
    /// The record that stands there, or that should, where that can be told.
    pub seq: Option<u64>,
    /// What was done.
    pub kind: Kind,
}

/// What was done to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A record is not the one that was written.
    Edited,
    /// Records are missing.
    Removed,
    /// Records stand in another order.
    Reordered,
    /// A line that is no record of this log, or one that it has already.
    Foreign,
    /// Records are missing at the front or at the end.
    Truncated,
    /// It is another log, or has another record than the vault remembers.
    Replaced,
    /// The link beside the log is not one that this log left.
    Mislinked,
    /// The seals begin anew, and nothing shows that the same daemon went on.
    Unlinked,
    /// What the seals go on from is not in these files: it was retired, or is in the log that was set
    /// aside for this one. A forger can say so, too.
    Untied,
    /// The auditor's key was given, and nothing is sealed for it.
    Unsealed,
}

impl Kind {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Removed => "removed",
            Self::Reordered => "reordered",
            Self::Foreign => "foreign",
            Self::Truncated => "truncated",
            Self::Replaced => "replaced",
            Self::Mislinked => "mislinked",
            Self::Unlinked => "unlinked",
            Self::Untied => "untied",
            Self::Unsealed => "unsealed",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Fault {
    pub(super) fn at(place: &Place, seq: Option<u64>, kind: Kind) -> Self {
        Self { place: place.clone(), seq, kind }
    }
}

/// A line that does not fit behind those before it.
#[derive(Debug)]
pub(super) struct Suspect {
    before: Option<(Head, Place)>,
    before_is_sealed: bool,
    place: Place,
    seen: Option<Seen>,
    /// Whether it says so itself.
    is_of_another_log: bool,
    /// The record that is missing in front of the log, if it begins behind one.
    missing: Option<Hex<32>>,
}

/// What is known of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    seq: u64,
    prev: Option<Hex<32>>,
    hash: Hex<32>,
}

/// What stands behind it.
#[derive(Debug, Default)]
struct Ahead {
    /// The next record.
    next: Option<Seen>,
    /// Whether the record that should stand in its place comes later.
    expected: bool,
    /// Whether another one of its number comes later.
    same: bool,
    /// Whether the record that it was written behind comes later.
    predecessor: bool,
    /// Whether what is missing in front of the log comes later.
    front: bool,
}

impl Suspect {
    /// `before`: the last record that fitted, and whether its seal did, too. `log`: which log it is.
    pub(super) fn new(
        (before, before_is_sealed): (Option<(Head, Place)>, bool),
        place: Place,
        line: Option<&chain::Line<'_>>,
        log: Option<Hex<16>>,
    ) -> Self {
        let of = line.and_then(|line| line.record.log.as_ref()).map(|of| of.id);
        let is_of_another_log = of.zip(log).is_some_and(|(of, log)| of != log);
        Self { before, before_is_sealed, place, seen: line.map(Seen::of), is_of_another_log, missing: None }
    }

    /// The log begins behind this record.
    pub(super) fn behind(self, missing: Option<Hex<32>>) -> Self {
        Self { missing, ..self }
    }

    /// Says what was done, by what the rest of the log holds.
    pub(super) fn look<I, R: Read>(self, source: &mut Source<I, R>) -> Result<Fault, VerifyError>
    where
        I: Iterator<Item = (PathBuf, io::Result<R>)>,
    {
        let mut ahead = Ahead::default();
        while let Some(Taken { line, .. }) = source.next()? {
            let Some(seen) = chain::read(line.bytes).ok().as_ref().map(Seen::of) else { continue };
            ahead.next.get_or_insert(seen);
            ahead.front |= self.missing == Some(seen.hash);
            ahead.expected |= self.is_expected(&seen);
            ahead.same |= self.seen.is_some_and(|own| own.seq == seen.seq);
            ahead.predecessor |= self.seen.is_some_and(|own| own.prev == Some(seen.hash));
        }
        Ok(self.judge(&ahead))
    }

    /// Whether that record is the one that should stand here.
    fn is_expected(&self, seen: &Seen) -> bool {
        match &self.before {
            Some((head, _)) => seen.seq == head.seq + 1 && seen.prev == Some(head.hash),
            None => seen.seq == 1 || self.seen.is_some_and(|own| seen.seq + 1 == own.seq),
        }
    }

    fn judge(self, ahead: &Ahead) -> Fault {
        let expected = self.before.as_ref().map_or(1, |(head, _)| head.seq + 1);
        let here = |kind| Fault::at(&self.place, Some(self.seen.map_or(expected, |seen| seen.seq)), kind);
        let Some(seen) = self.seen else {
            let stands_for_it = ahead.next.is_some_and(|next| next.seq == expected + 1);
            let beyond = ahead.next.is_some_and(|next| next.seq > expected + 1);
            return Fault {
                seq: Some(expected),
                ..here(match () {
                    () if ahead.expected => Kind::Foreign,
                    () if stands_for_it => Kind::Edited,
                    () if beyond && self.before.is_some() => Kind::Removed,
                    () => Kind::Foreign,
                })
            };
        };
        let Some((head, before)) = &self.before else {
            // The first line, which begins no log.
            return here(match () {
                () if ahead.expected => Kind::Reordered,
                () if ahead.next.is_some_and(|next| next.prev != Some(seen.hash)) => Kind::Edited,
                () if seen.seq > 1 => Kind::Truncated,
                () => Kind::Foreign,
            });
        };
        if self.is_of_another_log {
            return here(Kind::Foreign);
        }
        if ahead.front || self.missing == Some(seen.hash) {
            return here(Kind::Reordered);
        }
        if seen.prev == Some(head.hash) {
            // It stood here, with another number.
            return here(Kind::Edited);
        }
        if ahead.expected {
            // What should stand here comes behind it: this was moved here, or put between.
            let moved = ahead.predecessor && !ahead.same && seen.seq > expected;
            return here(if moved { Kind::Reordered } else { Kind::Foreign });
        }
        match seen.seq {
            seq if seq < expected => here(Kind::Foreign),
            seq if seq == expected => {
                let goes_on =
                    ahead.next.is_none_or(|next| next.seq != seq + 1 || next.prev == Some(seen.hash));
                match goes_on {
                    // What comes fits it, so that it is the one before that is another; unless that has its seal.
                    true if self.before_is_sealed => here(Kind::Foreign),
                    true => Fault::at(before, Some(head.seq), Kind::Edited),
                    false => here(Kind::Edited),
                }
            }
            _ => Fault { seq: Some(expected), ..here(Kind::Removed) },
        }
    }
}

impl Seen {
    fn of(line: &chain::Line<'_>) -> Self {
        Self { seq: line.record.seq, prev: line.record.prev, hash: line.hash }
    }
}
