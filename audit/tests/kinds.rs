//! Each kind of change at each kind of place, as a table: what an auditor is told who has the key and what the vault
//! remembers, and what everybody is told who can unlock. The vault was told last some records before the end.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use glassdome_audit::verify::Kind::{self, *};
use glassdome_audit::{Event, Linked};
use support::book::{Book, With};
use support::maker::Maker;

/// Records behind the one that the vault remembers.
const BEHIND: usize = 5;

fn main_book() -> Book {
    let mut maker = Maker::eventful(1);
    maker.unlock();
    maker.work(8);
    maker.sync();
    Book::of(&maker)
}

/// The kinds of places, and the line that stands for each.
fn places(book: &Book) -> Vec<(&'static str, usize)> {
    let last = book.lines.len() - 1;
    let key = |linked: fn(&Linked) -> bool| {
        let is = |n: &usize| book.record(*n).key.is_some_and(|key| key.linked.as_ref().is_some_and(linked));
        (0..=last).rfind(is).unwrap()
    };
    let header = (1..=last).find(|n| book.lines[*n].0 == 2).unwrap();
    let middle = (header + 1..last).find(|n| book.record(*n).event == Event::Get).unwrap();
    vec![
        ("first record", 0),
        ("first key", key(|linked| *linked == Linked::Origin)),
        ("last of a file", header - 1),
        ("header of a file", header),
        ("middle", middle),
        ("key of a run", key(|linked| matches!(linked, Linked::Link { .. }))),
        ("key of a session", key(|linked| *linked == Linked::Running)),
        ("anchor", last - BEHIND),
        ("behind the anchor", last - BEHIND + 2),
        ("last record", last),
    ]
}

type Change = fn(&mut Book, usize, &Book);

fn changes() -> Vec<(&'static str, Change)> {
    vec![
        ("edited", |book, at, _| {
            let line = String::from_utf8(book.lines[at].1.clone()).unwrap();
            book.lines[at].1 = line.replacen("\"boot_ms\":", "\"boot_ms\":9", 1).into_bytes();
        }),
        ("removed", |book, at, _| drop(book.lines.remove(at))),
        ("moved to the next", |book, at, _| {
            let to = (at + 1).min(book.lines.len() - 1);
            let line = book.lines[at].1.clone();
            book.lines[at].1 = std::mem::replace(&mut book.lines[to].1, line);
        }),
        ("a foreign line before it", |book, at, other| {
            let file = book.lines[at].0;
            book.lines.insert(at, (file, other.lines[at].1.clone()));
        }),
        ("a line of its own before it", |book, at, _| {
            let (file, own) = (book.lines[at].0, book.lines[at / 2].1.clone());
            book.lines.insert(at, (file, own));
        }),
        ("another log's in its place", |book, at, other| book.lines[at].1 = other.lines[at].1.clone()),
        ("no record in its place", |book, at, _| book.lines[at].1 = b"{}\n".to_vec()),
        ("cut in its middle", |book, at, _| {
            let half = book.lines[at].1.len() / 2;
            book.lines.truncate(at + 1);
            book.lines[at].1.truncate(half);
        }),
        ("cut off from it on", |book, at, _| book.lines.truncate(at)),
        ("cut off before it", |book, at, _| drop(book.lines.drain(..at))),
        ("another log from it on", |book, at, other| {
            book.lines.truncate(at);
            book.lines.extend_from_slice(&other.lines[at..]);
        }),
    ]
}

/// Where a change is told: at its place, at the line before or behind it, or at the first line that is left.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Here,
    Before,
    Behind,
    Front,
}

/// What is told of a change, to an auditor with all there is, or to who has the anchor alone. `None`: nothing,
/// since what the vault does not know yet can be written anew by everybody, and only a seal or the link tells.
fn expected(change: &str, place: &str, all: bool) -> Option<(Told, Kind)> {
    use Told::{Before, Behind, Front, Here};
    let is_last = place == "last record";
    Some(match (change, place) {
        // Its own seal does not fit what it goes on from.
        ("edited", "first key" | "key of a run") if all => (Here, Unlinked),
        ("edited", "anchor") if !all => (Here, Replaced),
        ("edited", _) if is_last && !all => return None,
        ("edited", _) => (Here, Edited),
        ("removed", "first record") => (Here, Truncated),
        ("removed", _) if is_last => return all.then_some((Before, Truncated)),
        ("removed", _) => (Here, Removed),
        ("moved to the next", _) => (Here, Reordered),
        ("a foreign line before it", "first record") => (Here, Replaced),
        ("a line of its own before it", "first record") => (Behind, Foreign),
        ("a foreign line before it" | "a line of its own before it", _) => (Here, Foreign),
        ("another log's in its place" | "another log from it on", "first record") => (Here, Replaced),
        ("another log's in its place" | "another log from it on", "header of a file") => (Here, Foreign),
        ("another log's in its place", _) if !is_last => (Here, Edited),
        ("no record in its place", _) => (Here, if is_last { Foreign } else { Edited }),
        ("cut in its middle" | "cut off from it on", "behind the anchor" | "last record") if !all => {
            return None;
        }
        ("cut in its middle" | "cut off from it on", _) => (Before, Truncated),
        ("cut off before it", _) => (Front, Truncated),
        // What comes fits itself: that it is not the line before that is another, its seal tells.
        ("another log from it on", "first key") => (Before, Edited),
        ("another log's in its place" | "another log from it on", _) if all => (Here, Foreign),
        ("another log's in its place" | "another log from it on", _) => (Before, Edited),
        other => panic!("{other:?}"),
    })
}

fn other_book() -> Book {
    let mut maker = Maker::eventful(2);
    maker.unlock();
    maker.work(8);
    Book::of(&maker)
}

/// The log, and what the vault remembers of it.
fn told_before_its_end() -> (Book, Book) {
    let whole = main_book();
    let mut remembered = whole.clone();
    remembered.head = whole.head_at(whole.lines.len() - 1 - BEHIND);
    for with in [With::ALL, With::ANCHOR] {
        assert_eq!(whole.fault(&remembered, with), None, "control");
    }
    (whole, remembered)
}

#[test]
fn each_change_at_each_place_is_found_and_named() {
    let ((whole, remembered), other) = (told_before_its_end(), other_book());
    let mut count = 0;
    for (what, change) in changes() {
        for (place, at) in places(&whole) {
            let mut book = whole.clone();
            change(&mut book, at, &other);
            if book.lines == whole.lines {
                continue;
            }
            for (with, all) in [(With::ALL, true), (With::ANCHOR, false)] {
                let found = book.fault(&remembered, with).map(|(file, line, kind)| {
                    let nth = (0..book.lines.len()).find(|n| book.place(*n) == (file, line));
                    let told = match nth {
                        Some(0) | None if what == "cut off before it" => Told::Front,
                        Some(nth) if nth == at => Told::Here,
                        Some(nth) if nth == at + 1 => Told::Behind,
                        // Of nothing there is no line.
                        None => Told::Before,
                        Some(nth) if nth + 1 == at => Told::Before,
                        Some(nth) => panic!("{what}, {place}: told at {nth} of {at}"),
                    };
                    (told, kind)
                });
                assert_eq!(found, expected(what, place, all), "{what}, {place}, {all}");
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn each_change_of_a_whole_file_is_found_and_named() {
    let ((whole, remembered), other) = (told_before_its_end(), other_book());
    let of = |book: &Book, file: usize| -> Vec<Vec<u8>> {
        book.lines.iter().filter(|(own, _)| *own == file).map(|(_, line)| line.clone()).collect()
    };
    let files = || (0..4).map(|file| of(&whole, file)).collect::<Vec<_>>();
    // What is found for the first, the second, the third and the last file; and in which.
    type FileChange = fn(&mut Vec<Vec<Vec<u8>>>, usize, Vec<Vec<u8>>);
    type Row = (&'static str, FileChange, [(usize, Kind); 4]);
    let table: [Row; 6] = [
        (
            "removed",
            |files, nth, _| drop(files.remove(nth)),
            [(0, Truncated), (1, Removed), (2, Removed), (2, Truncated)],
        ),
        (
            "emptied",
            |files, nth, _| files[nth].clear(),
            [(1, Truncated), (2, Removed), (3, Removed), (2, Truncated)],
        ),
        (
            "swapped with the next",
            |files, nth, _| files.swap(nth, (nth + 1) % 4),
            [(1, Reordered), (1, Reordered), (2, Reordered), (1, Reordered)],
        ),
        (
            "another log's in its place",
            |files, nth, other| files[nth] = other,
            [(0, Replaced), (1, Foreign), (2, Foreign), (3, Foreign)],
        ),
        (
            "a copy behind all",
            |files, nth, _| files.push(files[nth].clone()),
            [(4, Foreign), (4, Foreign), (4, Foreign), (4, Foreign)],
        ),
        (
            "another log's before it",
            |files, nth, other| files.insert(nth, other),
            [(0, Replaced), (1, Foreign), (2, Foreign), (3, Foreign)],
        ),
    ];
    for (what, change, expected) in table {
        for (nth, (file, kind)) in expected.into_iter().enumerate() {
            let mut files = files();
            change(&mut files, nth, of(&other, nth));
            let mut book = whole.clone();
            let lines = files.into_iter().enumerate();
            book.lines = lines.flat_map(|(n, lines)| lines.into_iter().map(move |line| (n, line))).collect();
            for with in [With::ALL, With::ANCHOR] {
                // Behind the places at which seals begin anew, if there are any.
                let found = book.faults(&remembered, with).last().map(|(file, _, kind)| (*file, *kind));
                assert_eq!(found, Some((file, kind)), "{what}, file {nth}");
            }
        }
    }
}
