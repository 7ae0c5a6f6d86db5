//! A log that anybody wrote. Checking it says what is wrong and never fails otherwise; what is taken is a chain; and
//! an honest log in which anything was changed is not taken.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use glassdome_audit::chain::{self, Head};
use glassdome_audit::verify::{Anchor, Checks, Report, VerifyError, verify};
use glassdome_audit::{Event, Lines};
use libfuzzer_sys::fuzz_target;

#[path = "../../audit/tests/support/maker.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod maker;

use maker::{Kept, Maker, auditor};

struct Honest {
    log: Vec<u8>,
    anchor: Anchor,
    link: Kept,
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let mut maker = Maker::sealed(1, &auditor(1));
    maker.work(3);
    maker.kill();
    maker.unlock();
    maker.record(Event::Get, Some("a"));
    maker.lock();
    let log = maker.files.iter().flat_map(|(_, content)| content.clone()).collect();
    let link = maker.link.clone().expect("it was left at the lock");
    Honest { log, anchor: Anchor { log: maker.id, head: maker.head }, link }
});

/// The first byte: whether what follows is a log or changes to an honest one, and where it is cut into two files.
fn check(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let cut = usize::from(how & 0x0f);
    if how & 0x10 == 0 {
        if let Ok(report) = report(rest, cut) {
            taken_is_a_chain(rest, cut, &report);
        }
        return;
    }
    let log = changed(rest);
    let Ok(report) = report(&log, cut) else { return };
    taken_is_a_chain(&log, cut, &report);
    // In two files it is the same log, if the cut is between lines; the last newline, and what is behind it, may be torn.
    let same = log.strip_suffix(b"\n").unwrap_or(&log) == HONEST.log.trim_ascii_end();
    let torn =
        log.get(..log.len() - usize::try_from(report.torn).expect("it is in memory")) == Some(&HONEST.log);
    assert!(report.fault().is_some() || same || torn, "{}", String::from_utf8_lossy(&log));
}

fn report(log: &[u8], cut: usize) -> Result<Report, VerifyError> {
    let link = Some(HONEST.link.link());
    let (auditor, anchors) = (Some(auditor(1)), vec![HONEST.anchor]);
    let checks = Checks { auditor, anchors, link, ..Checks::default() };
    let (first, second) = log.split_at(log.len() * cut / 16);
    let files = [("first", first), ("second", second)].map(|(name, bytes)| (PathBuf::from(name), Ok(bytes)));
    verify(files, &checks)
}

/// What is taken, and what is if somebody judges where seals begin anew.
fn taken_is_a_chain(log: &[u8], cut: usize, report: &Report) {
    if report.fault().is_some() && !report.judgeable {
        return;
    }
    let mut head: Option<Head> = None;
    let (first, second) = log.split_at(log.len() * cut / 16);
    for file in [first, second] {
        let mut lines = Lines::of(file);
        while let Some(line) = lines.next().expect("memory is read") {
            let line = chain::read(line.bytes).expect("it was taken");
            assert!(head.is_none_or(|head| line.follows(&head)));
            head = Some(line.head());
        }
    }
}

/// The honest log with changes of six bytes each: which, where, how far, and a byte.
fn changed(changes: &[u8]) -> Vec<u8> {
    let mut log = HONEST.log.clone();
    for &[what, a, b, c, d, byte] in changes.as_chunks().0.iter().take(8) {
        let at = usize::from(u16::from_le_bytes([a, b])) % (log.len() + 1);
        let to = (at + usize::from(u16::from_le_bytes([c, d])) % 2048).min(log.len());
        match what % 4 {
            0 if at < log.len() => log[at] = byte,
            1 => drop(log.drain(at..to)),
            2 => log.insert(at, byte),
            _ => {
                let copy = log[at..to].to_vec();
                let into = usize::from(byte) * log.len() / 256;
                log.splice(into..into, copy);
            }
        }
    }
    log
}

fuzz_target!(|data: &[u8]| check(data));
