//! What is written is read, follows, and is sealed; and nothing else does or is.

use proptest::prelude::*;

use super::*;
use crate::{Event, Kernel, Outcome, Peer};

fn peer() -> WrittenPeer {
    let kernel = Kernel { pid: Some(1), uid: 2, gid: None, exe: None };
    WrittenPeer::of(&Peer { kernel, claims: None }).unwrap()
}

fn written(records: &[(Option<String>, bool)], key: Option<[u8; 32]>) -> (Vec<Vec<u8>>, Head) {
    let (mut head, mut key, peer) = (Head::NONE, key, peer());
    let mut lines = Vec::new();
    for (secret, by_peer) in records {
        let record = Record {
            secret: secret.as_deref().map(Into::into),
            time: "2026-11-22T10:00:00.000Z".into(),
            ..Record::new(Event::Get, Outcome::Allowed)
        };
        let mut line = b"kept".to_vec();
        head = write(&head, record, by_peer.then_some(&peer), key.as_ref(), &mut line).unwrap();
        if let Some(key) = &mut key {
            seal::step(key);
        }
        assert!(line.starts_with(b"kept{") && line.ends_with(b"}\n"));
        lines.push(line[4..line.len() - 1].to_vec());
    }
    (lines, head)
}

/// How many lines, from the first, are as they were written.
fn verified(lines: &[Vec<u8>], key: Option<[u8; 32]>) -> usize {
    let (mut head, mut key) = (Head::NONE, key);
    lines
        .iter()
        .take_while(|line| {
            let Ok(line) = read(line) else { return false };
            let good = line.follows(&head) && key.as_ref().is_none_or(|key| line.is_sealed_with(key));
            head = line.head();
            if let Some(key) = &mut key {
                seal::step(key);
            }
            good
        })
        .count()
}

#[test]
fn members_stand_in_their_order() {
    let (lines, head) = written(&[(Some("a\"\n".into()), true), (None, false)], Some([1; 32]));
    let first = String::from_utf8(lines[0].clone()).unwrap();
    let zeros = "0".repeat(64);
    let start =
        r#"{"seq":1,"time":"2026-11-22T10:00:00.000Z","boot_ms":0,"event":"get","outcome":"allowed","#;
    let rest = first.strip_prefix(start).unwrap();
    let middle =
        format!(r#""secret":"a\"\n","peer":{{"kernel":{{"pid":1,"uid":2}}}},"prev":"{zeros}","mac":""#);
    assert_eq!(rest.strip_prefix(&*middle).unwrap().len(), 32 + 2);
    let second = String::from_utf8(lines[1].clone()).unwrap();
    assert!(second.contains(&format!(r#","prev":"{}","mac":""#, hash(&lines[0]))));
    assert_eq!(head, Head { seq: 2, hash: hash(&lines[1]) });
}

#[test]
fn a_seal_that_is_not_at_the_end_is_none() {
    let (lines, _) = written(&[(None, false)], Some([1; 32]));
    let line = String::from_utf8(lines[0].clone()).unwrap();
    let (body, mac) = line.split_at(line.len() - SEAL_LEN);
    let mac = &mac[1..mac.len() - 1];
    let moved = body.replacen("{", &format!("{{{mac},"), 1) + "}";
    assert!(matches!(read(moved.as_bytes()), Err(LineError::Misplaced)), "{moved}");
    let spaced = format!("{line} ");
    assert!(read(spaced.as_bytes()).is_err(), "{spaced}");
    let twice = format!("{body},{mac},{mac}}}");
    assert!(read(twice.as_bytes()).is_err(), "{twice}");
}

proptest! {
    #[test]
    fn an_honest_log_verifies(
        records in prop::collection::vec((prop::option::of(".{0,40}"), any::<bool>()), 1..20),
        key in prop::option::of(any::<[u8; 32]>()),
    ) {
        let (lines, head) = written(&records, key);
        prop_assert_eq!(verified(&lines, key), lines.len());
        prop_assert_eq!(head.hash, hash(lines.last().unwrap()));
    }

    #[test]
    fn any_changed_byte_shows_at_its_line_or_the_next(
        count in 2_usize..8, at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let key = Some([5; 32]);
        let (mut lines, _) = written(&vec![(Some("name".into()), true); count], key);
        let n = at.index(lines.iter().map(Vec::len).sum());
        let mut before = 0;
        let line = lines.iter().position(|line| { before += line.len(); n < before }).unwrap();
        let within = n + lines[line].len() - before;
        lines[line][within] ^= 1 << bit;
        prop_assert_eq!(verified(&lines, key), line, "the seal shows it in its own line");
        prop_assert!(verified(&lines, None) <= line + 1, "the chain in the next");
    }

    #[test]
    fn a_log_made_anew_has_not_the_seals(
        count in 1_usize..8, from in any::<prop::sample::Index>(),
    ) {
        let records = vec![(None, false); count];
        let (mut lines, _) = written(&records, Some([5; 32]));
        let from = from.index(count);
        // Whoever has the disk and today's key writes all from there again.
        let (forged, _) = written(&records, Some([6; 32]));
        lines.truncate(from);
        lines.extend_from_slice(&forged[from..]);
        prop_assert_eq!(verified(&lines, Some([5; 32])), from);
    }
}
