//! Where seals begin anew, and what is said to be elsewhere: the places are listed, what is done behind one is found
//! all the same, and what an earlier check saw is held against the log.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use glassdome_audit::chain::Head;
use glassdome_audit::verify::Kind::*;
use glassdome_audit::verify::Note;
use glassdome_audit::{Hex, Key, seal};
use support::book::{Book, Seal, With};
use support::maker::{Maker, auditor};

/// A daemon that lost its link once, and went on; and the line at which the seals begin anew.
fn broken_once() -> (Book, usize) {
    let mut maker = Maker::eventful(1);
    maker.link = None;
    maker.kill();
    maker.unlock();
    maker.work(4);
    maker.restart();
    maker.lock();
    let book = Book::of(&maker);
    let at =
        (0..book.lines.len()).find(|n| book.record(*n).key.is_some_and(|key| key.linked.is_none())).unwrap();
    (book, at)
}

#[test]
fn what_is_done_behind_a_break_is_found_behind_it() {
    let (whole, at) = broken_once();
    let lost = (whole.place(at).0, whole.place(at).1, Unlinked);
    let last = whole.lines.len() - 1;
    assert_eq!(whole.faults(&whole, With::ALL), [lost], "control: the break alone");
    assert!(whole.check_as(&whole, With::ALL).judgeable);
    let known = whole.head_at(at);
    assert_eq!(whole.fault(&whole, With::ALL.known(known)), None, "control: it was judged");
    for edited in at + 1..=last {
        let book = whole.forged(edited, |_| Seal::Kept);
        for (with, breaks) in [(With::SECRET, &[lost][..]), (With::SECRET.known(known), &[])] {
            let report = book.check_as(&book, with);
            assert!(!report.judgeable && report.head.unwrap().seq < book.head.seq);
            let found = book.faults(&book, with);
            assert!(found.starts_with(breaks), "{found:?}");
            let (file, line, kind) = found[breaks.len()];
            assert_eq!((file, line), whole.place(edited), "{edited}");
            assert!([Edited, Unlinked].contains(&kind), "{kind}");
        }
    }
    for kept in at + 1..last {
        let mut book = whole.clone();
        book.lines.truncate(kept);
        let found = book.faults(&whole, With::ALL);
        assert_eq!((found[0], found[1].2, found.len()), (lost, Truncated, 2), "cut behind {kept}");
        assert_eq!(book.fault(&whole, With::ALL.known(known)).unwrap().2, Truncated);
    }
}

#[test]
fn breaks_are_listed_up_to_a_number_and_counted() {
    let mut maker = Maker::eventful(1);
    for _ in 0..25 {
        maker.link = None;
        maker.kill();
    }
    let book = Book::of(&maker);
    for with in [With::NOTHING, With::ALL] {
        let report = book.check_as(&book, with);
        assert_eq!((report.faults.len(), report.more), (20, 5));
        assert!(report.faults.iter().all(|fault| fault.kind == Unlinked));
        assert_eq!(report.head, Some(maker.head));
    }
    let report = book.check_as(&book, With::ALL.known(maker.head));
    assert_eq!((report.faults, report.more), (vec![], 0));
    assert_eq!(report.notes, [Note::Judged { count: 25, until: maker.head.seq }]);
}

#[test]
fn what_is_known_must_be_there() {
    let whole = Book::of(&Maker::eventful(1));
    let last = whole.lines.len() - 1;
    for at in 0..=last {
        let known = whole.head_at(at);
        assert_eq!(whole.fault(&whole, With::SECRET.known(known)), None, "control");
        let other = Head { hash: Hex([3; 32]), ..known };
        let (file, line) = whole.place(at);
        assert_eq!(whole.fault(&whole, With::SECRET.known(other)), Some((file, line, Replaced)));
        let mut cut = whole.clone();
        cut.lines.truncate(at);
        assert_eq!(cut.fault(&whole, With::NOTHING.known(known)).unwrap().2, Truncated);
    }
    let beyond = Head { seq: whole.head.seq + 1, ..whole.head };
    assert_eq!(whole.fault(&whole, With::NOTHING.known(beyond)).unwrap().2, Truncated);
}

/// Files that say that what they go on from is elsewhere are made with nothing in hand but the auditor's public key.
#[test]
fn a_forger_who_says_that_the_rest_is_elsewhere_is_found() {
    let to = Hex(auditor(1).public());
    let genuine = Maker::eventful(1);
    // It claims to go on after a log that was set aside.
    let mut made_up = genuine.after(9);
    made_up.work(5);
    let mut book = Book::of(&made_up);
    let own = [0x77; 32];
    let at = book.seals_begin();
    let boxed = Hex(seal::seal(&to.0, &own, &[5; 32]).unwrap());
    let linked = book.record(at).key.unwrap().linked;
    let key = Key { auditor: to, sealed: boxed, linked };
    let mut line = Vec::new();
    glassdome_audit::write(&glassdome_audit::Record { key: Some(key), ..book.record(at) }, &mut line)
        .unwrap();
    book.lines[at].1 = line;
    let mut key = own;
    book.chain_again(at, |n| {
        if n == at {
            return Seal::By([6; 32]);
        }
        let now = key;
        seal::step(&mut key);
        Seal::By(now)
    });
    let (file, line) = book.place(at);
    assert_eq!(book.faults(&book, With::SECRET), [(file, line, Untied)]);
    // Only a record that the auditor saw counts, and not one before it.
    assert_eq!(book.fault(&book, With::SECRET.known(book.head)), None, "control");
    let before = book.head_at(at - 1);
    assert_eq!(book.fault(&book, With::SECRET.known(before)).unwrap().2, Untied);
    let of_another = book.fault(&book, With::SECRET.known(genuine.head)).unwrap().2;
    assert!([Untied, Replaced].contains(&of_another), "{of_another}");
}
