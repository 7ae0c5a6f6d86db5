//! Logs as the daemon writes them are never flagged, whatever happened to the daemon meanwhile.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use glassdome_audit::chain::{self, Head};
use glassdome_audit::verify::{Kind, Note};
use glassdome_audit::{Event, Hex, Linked, files};
use proptest::prelude::*;
use support::book::{Book, With};
use support::maker::{Maker, auditor};

#[derive(Debug, Clone)]
enum Op {
    Work(usize),
    Unlock,
    Lock,
    Sync,
    Restart,
    Kill,
    Rotate,
    RotateAndDie,
    Retire,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0usize..6).prop_map(Op::Work),
        2 => Just(Op::Unlock),
        1 => Just(Op::Lock),
        1 => Just(Op::Sync),
        1 => Just(Op::Restart),
        2 => Just(Op::Kill),
        1 => Just(Op::Rotate),
        1 => Just(Op::RotateAndDie),
        1 => Just(Op::Retire),
    ]
}

fn act(maker: &mut Maker, op: &Op) {
    match op {
        Op::Work(count) => maker.work(*count),
        Op::Unlock => maker.unlock(),
        Op::Lock => maker.lock(),
        Op::Sync => maker.sync(),
        Op::Restart => maker.restart(),
        Op::Kill => maker.kill(),
        Op::Rotate => maker.rotate(),
        Op::RotateAndDie => maker.rotate_and_die(),
        Op::Retire if maker.files.len() > 2 => maker.retire(),
        Op::Retire => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_honest_log_is_flagged(
        begin in prop::collection::vec(op(), 0..8),
        sealed in any::<bool>(),
        rest in prop::collection::vec(op(), 0..40),
        torn in 0usize..40,
    ) {
        let mut maker = Maker::new(1);
        begin.iter().for_each(|op| act(&mut maker, op));
        if sealed {
            maker.seal_to(&auditor(1));
        }
        rest.iter().for_each(|op| act(&mut maker, op));
        let whole = Book::of(&maker);
        for secret in [None, Some(1)].into_iter().take(1 + usize::from(sealed)) {
            for anchor in [false, true] {
                let with = With { secret, anchor, link: true, known: Some(maker.head), accepted: None };
                let report = whole.check_as(&whole, with);
                prop_assert_eq!(report.fault(), None, "{:?}", with.secret);
                prop_assert_eq!(report.records, whole.lines.len() as u64);
                prop_assert_eq!(report.between.unwrap().1, maker.head.seq);
                prop_assert_eq!(report.anchor, anchor.then_some(true));
            }
        }
        // Without what an earlier check saw, it is untied where its front was retired, and nothing else ever.
        let secret = sealed.then_some(1);
        let report = whole.check_as(&whole, With { secret, ..With::ALL });
        let is_retired = whole.record(0).seq > 1;
        prop_assert!(report.faults.iter().all(|fault| is_retired && fault.kind == Kind::Untied), "{:?}", report.faults);
        prop_assert!(report.faults.len() <= 1 && report.judgeable != report.faults.is_empty());
        let begins = (0..whole.lines.len()).any(|n| {
            whole.record(n).key.is_some_and(|key| key.linked == Some(Linked::Origin))
        });
        prop_assert_eq!(report.judgeable, sealed && !begins);
        // The machine went down in the middle of the next line.
        let mut cut = whole.clone();
        let (file, mut line) = whole.lines.last().unwrap().clone();
        line.truncate(torn);
        cut.lines.push((file, line));
        let with = With { secret: sealed.then_some(1), ..With::ALL.known(maker.head) };
        let report = cut.check_as(&whole, with);
        prop_assert_eq!((report.fault(), report.torn), (None, torn as u64));
    }
}

#[test]
fn all_seals_are_counted_and_none_is_taken_for_checked() {
    let mut maker = Maker::sealed(1, &auditor(1));
    maker.work(10);
    maker.kill();
    maker.unlock();
    maker.work(5);
    let book = Book::of(&maker);
    let seals = (0..book.lines.len()).filter(|n| book.record(*n).mac.is_some()).count() as u64;
    let counted = |with: With| {
        let report = book.check_as(&book, with);
        assert_eq!(report.fault(), None);
        (report.sealed, report.unchecked, report.link)
    };
    assert_eq!(counted(With::ALL), (seals, 0, Some(true)));
    assert_eq!(counted(With::NOTHING), (0, seals, None));
    let other = With { secret: Some(2), ..With::NOTHING };
    assert_eq!(book.fault(&book, other).unwrap().2, Kind::Unsealed, "another auditor's key opens none");
}

#[test]
fn another_auditor_takes_over_and_each_checks_their_part() {
    let mut maker = Maker::sealed(1, &auditor(1));
    maker.work(10);
    maker.seal_to(&auditor(2));
    let from = maker.head.seq;
    maker.work(10);
    let book = Book::of(&maker);
    for (secret, note) in [(1, Note::OtherAuditor { from }), (2, Note::NotOursBefore { until: from })] {
        let report = book.check_as(&book, With { secret: Some(secret), ..With::NOTHING });
        assert_eq!((report.fault(), &report.notes), (None, &vec![note]), "{secret}");
        assert!(report.sealed > 10 && report.unchecked > 10);
    }
}

#[test]
fn a_log_that_goes_on_after_one_that_was_set_aside_is_untied_until_it_was_judged() {
    let mut maker = Maker::sealed(1, &auditor(1));
    maker.work(3);
    let mut after = maker.after(7);
    after.record(Event::Alarm, None);
    after.work(3);
    after.restart();
    let book = Book::of(&after);
    let report = book.check_as(&book, With::ALL);
    assert_eq!(
        (report.faults[0].kind, report.faults[0].seq, report.faults.len()),
        (Kind::Untied, Some(2), 1)
    );
    assert!(report.judgeable);
    let judged = report.head.unwrap();
    after.work(3);
    let book = Book::of(&after);
    let report = book.check_as(&book, With::ALL.known(judged));
    assert_eq!(
        (report.fault(), &report.notes[..]),
        (None, &[Note::Judged { count: 1, until: judged.seq }][..])
    );
    assert_eq!(report.log, Some(Hex([7; 16])));
}

#[test]
fn what_was_retired_is_told_and_what_is_only_gone_is_not_taken() {
    let mut maker = Maker::sealed(1, &auditor(1));
    maker.work(5);
    maker.rotate();
    maker.unlock();
    maker.work(5);
    maker.rotate();
    maker.retire();
    assert_eq!(
        Book::of(&maker).fault(&Book::of(&maker), With::ALL),
        None,
        "the seals' first record is still there"
    );
    maker.retire();
    let last_gone = Book::of(&maker).record(0).seq - 1;
    maker.work(2);
    let book = Book::of(&maker);
    let report = book.check_as(&book, With::ALL);
    let (file, line) = book.place(book.seals_begin());
    assert_eq!(book.faults(&book, With::ALL), [(file, line, Kind::Untied)]);
    assert_eq!(book.fault(&book, With::ANCHOR), None, "without the key nothing is said of the seals");
    assert_eq!(book.fault(&book, With::ALL.known(maker.head)), None);
    assert!(report.notes.contains(&Note::Retired { through: last_gone }), "{:?}", report.notes);
    maker.files.remove(0);
    let fault = Book::of(&maker).fault(&book, With::NOTHING);
    assert_eq!(fault, Some((0, 1, Kind::Truncated)), "no record says that this one went, too");
}

#[test]
fn a_check_goes_on_behind_what_was_checked() {
    use glassdome_audit::verify::{Anchor, Checks, verify};
    let maker = Maker::eventful(1);
    let check = |from: usize, behind: Head, change: fn(&mut Vec<u8>)| {
        let files: Vec<Vec<u8>> = maker.files[from..]
            .iter()
            .map(|(_, content)| {
                let mut content = content.clone();
                change(&mut content);
                content
            })
            .collect();
        let anchors = vec![Anchor { log: maker.id, head: maker.head }];
        let checks = Checks { anchors, behind: Some(behind), ..Checks::default() };
        verify(files.iter().map(|file| ("x".into(), Ok(&file[..]))), &checks).unwrap()
    };
    for from in 1..maker.files.len() {
        let before = maker.files[from - 1].1.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap();
        let behind = chain::read(before).unwrap().head();
        let report = check(from, behind, |_| {});
        assert_eq!((report.fault(), report.between.unwrap().0), (None, behind.seq + 1));
        let other = Head { hash: Hex([7; 32]), ..behind };
        let fault = check(from, other, |_| {}).fault().unwrap().clone();
        assert_eq!((fault.seq, fault.kind), (Some(behind.seq), Kind::Edited), "it is not what comes before");
        let earlier = Head { seq: behind.seq - 1, ..behind };
        assert_eq!(check(from, earlier, |_| {}).fault().unwrap().kind, Kind::Edited);
        let edited = check(from, behind, |file| {
            let last = file.len() - 10;
            file[last] ^= 1;
        });
        assert!(edited.fault().is_some());
    }
}

#[test]
fn a_lost_link_is_told() {
    let mut maker = Maker::sealed(1, &auditor(1));
    maker.work(5);
    maker.link = None;
    maker.kill();
    let book = Book::of(&maker);
    let at = (0..book.lines.len()).rfind(|n| book.record(*n).event == Event::Seal).unwrap();
    let (file, line) = book.place(at);
    for with in [With::NOTHING, With::SECRET] {
        assert_eq!(book.fault(&book, with), Some((file, line, Kind::Unlinked)));
    }
}

#[test]
fn what_its_owner_accepted_is_no_fault_but_to_an_auditor() {
    let mut maker = Maker::sealed(1, &auditor(1));
    maker.work(5);
    maker.link = None;
    maker.kill();
    maker.record(Event::AcceptLog, None);
    let accepted = maker.head.seq;
    let with = |with: With| With { accepted: Some(accepted), ..with };
    let book = Book::of(&maker);
    let report = book.check_as(&book, with(With::ANCHOR));
    assert_eq!(
        (report.fault(), &report.notes[..]),
        (None, &[Note::Accepted { count: 1, until: accepted }][..])
    );
    // The record alone says nothing: anybody can write one.
    assert_eq!(book.fault(&book, With::ANCHOR).unwrap().2, Kind::Unlinked);
    assert_eq!(book.fault(&book, with(With::SECRET)).unwrap().2, Kind::Unlinked);
    maker.work(3);
    maker.link = None;
    maker.kill();
    let book = Book::of(&maker);
    let faults = book.check_as(&book, with(With::ANCHOR)).faults;
    assert_eq!(faults.len(), 1);
    assert!(faults[0].kind == Kind::Unlinked && faults[0].seq > Some(accepted), "what came later is one");
}

#[test]
fn a_log_of_an_earlier_version_is_said_to_have_no_chain() {
    use glassdome_audit::verify::{Checks, VerifyError, verify};
    let line = br#"{"seq":1,"time":"","boot_ms":0,"event":"start","outcome":"allowed"}"#;
    let log = [(files::ACTIVE.into(), Ok(&line[..]))];
    assert!(matches!(verify(log, &Checks::default()), Err(VerifyError::Unchained)));
    let none: [(std::path::PathBuf, std::io::Result<&[u8]>); 0] = [];
    let report = verify(none, &Checks::default()).unwrap();
    assert_eq!((report.fault(), report.records), (None, 0));
}

#[test]
fn a_break_before_the_auditor_came_is_a_note() {
    let mut maker = Maker::sealed(1, &auditor(1));
    maker.work(3);
    maker.link = None;
    maker.kill();
    maker.unlock();
    maker.seal_to(&auditor(2));
    let until = maker.head.seq;
    maker.work(3);
    let book = Book::of(&maker);
    let second = With { secret: Some(2), ..With::NOTHING };
    let report = book.check_as(&book, second);
    assert_eq!(report.fault(), None);
    assert!(report.notes.contains(&Note::BreaksBefore { count: 1, until }), "{:?}", report.notes);
    for with in [With::NOTHING, With::SECRET] {
        assert_eq!(book.fault(&book, with).unwrap().2, Kind::Unlinked, "for everybody else it is one");
    }
    // One behind it is no note.
    maker.link = None;
    maker.kill();
    let book = Book::of(&maker);
    let found = book.faults(&book, second);
    assert_eq!((found.len(), found[0].2), (1, Kind::Unlinked));
}
