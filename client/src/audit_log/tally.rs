//! Who used which secret how often: counted in one pass over the log, in memory that whoever writes the log cannot
//! make grow.

use std::collections::BTreeMap;

use glassdome_audit::{Event, Exe, Outcome, Record};
use glassdome_proto::limits;
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::filter::{Filter, moment};
use super::usual::{Unusual, Usual};

/// Pairs of a secret and a program that are told apart; what is more is counted as one.
const PAIRS: usize = 10_000;
/// Unusual uses that are kept of a pair: the last ones.
const KEPT: usize = 3;
/// Characters of what a program is called that tell it from others.
const CALLED: usize = 256;

/// What was counted.
pub(crate) struct Tally<'f> {
    filter: &'f Filter,
    zone: TimeZone,
    span: Span,
    /// When the log begins, in seconds since the epoch.
    log_begins: i64,
    /// By name.
    pub(crate) secrets: BTreeMap<String, Secret>,
    pairs: usize,
    /// Uses that are in none of these.
    pub(crate) left_out: u64,
}

/// A span of time, in columns of equal length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// In seconds since the epoch.
    pub(crate) from: i64,
    /// In seconds since the epoch; behind `from`.
    pub(crate) to: i64,
    /// How many.
    pub(crate) columns: usize,
}

/// What became of a secret.
#[derive(Debug, Default)]
pub(crate) struct Secret {
    /// By what it is called.
    pub(crate) programs: BTreeMap<Program, Uses>,
    /// Uses in each column of the span.
    pub(crate) timeline: Vec<u64>,
}

/// Who uses secrets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(crate) struct Program {
    /// The name of its file; what it calls itself, where its file was not seen.
    pub(crate) program: String,
    /// Whether that is its own word: nobody is counted as another by calling itself so.
    pub(crate) claimed: bool,
    /// The script that it runs, by its own word.
    pub(crate) script: Option<String>,
}

/// How often.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Of the value.
    pub(crate) reads: u64,
    /// Stored, removed, renamed, restored.
    pub(crate) changes: u64,
    /// What was refused, of both.
    pub(crate) refused: u64,
    /// The first and the last one in the span, in seconds since the epoch.
    pub(crate) between: Option<(i64, i64)>,
    /// What was unusual: the last ones, and how many there were.
    pub(crate) unusual: Vec<(i64, Unusual)>,
    /// All of them.
    pub(crate) unusual_count: u64,
    usual: Option<Usual>,
}

impl Span {
    /// At least a second for each column.
    pub(crate) fn new(from: i64, to: i64, columns: usize) -> Self {
        let columns = columns.max(1);
        let least = i64::try_from(columns).unwrap_or(i64::MAX);
        Self { from, to: to.max(from.saturating_add(least)), columns }
    }

    /// How long a column is, in seconds.
    pub(crate) fn column_s(&self) -> i64 {
        let columns = i64::try_from(self.columns).unwrap_or(i64::MAX);
        (self.to - self.from).div_euclid(columns).max(1)
    }

    fn column(&self, at: i64) -> Option<usize> {
        if !(self.from..self.to).contains(&at) {
            return None;
        }
        let (past, whole) = (i128::from(at - self.from), i128::from(self.to - self.from));
        usize::try_from(past * self.columns as i128 / whole).ok()
    }
}

impl<'f> Tally<'f> {
    /// Nothing yet.
    pub(crate) fn new(filter: &'f Filter, zone: TimeZone, span: Span, log_begins: i64) -> Self {
        Self { filter, zone, span, log_begins, secrets: BTreeMap::new(), pairs: 0, left_out: 0 }
    }

    /// When the log begins, in seconds since the epoch.
    pub(crate) fn log_begins(&self) -> i64 {
        self.log_begins
    }

    /// One more record, in the order of the log.
    pub(crate) fn take(&mut self, record: &Record<'_>) {
        let is_change = match record.event {
            Event::Get | Event::Canary => false,
            Event::Set | Event::Remove | Event::Move | Event::Restore => true,
            _ => return,
        };
        if let Some(to) = record.to.as_deref() {
            // A renaming changes both names.
            self.take(&Record { to: None, ..record.clone() });
            return self.take(&Record { secret: Some(to.into()), to: None, ..record.clone() });
        }
        let Some(name) = record.secret.as_deref() else { return };
        let Some(at) = moment(record) else { return };
        if !self.filter.takes_whenever(record) {
            return;
        }
        let program = Program::of(record);
        let is_new = self.secrets.get(name).is_none_or(|secret| !secret.programs.contains_key(&program));
        if is_new {
            if self.pairs >= PAIRS || name.len() > limits::NAME {
                self.left_out += 1;
                return;
            }
            self.pairs += 1;
        }
        let columns = self.span.columns;
        let secret = self.secrets.entry(name.to_owned()).or_default();
        secret.timeline.resize(columns, 0);
        let uses = secret.programs.entry(program).or_default();
        let unusual = match record.outcome {
            Outcome::Allowed => uses.used(&at.to_zoned(self.zone.clone()), self.log_begins),
            Outcome::Denied | Outcome::Failed => None,
        };
        let seconds = at.as_second();
        if seconds < self.span.from {
            return;
        }
        uses.count(record, is_change, seconds);
        if let Some(unusual) = unusual {
            uses.mark(seconds, unusual);
        }
        if let Some(column) = self.span.column(seconds) {
            secret.timeline[column] += 1;
        }
    }

    /// What was used in the span at all.
    pub(crate) fn used(&self) -> impl Iterator<Item = (&str, &Secret)> {
        let is_used = |secret: &Secret| secret.programs.values().any(|uses| uses.between.is_some());
        self.secrets
            .iter()
            .filter(move |(_, secret)| is_used(secret))
            .map(|(name, secret)| (name.as_str(), secret))
    }
}

impl Uses {
    fn used(&mut self, at: &Zoned, log_begins: i64) -> Option<Unusual> {
        match &mut self.usual {
            Some(usual) => usual.again(at),
            None => {
                let (usual, unusual) = Usual::first(at, log_begins);
                self.usual = Some(usual);
                unusual
            }
        }
    }

    fn count(&mut self, record: &Record<'_>, is_change: bool, at: i64) {
        let count = match (record.outcome, is_change) {
            (Outcome::Allowed, true) => &mut self.changes,
            (Outcome::Allowed, false) => &mut self.reads,
            (Outcome::Denied | Outcome::Failed, _) => &mut self.refused,
        };
        *count = count.saturating_add(1).saturating_add(record.repeated);
        let (first, last) = self.between.unwrap_or((at, at));
        self.between = Some((first.min(at), last.max(at)));
    }

    fn mark(&mut self, at: i64, unusual: Unusual) {
        self.unusual_count += 1;
        if self.unusual.len() == KEPT {
            self.unusual.remove(0);
        }
        self.unusual.push((at, unusual));
    }
}

impl Program {
    fn of(record: &Record<'_>) -> Self {
        let cut = |text: &str| match text.len() {
            ..=CALLED => text.to_owned(),
            _ => text.chars().take(CALLED).collect(),
        };
        if let Some(judged) = &record.judged {
            return Self {
                program: cut(&judged.name),
                claimed: false,
                script: judged.script.as_deref().map(cut),
            };
        }
        let peer = record.peer.as_ref();
        let file = peer.and_then(|peer| peer.kernel.exe.as_ref()).map(Exe::name);
        let claimed = || peer.and_then(|peer| peer.claims.as_ref()).map(|claims| cut(&claims.client));
        let (program, claimed) = match (file, claimed()) {
            (Some(file), _) => (cut(file), false),
            (None, Some(client)) => (client, true),
            (None, None) => ("?".to_owned(), false),
        };
        Self { program, claimed, script: None }
    }
}

#[cfg(test)]
mod tests {
    use glassdome_audit::{Claims, Judged, Kernel, Peer};

    use super::*;
    use crate::audit_log::filter::SinceArg;
    use glassdome_proto::Name;
    use jiff::Timestamp;

    const NOON: i64 = 1_795_348_800; // 2026-11-22 12:00 UTC

    fn record(at: i64, event: Event, outcome: Outcome, name: &str, program: &str) -> Record<'static> {
        Record {
            time: Timestamp::from_second(at).unwrap().to_string().into(),
            secret: Some(name.to_owned().into()),
            judged: Some(Judged { pid: 1, name: program.to_owned().into(), script: None }),
            ..Record::new(event, outcome)
        }
    }

    fn tally<'f>(filter: &'f Filter, records: &[Record<'_>]) -> Tally<'f> {
        let span = Span::new(NOON, NOON + 100, 10);
        let mut tally = Tally::new(filter, TimeZone::UTC, span, NOON - 30 * 86_400);
        records.iter().for_each(|record| tally.take(record));
        tally
    }

    #[test]
    fn uses_are_counted_by_secret_and_program() {
        use Outcome::{Allowed, Denied};
        let refused = Record { repeated: 4, ..record(NOON + 99, Event::Get, Denied, "a", "sh") };
        let all = [
            record(NOON - 500, Event::Get, Allowed, "a", "sh"),
            record(NOON, Event::Get, Allowed, "a", "sh"),
            record(NOON + 15, Event::Set, Allowed, "a", "sh"),
            refused,
            record(NOON + 15, Event::Get, Allowed, "a", "py"),
            record(NOON + 15, Event::Info, Allowed, "b", "py"),
            record(NOON - 500, Event::Get, Allowed, "c", "py"),
        ];
        let filter = Filter::default();
        let tally = tally(&filter, &all);
        let used: Vec<&str> = tally.used().map(|(name, _)| name).collect();
        assert_eq!(used, ["a"], "a look is no use, and c was used before the span");
        let a = &tally.secrets["a"];
        assert_eq!(a.timeline, [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
        let programs: Vec<&str> = a.programs.keys().map(|program| &*program.program).collect();
        assert_eq!(programs, ["py", "sh"]);
        let uses = |n: usize| a.programs.values().nth(n).unwrap();
        assert_eq!((uses(1).reads, uses(1).changes, uses(1).refused), (1, 1, 5));
        assert_eq!(uses(1).between, Some((NOON, NOON + 99)));
        assert!(uses(1).unusual.is_empty(), "its first use was before the span");
        assert_eq!(uses(0).unusual, [(NOON + 15, Unusual::FirstUse)]);
    }

    #[test]
    fn a_renaming_changes_both_names() {
        let moved = record(NOON, Event::Move, Outcome::Allowed, "one/old", "sh");
        let all = [Record { to: Some("two/new".into()), ..moved }];
        let changed = |filter: &Filter| -> Vec<String> {
            tally(filter, &all).used().map(|(name, _)| name.to_owned()).collect()
        };
        assert_eq!(changed(&Filter::default()), ["one/old", "two/new"]);
        let filter = Filter::about(&Name::parse("two/new").unwrap(), SinceArg { since: None });
        assert_eq!(changed(&filter), ["two/new"]);
    }

    #[test]
    fn a_log_full_of_names_takes_no_more_memory() {
        let filter = Filter::default();
        let span = Span::new(NOON, NOON + 100, 10);
        let mut tally = Tally::new(&filter, TimeZone::UTC, span, NOON);
        for n in 0..PAIRS + 5 {
            tally.take(&record(NOON, Event::Get, Outcome::Allowed, &format!("name {n}"), "sh"));
        }
        tally.take(&record(NOON, Event::Get, Outcome::Allowed, &"x".repeat(limits::NAME + 1), "sh"));
        assert_eq!((tally.secrets.len(), tally.left_out), (PAIRS, 6));
        let long = record(NOON, Event::Get, Outcome::Allowed, "name 1", &"é".repeat(5000));
        assert_eq!(Program::of(&long).program.chars().count(), CALLED);
    }

    #[test]
    fn a_program_is_known_by_its_script_or_file() {
        let exe = Exe { path: "/usr/bin/ctl".into(), dev: 1, ino: 2 };
        let kernel = Kernel { pid: Some(4), uid: 1000, gid: None, exe: Some(exe) };
        let typed = Record {
            judged: None,
            peer: Some(Peer { kernel, claims: None }),
            ..record(NOON, Event::Get, Outcome::Allowed, "a", "")
        };
        assert_eq!(Program::of(&typed), Program { program: "ctl".into(), claimed: false, script: None });
        let claims = Some(Claims { client: "ctl".into(), version: "1".into() });
        let hidden = Peer { kernel: Kernel { pid: None, uid: 1000, gid: None, exe: None }, claims };
        let by_word = Program { program: "ctl".into(), claimed: true, script: None };
        assert_eq!(Program::of(&Record { peer: Some(hidden), ..typed.clone() }), by_word);
        assert_eq!(Program::of(&Record { peer: None, ..typed }).program, "?");
    }

    #[test]
    fn columns_cover_the_span() {
        let span = Span::new(NOON, NOON + 3600, 60);
        assert_eq!(span.column_s(), 60);
        for (at, column) in
            [(0, Some(0)), (59, Some(0)), (60, Some(1)), (3599, Some(59)), (3600, None), (-1, None)]
        {
            assert_eq!(span.column(NOON + at), column, "{at}");
        }
        let none = Span::new(NOON, NOON, 0);
        assert_eq!((none.column(NOON), none.column_s()), (Some(0), 1));
        let widest = Span::new(i64::MIN / 4, i64::MAX / 4, 80);
        assert_eq!(widest.column(i64::MAX / 4 - 1), Some(79));
    }
}
