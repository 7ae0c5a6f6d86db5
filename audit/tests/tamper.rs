//! Every kind of change at every kind of place is found, and named; and what a forger with this or that in hand can
//! and cannot do.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use glassdome_audit::verify::Kind::{self, *};
use glassdome_audit::{Event, Hex, Key, Linked, seal};
use serde_json::Value;
use support::book::{Book, Seal, With, keys};
use support::maker::{Maker, auditor};

fn book() -> Book {
    Book::of(&Maker::eventful(1))
}

/// Each change of one member, or of one within it: the line that it makes.
fn edits(line: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = std::str::from_utf8(line).unwrap();
    let mut all = Vec::new();
    let record: Value = serde_json::from_str(text).unwrap();
    edit(&record, "", text, &mut all);
    all
}

fn edit(value: &Value, path: &str, text: &str, all: &mut Vec<(String, Vec<u8>)>) {
    let Value::Object(members) = value else { return };
    for (name, member) in members {
        let path = format!("{path}/{name}");
        let other = match member {
            Value::Object(_) => {
                edit(member, &path, text, all);
                continue;
            }
            Value::Number(number) => (number.as_u64().unwrap() + 1).to_string(),
            Value::String(text) if name == "event" => {
                format!("{:?}", if text == "get" { "set" } else { "get" })
            }
            Value::String(_) if name == "outcome" => "\"denied\"".into(),
            Value::String(text) if name == "linked" => {
                format!("{:?}", if text == "origin" { "running" } else { "origin" })
            }
            Value::String(text) => {
                let last = if text.ends_with('1') { '2' } else { '1' };
                format!("{:?}", text[..text.len() - 1].to_owned() + &last.to_string())
            }
            other => panic!("{other}"),
        };
        // A format that is not known is not checked at all.
        if path == "/log/format" {
            continue;
        }
        let was = format!("\"{name}\":{member}");
        assert!(text.contains(&was), "{was} in {text}");
        all.push((path, text.replacen(&was, &format!("\"{name}\":{other}"), 1).into_bytes()));
    }
}

#[test]
fn an_honest_log_is_taken() {
    for with in [With::NOTHING, With::SECRET, With::ANCHOR, With::ALL] {
        assert_eq!(book().fault(&book(), with), None);
    }
}

#[test]
fn each_member_that_is_edited_is_found_at_its_line() {
    let whole = book();
    let last = whole.lines.len() - 1;
    let mut count = 0;
    for at in 0..=last {
        let (file, line) = whole.place(at);
        for (path, edited) in edits(&whole.lines[at].1) {
            let mut book = whole.clone();
            book.lines[at].1 = edited;
            let kinds: &[Kind] = match path.as_str() {
                "/log/id" => &[Edited, Foreign, Replaced],
                path if path.starts_with("/key") => &[Edited, Unlinked],
                _ if whole.record(at).event == Event::Seal => &[Edited, Unlinked],
                _ => &[Edited],
            };
            for with in [With::NOTHING, With::SECRET, With::ANCHOR, With::ALL] {
                match book.fault(&whole, with) {
                    None => assert!(at == last && with == With::NOTHING, "{path} at {at}"),
                    // Which of the last two lines it was, nothing tells but a seal.
                    Some(found) if at == last && path == "/prev" => {
                        assert!(
                            [(file, line, Foreign), (file, line, Edited), (file, line - 1, Edited)]
                                .contains(&found),
                            "{found:?}"
                        );
                    }
                    Some(found) if at == last && with == With::ANCHOR => {
                        assert!([(file, line, Replaced), (file, line, Edited)].contains(&found))
                    }
                    Some((own, own_line, kind)) => {
                        assert_eq!((own, own_line), (file, line), "{path} at {at}: {kind}");
                        assert!(kinds.contains(&kind), "{path} at {at}: {kind}");
                    }
                }
            }
            count += 1;
        }
    }
    assert!(count > 300, "{count} edits");
}

#[test]
fn a_line_that_is_no_record_any_more_is_found() {
    let whole = book();
    let last = whole.lines.len() - 1;
    for at in 0..=last {
        let (file, line) = whole.place(at);
        let len = whole.lines[at].1.len();
        for cut in [0, 1, len / 2, len - 2] {
            let mut book = whole.clone();
            book.lines[at].1.truncate(cut);
            book.lines[at].1.push(b'\n');
            let kind = if at == last { Foreign } else { Edited };
            assert_eq!(book.fault(&whole, With::NOTHING), Some((file, line, kind)), "{at} cut at {cut}");
            // Its newline, too: it runs into the next.
            let mut book = whole.clone();
            book.lines[at].1.truncate(cut.max(1));
            let found = book.fault(&whole, With::ANCHOR).unwrap();
            match at == last {
                true => assert_eq!(found.2, Truncated),
                false => assert!(
                    [Edited, Removed, Foreign].contains(&found.2) && found.1 == line,
                    "{found:?} {at}"
                ),
            }
        }
    }
}

#[test]
fn what_is_missing_is_found() {
    let whole = book();
    let last = whole.lines.len() - 1;
    for from in 0..=last {
        for count in [1, 2, 5] {
            let mut book = whole.clone();
            book.lines.drain(from..(from + count).min(last + 1));
            let found = book.fault(&whole, With::ANCHOR);
            let (file, line, kind) = found.unwrap();
            match from {
                0 => assert_eq!((line, kind), (1, Truncated), "{file}"),
                _ if from + count > last => assert_eq!(kind, Truncated),
                _ => assert_eq!(((file, line), kind), (book.place(from), Removed), "{from} {count}"),
            }
            if from > 0 && from + count > last {
                assert_eq!(book.fault(&whole, With::SECRET), None, "the end is not in the chain");
                let link = With { link: true, ..With::NOTHING };
                assert_eq!(
                    book.fault(&whole, link).map(|found| found.2),
                    Some(Truncated),
                    "but the link shows it"
                );
            }
        }
    }
    for gone in 0..4 {
        let mut book = whole.clone();
        book.lines.retain(|(file, _)| *file != gone);
        for (file, _) in &mut book.lines {
            *file -= usize::from(*file > gone);
        }
        let kind = if gone == 0 || gone == 3 { Truncated } else { Removed };
        assert_eq!(book.fault(&whole, With::ANCHOR).unwrap().2, kind, "file {gone}");
    }
}

#[test]
fn another_order_is_found() {
    let whole = book();
    let last = whole.lines.len() - 1;
    for at in 0..last {
        for to in [at + 1, (at + 7).min(last), last] {
            let mut book = whole.clone();
            let line = book.lines[at].1.clone();
            book.lines[at].1 = std::mem::replace(&mut book.lines[to].1, line);
            let (file, line) = whole.place(at);
            assert_eq!(book.fault(&whole, With::NOTHING), Some((file, line, Reordered)), "{at} and {to}");
        }
    }
}

#[test]
fn what_does_not_belong_there_is_found() {
    let whole = book();
    let other = Book::of(&Maker::eventful(2));
    let last = whole.lines.len() - 1;
    for at in 1..=last + 1 {
        let file = whole.lines[at.min(last)].0;
        let doubled = [at - 1, at / 2, last].map(|n| whole.lines[n].1.clone());
        let foreign = [0, at.min(last), last].map(|n| other.lines[n].1.clone());
        for (n, line) in doubled.into_iter().chain(foreign).enumerate() {
            let mut book = whole.clone();
            book.lines.insert(at, (file, line));
            let (own_file, own_line, kind) = book.fault(&whole, With::NOTHING).unwrap();
            if at == last + 1 && n == 4 {
                continue; // Twice the last number: nothing tells which of both was there.
            }
            // The last line twice: the second one is too much.
            let place = if n == 2 && at == last { at + 1 } else { at };
            assert_eq!(((own_file, own_line), kind), (book.place(place), Foreign), "{at}, {n}");
        }
        let mut book = whole.clone();
        let (file, line) = (file, b"\"a line of somebody's\"\n".to_vec());
        book.lines.insert(at, (file, line));
        assert_eq!(book.fault(&whole, With::NOTHING).unwrap().2, Foreign, "{at}");
        // In the place of one.
        if at <= last {
            let mut book = whole.clone();
            book.lines[at].1 = other.lines[at].1.clone();
            let (own_file, own_line, kind) = book.fault(&whole, With::ALL).unwrap();
            assert_eq!((own_file, own_line), whole.place(at), "{at}");
            assert!([Edited, Foreign, Unlinked].contains(&kind), "{at}: {kind}");
        }
    }
}

#[test]
fn another_log_is_found() {
    let whole = book();
    let other = Book::of(&Maker::eventful(2));
    assert_eq!(other.fault(&whole, With::ANCHOR), Some((0, 1, Replaced)));
    assert_eq!(other.fault(&other, With::ALL), None, "control: it is sound");
    let link = With { link: true, ..With::NOTHING };
    assert_eq!(other.fault(&whole, link).unwrap().2, Mislinked);
    for replaced in 0..4 {
        let mut book = whole.clone();
        book.lines.retain(|(file, _)| *file != replaced);
        book.lines.extend(other.lines.iter().filter(|(file, _)| *file == replaced).cloned());
        book.lines.sort_by_key(|(file, _)| *file);
        let (file, _, kind) = book.fault(&whole, With::ALL).unwrap();
        assert!(file == replaced && [Edited, Foreign, Replaced, Unlinked].contains(&kind), "{file} {kind}");
        assert!(book.fault(&whole, With::NOTHING).is_some());
    }
}

#[test]
fn a_forger_who_writes_the_chain_again_is_found_by_the_seals_and_by_the_anchor() {
    let whole = book();
    let (first, last) = (whole.seals_begin(), whole.lines.len() - 1);
    for at in 0..=last {
        for seals in [Seal::Kept, Seal::None, Seal::Stale] {
            let book = whole.forged(at, |_| seals);
            let (file, line, kind) = book.fault(&whole, With::SECRET).unwrap();
            // The header of a file may lack a seal, where a run was killed: then the next line is found.
            let expected = at.max(first);
            assert_eq!((file, line), whole.place(expected), "{at}");
            assert!([Edited, Unlinked].contains(&kind));
            let last = whole.place(last);
            assert_eq!(
                book.fault(&whole, With::ANCHOR).map(|found| (found.0, found.1)),
                match seals {
                    // A key record without its link shows to everybody.
                    Seal::None =>
                        book.fault(&whole, With::NOTHING).map(|found| (found.0, found.1)).or(Some(last)),
                    _ => Some(last),
                }
            );
            if !matches!(seals, Seal::None) {
                assert_eq!(book.fault(&whole, With::NOTHING), None, "which is why there are seals");
            }
        }
    }
}

#[test]
fn a_forger_with_the_auditors_secret_is_found_by_the_anchor_alone() {
    let whole = book();
    let last_key = (0..whole.lines.len()).rfind(|n| whole.record(*n).event == Event::Seal).unwrap();
    let keys = keys(&whole, &auditor(1));
    let book = whole.forged(last_key + 1, |n| keys[n].map_or(Seal::None, Seal::By));
    assert_eq!(book.fault(&whole, With::SECRET), None);
    assert_eq!(book.fault(&whole, With::ANCHOR).unwrap().2, Replaced);
}

#[test]
fn a_key_of_somebody_elses_is_found_at_every_key_record() {
    let whole = book();
    let mut count = 0;
    for at in (0..whole.lines.len()).filter(|n| whole.record(*n).event == Event::Seal) {
        let own = [0x77; 32];
        for (to, linked) in [
            (auditor(1), None),
            (auditor(1), Some(Linked::Running)),
            (auditor(1), Some(Linked::Origin)),
            (auditor(1), Some(Linked::Link { log: whole.id, seq: 1 })),
            (auditor(1), Some(Linked::Link { log: Hex([9; 16]), seq: 1 })),
            (auditor(66), Some(Linked::Origin)),
        ] {
            let mut book = whole.clone();
            let sealed = Hex(seal::seal(&to.public(), &own, &[5; 32]).unwrap());
            let key = Key { auditor: Hex(to.public()), sealed, linked };
            let mut line = Vec::new();
            let record = glassdome_audit::Record { key: Some(key), ..whole.record(at) };
            glassdome_audit::write(&record, &mut line).unwrap();
            book.lines[at].1 = line;
            // From here on all is sealed with that key.
            let mut key = own;
            let origin = *seal::origin(to.expose());
            book.chain_again(at, |n| match n {
                n if n == at => Seal::By(if to.public() == auditor(66).public() { origin } else { own }),
                _ => {
                    let now = key;
                    seal::step(&mut key);
                    Seal::By(now)
                }
            });
            let found = book.fault(&whole, With::SECRET);
            if at == whole.seals_begin() && to.public() == auditor(66).public() {
                // Nothing of ours is left, which the auditor's key shows where a later one is ours, or at the end.
                assert!(found.is_some(), "{linked:?}");
                continue;
            }
            let (file, line, kind) = found.unwrap();
            assert_eq!((file, line), whole.place(at), "{at} {linked:?}");
            assert!([Edited, Unlinked].contains(&kind), "{kind}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn a_link_that_is_not_the_one_is_found() {
    let whole = book();
    let with = |change: fn(&mut support::maker::Kept)| {
        let mut other = whole.clone();
        change(other.link.as_mut().unwrap());
        whole.fault(&other, With { anchor: false, ..With::ALL }).map(|found| found.2)
    };
    assert_eq!(with(|_| {}), None);
    assert_eq!(with(|link| link.key[0] ^= 1), Some(Mislinked));
    assert_eq!(with(|link| link.seq += 1), Some(Truncated));
    assert_eq!(with(|link| link.seq -= 1), Some(Mislinked));
    assert_eq!(with(|link| link.log = Hex([3; 16])), Some(Mislinked));
}

#[test]
fn all_seals_taken_away_are_found() {
    // Written again from the first line, without a key record, and as long as it was.
    let mut plain = Maker::new(1);
    plain.unlock();
    plain.work(40);
    let book = Book::of(&plain);
    assert_eq!(book.fault(&book, With::ANCHOR), None, "control");
    assert_eq!(book.fault(&book, With::SECRET).unwrap().2, Unsealed);
}

/// Somebody has the disk with all that is on it, the master password, and the daemon's memory, all as of now: they can
/// write whatever they like from now on, and the anchor as they please. What was recorded before stays as it is.
#[test]
fn disk_password_and_memory_of_today_do_not_change_yesterday() {
    let mut maker = Maker::eventful(1);
    maker.unlock();
    maker.work(4);
    let (whole, now, link) = (Book::of(&maker), maker.key.unwrap(), maker.link_now().unwrap());
    let (first, last) = (whole.seals_begin(), whole.lines.len() - 1);
    let today = maker.head.seq + 1;
    // What they hold: the key of the next record and all that follow from it, and the link that is left now.
    let held = |seq: u64| {
        let mut key = now;
        (today..seq).for_each(|_| seal::step(&mut key));
        key
    };
    for at in 0..=last {
        for with in [now, link.key, *seal::link(&link.key), held(today + 5)] {
            let mut book = whole.forged(at, |_| Seal::By(with));
            book.link = Some(link.clone());
            // The anchor is theirs.
            let found = book.fault(&book.clone(), With { link: false, ..With::ALL });
            let (file, line, _) = found.unwrap();
            assert_eq!((file, line), whole.place(at.max(first)), "{at}");
        }
        // Nor can the end be cut: a run of their own that goes on from an earlier record lacks the link of that one.
        if at > first {
            let mut book = whole.clone();
            book.lines.truncate(at);
            let mut own = Maker::new(1);
            own.files = vec![("x".into(), book.lines.iter().flat_map(|(_, line)| line.clone()).collect())];
            own.head = book.head_at(at - 1);
            own.auditor = Some(Hex(auditor(1).public()));
            own.link = Some(support::maker::Kept { log: whole.id, seq: own.head.seq, key: link.key });
            own.kill();
            own.work(3);
            let forged = Book::of(&own);
            let found = forged.fault(&forged, With::ALL);
            let kind = found.unwrap().2;
            assert!(kind == Unlinked, "{at}: {kind}");
        }
    }
    // Control: from now on they can.
    maker.work(5);
    let book = Book::of(&maker);
    assert_eq!(book.fault(&book, With::ALL), None);
}
