//! Where the log stood when the vault was last told: sealed in it at every lock and unlock and every
//! thousand records, though not within ten seconds of the time before, so that whoever can unlock sees a
//! log that was cut, replaced or made anew.

use std::cell::Cell;
use std::time::Duration;

use glassdome_audit::Hex;
use glassdome_audit::chain::Head;

use crate::clock::Now;

/// The sealed setting.
pub const SETTING: &str = "audit-anchor";
/// After so many records of a session the vault is told again,
const EVERY: u64 = 1000;
/// if that was not done within this time: telling it is a change of the vault, and a program that asks for
/// secrets in a loop would have it changed all the time.
const APART: Duration = Duration::from_secs(10);
const FORMAT: u8 = 1;
const LEN: usize = 1 + 16 + 8 + 32 + 8 + 8;

/// Where the log stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Which log.
    pub log: Hex<16>,
    /// Its last record then.
    pub head: Head,
    /// Since when there is an alarm that was not accepted, by the wall clock to the second.
    pub alarm: Option<Duration>,
    /// The record of this log with which its owner accepted what was behind; 0: none.
    pub accepted: u64,
}

impl Anchor {
    /// `1 ‖ log id (16) ‖ seq u64 ‖ hash (32) ‖ alarm u64 ‖ accepted u64`, little-endian; an alarm of 0 is none.
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[0] = FORMAT;
        bytes[1..17].copy_from_slice(&self.log.0);
        bytes[17..25].copy_from_slice(&self.head.seq.to_le_bytes());
        bytes[25..57].copy_from_slice(&self.head.hash.0);
        bytes[57..65].copy_from_slice(&self.alarm.map_or(0, |since| since.as_secs()).to_le_bytes());
        bytes[65..].copy_from_slice(&self.accepted.to_le_bytes());
        bytes
    }

    /// Reads it; `None` if a newer version wrote it.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok()?;
        if bytes[0] != FORMAT {
            return None;
        }
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        };
        let (mut log, mut hash) = (Hex([0; 16]), Hex([0; 32]));
        log.0.copy_from_slice(&bytes[1..17]);
        hash.0.copy_from_slice(&bytes[25..57]);
        let alarm = Some(number(57)).filter(|since| *since > 0).map(Duration::from_secs);
        Some(Self { log, head: Head { seq: number(17), hash }, alarm, accepted: number(65) })
    }
}

/// Of which record the vault was told last, and when, since the machine started; nothing if it is to be told as
/// soon as can be.
#[derive(Debug, Default)]
pub struct Told(Cell<Option<(u64, Duration)>>);

impl Told {
    /// It was told of this record.
    pub fn of(&self, seq: u64, now: Now) {
        self.0.set(Some((seq, now.boot)));
    }

    /// It is to be told as soon as can be.
    pub fn too_little(&self) {
        self.0.set(None);
    }

    /// Whether it is to be told now, where `last` is the last record.
    pub fn wants(&self, last: u64, now: Now) -> bool {
        self.0.get().is_none() || self.owes(last, now)
    }

    /// As [`Told::wants`], once it was told of any.
    pub fn owes(&self, last: u64, now: Now) -> bool {
        let is_due = |(seq, when)| last >= seq + EVERY && now.boot.saturating_sub(when) >= APART;
        self.0.get().is_some_and(is_due)
    }

    /// Whether what it was told of last is behind this record, and so stays where that goes; `None` if that is not
    /// known.
    pub fn is_behind(&self, seq: u64) -> Option<bool> {
        self.0.get().map(|(told, _)| seq < told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { boot: Duration::from_secs(seconds), wall: Duration::from_secs(1_800_000_000) }
    }

    #[test]
    fn the_vault_is_told_every_thousand_records_and_not_all_the_time() {
        let told = Told::default();
        assert!(told.wants(1, at(100)) && !told.owes(5000, at(200)), "it was never told");
        told.of(7, at(100));
        for (last, now, wanted) in [
            (1007, 110, true),
            (1007, 109, false),
            (1006, 110, false),
            (1006, 100_000, false),
            (90_000, 109, false),
            (90_000, 110, true),
        ] {
            assert_eq!(told.wants(last, at(now)), wanted, "record {last} at {now} s");
            assert_eq!(told.owes(last, at(now)), wanted, "record {last} at {now} s");
        }
        told.too_little();
        assert!(told.wants(7, at(100)));
    }

    #[test]
    fn what_the_vault_was_told_of_is_behind_what_goes() {
        let told = Told::default();
        assert_eq!(told.is_behind(1), None);
        told.of(7, at(100));
        assert_eq!([6, 7, 8].map(|seq| told.is_behind(seq)), [Some(true), Some(false), Some(false)]);
        told.too_little();
        assert_eq!(told.is_behind(1), None);
    }

    #[test]
    fn it_comes_back_and_nothing_else_is_one() {
        for alarm in [None, Some(Duration::from_secs(1_795_000_000))] {
            let head = Head { seq: 0x0102_0304_0506, hash: Hex([7; 32]) };
            let anchor = Anchor { log: Hex([3; 16]), head, alarm, accepted: 9 };
            let bytes = anchor.to_bytes();
            assert_eq!(Anchor::read(&bytes), Some(anchor));
            assert_eq!(Anchor::read(&bytes[1..]), None);
            assert_eq!(Anchor::read(&[&[2], &bytes[1..]].concat()), None);
        }
    }
}
