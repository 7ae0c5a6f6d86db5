//! A log as a list of lines, for whoever wants to change one of them, and checks of what became of it.

use std::path::PathBuf;

use glassdome_audit::auditor::Auditor;
use glassdome_audit::chain::{self, Head};
use glassdome_audit::verify::{Anchor, Checks, Fault, Kind, Report, verify};
use glassdome_audit::{Event, Hex, Record, seal};

use super::maker::{Kept, Maker};

/// All lines of a log, with the file that each is in.
#[derive(Clone)]
pub struct Book {
    pub lines: Vec<(usize, Vec<u8>)>,
    pub id: Hex<16>,
    pub head: Head,
    pub link: Option<Kept>,
}

/// What a log is held against.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct With {
    pub secret: Option<u8>,
    pub anchor: bool,
    pub link: bool,
    /// The last record of an earlier check.
    pub known: Option<Head>,
    /// The record with which its owner accepted it.
    pub accepted: Option<u64>,
}

impl With {
    pub const NOTHING: Self = Self { secret: None, anchor: false, link: false, known: None, accepted: None };
    pub const SECRET: Self = Self { secret: Some(1), ..Self::NOTHING };
    pub const ANCHOR: Self = Self { anchor: true, ..Self::NOTHING };
    pub const ALL: Self = Self { secret: Some(1), anchor: true, link: true, known: None, accepted: None };

    pub fn known(self, head: Head) -> Self {
        Self { known: Some(head), ..self }
    }
}

impl Book {
    pub fn of(maker: &Maker) -> Self {
        let mut lines = Vec::new();
        for (nth, (_, content)) in maker.files.iter().enumerate() {
            lines.extend(content.split_inclusive(|byte| *byte == b'\n').map(|line| (nth, line.to_vec())));
        }
        Self { lines, id: maker.id, head: maker.head, link: maker.link.clone() }
    }

    /// The record in a line.
    pub fn record(&self, at: usize) -> Record<'_> {
        chain::read(self.lines[at].1.trim_ascii_end()).unwrap().record
    }

    /// The head behind a line.
    pub fn head_at(&self, at: usize) -> Head {
        chain::read(self.lines[at].1.trim_ascii_end()).unwrap().head()
    }

    /// The line with which the seals begin.
    pub fn seals_begin(&self) -> usize {
        (0..self.lines.len()).find(|n| self.record(*n).event == Event::Seal).unwrap()
    }

    /// Which line of its file it is, from 1.
    pub fn place(&self, at: usize) -> (usize, u64) {
        let file = self.lines[at].0;
        (file, self.lines[..=at].iter().filter(|(own, _)| *own == file).count() as u64)
    }

    /// Checks it, against what the vault remembers of `of`.
    pub fn check_as(&self, of: &Book, with: With) -> Report {
        let files = self.lines.last().map_or(0, |(file, _)| file + 1);
        let content = |nth: usize| -> Vec<u8> {
            self.lines.iter().filter(|(file, _)| *file == nth).flat_map(|(_, line)| line.clone()).collect()
        };
        let contents: Vec<Vec<u8>> = (0..files).map(content).collect();
        let files =
            contents.iter().enumerate().map(|(n, bytes)| (PathBuf::from(n.to_string()), Ok(&bytes[..])));
        let checks = Checks {
            auditor: with.secret.map(super::maker::auditor),
            anchors: with.anchor.then_some(Anchor { log: of.id, head: of.head }).into_iter().collect(),
            link: of.link.as_ref().filter(|_| with.link).map(Kept::link),
            known: with.known,
            accepted: with.accepted,
            behind: None,
        };
        verify(files, &checks).unwrap()
    }

    /// What is found wrong first, and where: file, line, kind.
    #[track_caller]
    pub fn fault(&self, of: &Book, with: With) -> Option<(usize, u64, Kind)> {
        self.faults(of, with).first().copied()
    }

    /// All that is found wrong.
    #[track_caller]
    pub fn faults(&self, of: &Book, with: With) -> Vec<(usize, u64, Kind)> {
        let place = |fault: Fault| {
            let file = fault.place.file.map_or(0, |file| file.to_str().unwrap().parse().unwrap());
            (file, fault.place.line, fault.kind)
        };
        self.check_as(of, with).faults.into_iter().map(place).collect()
    }

    /// With another time in a record, and all that follows written again.
    pub fn forged(&self, at: usize, seals: impl FnMut(usize) -> Seal) -> Self {
        let mut book = self.clone();
        let line = String::from_utf8(book.lines[at].1.clone()).unwrap();
        book.lines[at].1 = line.replacen("\"boot_ms\":", "\"boot_ms\":9", 1).into_bytes();
        book.chain_again(at, seals);
        book
    }

    /// Writes the records from `at` on again, so that each has the hash of the one before: with seals by the keys
    /// that `key` gives for each line, or those that were there.
    pub fn chain_again(&mut self, at: usize, mut key: impl FnMut(usize) -> Seal) {
        let mut head = match at {
            0 => Head::NONE,
            at => self.head_at(at - 1),
        };
        for n in at..self.lines.len() {
            let line = self.lines[n].1.clone();
            let record = chain::read(line.trim_ascii_end()).unwrap().record;
            let mac = record.mac;
            let mut written = Vec::new();
            let seal = key(n);
            let with = match seal {
                Seal::Kept => mac.map(|_| [0; 32]),
                Seal::None => None,
                Seal::By(key) => Some(key),
                Seal::Stale => Some([9; 32]),
            };
            head = chain::write(&head, record, None, with.as_ref(), &mut written).unwrap();
            if let (Seal::Kept, Some(mac)) = (seal, mac) {
                let digits = written.len() - 35;
                let mut text = Vec::new();
                mac.push(&mut text);
                written[digits..digits + 32].copy_from_slice(&text);
                head.hash = chain::hash(written.trim_ascii_end());
            }
            self.lines[n].1 = written;
        }
        self.head = head;
    }
}

/// What a forger seals with.
#[derive(Clone, Copy)]
pub enum Seal {
    /// The seal that was there.
    Kept,
    None,
    By([u8; 32]),
    /// A key that is not the right one.
    Stale,
}

/// The keys of all records from the first key record on, as the auditor has them.
pub fn keys(book: &Book, auditor: &Auditor) -> Vec<Option<[u8; 32]>> {
    let mut key: Option<[u8; 32]> = None;
    let mut all = Vec::new();
    for n in 0..book.lines.len() {
        all.push(key);
        if let Some(own) = &mut key {
            seal::step(own);
        }
        if let Some(fresh) = book.record(n).key {
            key = Some(*seal::open(auditor.expose(), &fresh.sealed.0).unwrap());
        }
    }
    all
}
