//! What the journal gets, and what becomes of what it does not get.

use std::collections::BTreeMap;
use std::fs;

use glassdome_audit::{Event, Exe, Judged, Kernel, Outcome, Peer};
use proptest::prelude::*;

use super::*;

fn line(record: &Record<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    audit::write(record, &mut line).unwrap();
    line
}

fn some_line() -> Vec<u8> {
    line(&Record { secret: Some("a/b".into()), ..Record::new(Event::Get, Outcome::Allowed) })
}

/// As the protocol's description says that a datagram is read.
fn decode(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !entry.is_empty() {
        let at = entry.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
        let name = String::from_utf8(entry[..at].to_vec()).unwrap();
        let is_long = entry[at] == b'\n';
        entry = &entry[at + 1..];
        let len = if is_long {
            let (len, rest) = entry.split_first_chunk().unwrap();
            entry = rest;
            usize::try_from(u64::from_le_bytes(*len)).unwrap()
        } else {
            entry.iter().position(|byte| *byte == b'\n').unwrap()
        };
        let value = String::from_utf8(entry[..len].to_vec()).unwrap();
        assert_eq!(entry[len], b'\n');
        entry = &entry[len + 1..];
        assert!(fields.insert(name, value).is_none());
    }
    fields
}

fn received(journal: &UnixDatagram) -> BTreeMap<String, String> {
    let mut buffer = vec![0; 64 * 1024];
    let len = journal.recv(&mut buffer).unwrap();
    decode(&buffer[..len])
}

#[test]
fn a_record_arrives_with_its_fields() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let journal = UnixDatagram::bind(&path).unwrap();
    let journald = Journald::at(&path).unwrap();
    let record = Record {
        seq: 9,
        session: Some(4),
        secret: Some("a/b".into()),
        by: Some("canary".into()),
        ..Record::new(Event::Canary, Outcome::Denied)
    };
    let sent = line(&record);
    journald.send(&sent);
    let fields = received(&journal);
    for (name, value) in [
        ("MESSAGE", "Bait touched: a/b, denied (canary)"),
        ("PRIORITY", "2"),
        ("SYSLOG_IDENTIFIER", "glassdome"),
        ("GLASSDOME_EVENT", "canary"),
        ("GLASSDOME_OUTCOME", "denied"),
        ("GLASSDOME_SEQ", "9"),
        ("GLASSDOME_SESSION", "4"),
        ("GLASSDOME_SECRET", "a/b"),
        ("GLASSDOME_RECORD", str::from_utf8(&sent).unwrap().trim_end()),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert_eq!(journald.tally(), Tally { sent: 1, lost: 0, why: None });
}

#[test]
fn a_journal_that_comes_late_goes_or_is_another_one_loses_only_what_it_missed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let journald = Journald::at(&path).unwrap();
    journald.send(&some_line());
    assert_eq!(journald.tally(), Tally { sent: 0, lost: 1, why: Some(Why::Nobody) });
    let first = UnixDatagram::bind(&path).unwrap();
    journald.send(&some_line());
    assert_eq!(received(&first)["GLASSDOME_SECRET"], "a/b");
    assert_eq!(journald.tally(), Tally { sent: 1, lost: 1, why: None });
    drop(first);
    journald.send(&some_line());
    assert_eq!(journald.tally(), Tally { sent: 1, lost: 2, why: Some(Why::Nobody) });
    fs::remove_file(&path).unwrap();
    let second = UnixDatagram::bind(&path).unwrap();
    journald.send(&some_line());
    assert_eq!(received(&second)["GLASSDOME_SECRET"], "a/b");
    assert_eq!(journald.tally(), Tally { sent: 2, lost: 2, why: None });
}

#[test]
fn a_journal_that_does_not_read_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let journal = UnixDatagram::bind(&path).unwrap();
    let journald = Journald::at(&path).unwrap();
    // A queue holds net.unix.max_dgram_qlen datagrams; a send that waited would never return.
    while journald.tally().lost == 0 {
        journald.send(&some_line());
    }
    let Tally { sent, why, .. } = journald.tally();
    assert_eq!(why, Some(Why::Full));
    assert!(sent > 0);
    for _ in 0..sent {
        received(&journal);
    }
    journald.send(&some_line());
    assert_eq!(journald.tally(), Tally { sent: sent + 1, lost: 1, why: None });
}

#[test]
fn what_fits_no_datagram_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let _journal = UnixDatagram::bind(&path).unwrap();
    let journald = Journald::at(&path).unwrap();
    let long = "x".repeat(8 * 1024 * 1024);
    journald.send(&line(&Record { secret: Some(long.into()), ..Record::new(Event::Get, Outcome::Allowed) }));
    assert_eq!(journald.tally(), Tally { sent: 0, lost: 1, why: Some(Why::TooLong) });
}

proptest! {
    #[test]
    fn nothing_that_others_wrote_makes_a_field(
        texts in prop::array::uniform4("(MESSAGE=|PRIORITY=|[\n=\0\r\u{1b}a]|.){0,30}"),
    ) {
        let [secret, by, path, name] = &texts;
        let exe = Exe { path: path.into(), dev: 1, ino: 2 };
        let record = Record {
            secret: Some(secret.into()),
            to: Some(secret.into()),
            by: Some(by.into()),
            judged: Some(Judged { pid: 3, name: name.into(), script: Some(secret.into()) }),
            peer: Some(Peer {
                kernel: Kernel { pid: Some(4), uid: 5, gid: None, exe: Some(exe) },
                claims: None,
            }),
            ..Record::new(Event::Get, Outcome::Allowed)
        };
        let mut entry = Vec::new();
        encode(&line(&record), &mut entry).unwrap();
        let fields = decode(&entry);
        prop_assert_eq!(fields.len(), 15);
        prop_assert_eq!(&fields["PRIORITY"], "6");
        for (field, text) in [
            ("GLASSDOME_SECRET", secret),
            ("GLASSDOME_TO", secret),
            ("GLASSDOME_BY", by),
            ("GLASSDOME_EXE", path),
            ("GLASSDOME_JUDGED", name),
            ("GLASSDOME_JUDGED_SCRIPT", secret),
        ] {
            prop_assert_eq!(&fields[field], text);
        }
    }
}
