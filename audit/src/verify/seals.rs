//! The seals of a log, one key after another.
//!
//! A *row* is what one key record begins: its key seals the next record, and each further one has
//! the key that follows. Where a row ends and the next begins, the next one's key record is sealed
//! with something that only the daemon of the row before can have had, or, for the first row, only
//! who made the auditor's pair. Otherwise somebody else could begin a row: everybody can close a box
//! for the auditor.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::breaks::Breaks;
use super::fault::{Fault, Kind, Place};
use super::source::Taken;
use crate::auditor::Auditor;
use crate::chain;
use crate::link::Link;
use crate::marks::{Hex, Key, Linked};
use crate::record::Event;
use crate::seal;

type Secret = Zeroizing<[u8; seal::KEY]>;

/// Rows that a later one may go on from: as many runs that were killed before they left a link.
const ROWS: usize = 64;

/// What whoever trusts a log should know beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// What was recorded up to this record was deleted as too old, and the log says so.
    Retired {
        /// The last that was.
        through: u64,
    },
    /// From this record on the seals are another auditor's.
    OtherAuditor {
        /// The first.
        from: u64,
    },
    /// Up to here they were another auditor's, or there were none.
    NotOursBefore {
        /// The record with which ours begin.
        until: u64,
    },
    /// Before this record, with which ours begin, the seals of other auditors began anew.
    BreaksBefore {
        /// How often.
        count: u64,
        /// The record with which ours begin.
        until: u64,
    },
    /// Up to the record that was known, the seals began anew: that was judged then.
    Judged {
        /// How often.
        count: u64,
        /// The record that was known.
        until: u64,
    },
    /// Up to the record with which the log's owner accepted that, the seals began anew.
    Accepted {
        /// How often.
        count: u64,
        /// That record.
        until: u64,
    },
}

/// The check of them.
#[derive(Default)]
pub(super) struct Seals<'c> {
    auditor: Option<&'c Auditor>,
    public: Option<Hex<32>>,
    state: State,
    /// Whether there was a key record.
    begun: bool,
    /// Whether what was before the first line is not here.
    is_behind: bool,
    /// The log that was set aside for this one, and how far it went.
    after: Option<(Hex<16>, u64)>,
    rows: VecDeque<Row>,
    /// The link that was gone on from last, and behind which record it stood.
    used: Option<(u64, Secret)>,
    /// A first line of a file without a seal, where seals run: only a key record may follow.
    bare: Option<(Place, u64)>,
    /// What may hand over to another auditor: the record before, and to whom.
    handed: Option<Option<Hex<32>>>,
    sealed: u64,
    unchecked: u64,
    /// Where others' seals began anew, as long as there was none of ours.
    others_breaks: Breaks,
    breaks: Breaks,
    notes: Vec<Note>,
}

/// What was found of the seals.
pub(super) struct Found {
    pub sealed: u64,
    pub unchecked: u64,
    /// Places where they begin anew: the first, and how many more there are.
    pub breaks: (Vec<Fault>, u64),
    pub notes: Vec<Note>,
}

#[derive(Default)]
enum State {
    /// No key is known, and none was needed.
    #[default]
    None,
    /// The key of the next record.
    Running(Secret),
    /// The keys are sealed to somebody else.
    NotOurs,
}

struct Row {
    /// The key record.
    seq: u64,
    /// The key of the record behind it.
    key: Secret,
}

type Wrong = (Option<Place>, u64, Kind);

impl<'c> Seals<'c> {
    pub(super) fn new(auditor: Option<&'c Auditor>) -> Self {
        Self { auditor, public: auditor.map(|auditor| Hex(auditor.public())), ..Self::default() }
    }

    /// The log begins behind records that are not here: its seals may have begun before.
    pub(super) fn begins_behind(&mut self) {
        self.is_behind = true;
    }

    /// The log says that it goes on after that one, which was set aside.
    pub(super) fn goes_on_after(&mut self, log: Hex<16>, seq: u64) {
        self.after = Some((log, seq));
    }

    /// The next record of the chain.
    pub(super) fn take(
        &mut self,
        line: &chain::Line<'_>,
        log: Option<Hex<16>>,
        taken: &Taken<'_>,
    ) -> Result<(), Wrong> {
        let seq = line.record.seq;
        let bare = self.bare.take();
        let result = match &line.record.key {
            Some(key) => self.take_key(line, key, log, &taken.place),
            None => match bare {
                Some((place, seq)) => return Err((Some(place), seq, Kind::Edited)),
                None => self.take_record(line, taken),
            },
        };
        self.handed = match (line.record.event, &line.record.log) {
            (Event::Log, Some(log)) if self.bare.is_none() => Some(log.auditor),
            (Event::Auditor, _) => Some(None),
            _ => None,
        };
        result.map_err(|kind| (None, seq, kind))
    }

    fn take_record(&mut self, line: &chain::Line<'_>, taken: &Taken<'_>) -> Result<(), Kind> {
        let has_seal = line.record.mac.is_some();
        if !has_seal && self.begun {
            if line.record.event != Event::Log || !taken.is_first {
                return Err(Kind::Edited);
            }
            self.bare = Some((taken.place.clone(), line.record.seq));
            return Ok(());
        }
        match &mut self.state {
            State::Running(key) => {
                if !line.is_sealed_with(key) {
                    return Err(Kind::Edited);
                }
                seal::step(key);
                self.sealed += 1;
            }
            State::None | State::NotOurs => self.unchecked += u64::from(has_seal),
        }
        Ok(())
    }

    fn take_key(
        &mut self,
        line: &chain::Line<'_>,
        key: &Key,
        log: Option<Hex<16>>,
        place: &Place,
    ) -> Result<(), Kind> {
        let was_begun = std::mem::replace(&mut self.begun, true);
        let seq = line.record.seq;
        let at = |kind| Fault::at(place, Some(seq), kind);
        let has_seal = line.record.mac.is_some();
        let linked = key.linked.filter(|_| has_seal);
        let Some((auditor, public)) = self.auditor.zip(self.public) else {
            self.unchecked += u64::from(has_seal);
            if linked.is_none() {
                self.breaks.push(at(Kind::Unlinked));
            }
            return Ok(());
        };
        if key.auditor != public {
            self.unchecked += u64::from(has_seal);
            let is_handed = self.hand_over(key.auditor, seq);
            if linked.is_none() || !is_handed {
                let breaks = if self.is_ours() { &mut self.breaks } else { &mut self.others_breaks };
                breaks.push(at(Kind::Unlinked));
            }
            return Ok(());
        }
        match (linked, linked.and_then(|linked| self.under(linked, auditor, log))) {
            (Some(linked), Some(with)) if line.is_sealed_with(&with) => {
                self.sealed += 1;
                self.goes_on(linked, with, seq);
            }
            (Some(Linked::Running), Some(_)) => return Err(Kind::Edited),
            (linked, with) => {
                // What it goes on from may be elsewhere: in files that are not here, or in another log.
                let is_elsewhere = with.is_none()
                    && !was_begun
                    && linked.is_some_and(|linked| self.may_be_elsewhere(linked, log));
                self.unchecked += u64::from(has_seal);
                self.breaks.push(at(if is_elsewhere { Kind::Untied } else { Kind::Unlinked }));
            }
        }
        let fresh = seal::open(auditor.expose(), &key.sealed.0).map_err(|_| Kind::Edited)?;
        if self.rows.len() == ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back(Row { seq, key: fresh.clone() });
        self.state = State::Running(fresh);
        Ok(())
    }

    /// What the seal of a key record was made with, as far as these files tell.
    fn under(&self, linked: Linked, auditor: &Auditor, log: Option<Hex<16>>) -> Option<Secret> {
        match linked {
            Linked::Origin => Some(seal::origin(auditor.expose())),
            Linked::Running => match &self.state {
                State::Running(key) => Some(key.clone()),
                State::None | State::NotOurs => None,
            },
            Linked::Link { log: of, seq } if Some(of) == log => self.link_behind(seq),
            Linked::Link { .. } => None,
        }
    }

    /// A key record has the seal that it should.
    fn goes_on(&mut self, linked: Linked, with: Secret, seq: u64) {
        match linked {
            Linked::Origin => {
                if self.unchecked > 0 || matches!(self.state, State::NotOurs) {
                    self.notes.push(Note::NotOursBefore { until: seq });
                }
                // Who has the secret made this record when the chain before it was as it is.
                let count = self.others_breaks.clear();
                if count > 0 {
                    self.notes.push(Note::BreaksBefore { count, until: seq });
                }
            }
            Linked::Link { seq: behind, .. } => self.used = Some((behind, with)),
            Linked::Running => {}
        }
    }

    /// All up to this record was judged by whoever knew it.
    pub(super) fn was_known(&mut self, until: u64) {
        self.vouched(|count| Note::Judged { count, until });
    }

    /// All up to this record was accepted by the log's owner.
    pub(super) fn was_accepted(&mut self, until: u64) {
        self.vouched(|count| Note::Accepted { count, until });
    }

    fn vouched(&mut self, note: impl FnOnce(u64) -> Note) {
        let count = self.others_breaks.clear() + self.breaks.clear();
        if count > 0 {
            self.notes.push(note(count));
        }
    }

    /// A key for somebody else. Whether it is one that could be: only whoever had the running key may
    /// have said so before.
    fn hand_over(&mut self, to: Hex<32>, seq: u64) -> bool {
        let ran = matches!(self.state, State::Running(_));
        if ran {
            self.notes.push(Note::OtherAuditor { from: seq });
        }
        self.state = State::NotOurs;
        !ran || self.handed.is_some_and(|named| named.is_none_or(|named| named == to))
    }

    /// What stood behind a record of one of the last rows, for a later run to go on from.
    fn link_behind(&self, seq: u64) -> Option<Secret> {
        let row = self.rows.iter().rev().find(|row| row.seq <= seq);
        let Some(row) = row else {
            return self.used.as_ref().filter(|(used, _)| *used == seq).map(|(_, link)| link.clone());
        };
        let mut key = row.key.clone();
        for _ in row.seq..seq {
            seal::step(&mut key);
        }
        Some(seal::link(&key))
    }

    /// Whether this is the link behind its record; `None` if that cannot be told.
    pub(super) fn is_link(&self, link: &Link) -> Option<bool> {
        use subtle::ConstantTimeEq;
        let own = self.link_behind(link.seq)?;
        Some(own.ct_eq(&link.key).into())
    }

    /// Whether the record before was one whose seal was checked.
    pub(super) fn has_checked_last(&self) -> bool {
        matches!(self.state, State::Running(_)) && self.bare.is_none()
    }

    /// Whether anything was sealed for this auditor.
    pub(super) fn is_ours(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Whether these files begin behind a key, and have none that could be opened: there are seals,
    /// and nothing to check them with.
    pub(super) fn is_without_its_key(&self) -> bool {
        self.is_behind && !self.begun && self.unchecked > 0
    }

    pub(super) fn finish(self) -> Found {
        let Self { sealed, unchecked, notes, .. } = self;
        Found { sealed, unchecked, breaks: self.others_breaks.and(self.breaks), notes }
    }

    /// Whether the first key record of these files can go on from what is not in them.
    fn may_be_elsewhere(&self, linked: Linked, log: Option<Hex<16>>) -> bool {
        match linked {
            Linked::Origin => false,
            Linked::Running => self.is_behind,
            Linked::Link { log: of, .. } if Some(of) == log => self.is_behind,
            Linked::Link { log: of, seq } => {
                self.after.is_some_and(|(after, last)| after == of && seq <= last)
            }
        }
    }
}
