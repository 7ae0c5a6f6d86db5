//! What the log holds after good and bad days.

use std::fs::OpenOptions;
use std::io::Write;

use glassdome_audit as audit;

use super::refusals::KINDS;
use super::*;
use crate::attest::{Claims, Exe, Kernel};
use crate::journald::Journald;
use crate::standing::Asker;

fn at(seconds: u64) -> Now {
    let time = Duration::from_secs(seconds);
    Now { boot: time, wall: Duration::from_secs(1_800_000_000) + time }
}

fn entry(outcome: Outcome) -> Entry<'static> {
    let peer = Who::User { uid: 7, pid: None };
    Entry { event: Event::Get, outcome, secret: Some("a/b"), to: None, by: Some("owner"), peer }
}

/// The records behind the first, which says which log it is.
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    assert_eq!(audit::read(first).unwrap().event, Event::Log);
    rest.lines().map(str::to_owned).collect()
}

#[test]
fn it_counts_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    for run in 0..3 {
        let journal = Journal::open(&path, None, None, at(0)).unwrap();
        journal.record(entry(Outcome::Allowed), at(run)).unwrap();
    }
    let seqs: Vec<u64> = lines(&path).iter().map(|line| audit::read(line).unwrap().seq).collect();
    assert_eq!(seqs, [2, 3, 4]);
}

#[test]
fn each_record_names_its_own_peer() {
    let evidence = |pid, client: &str| {
        let exe = Exe { path: "/bin/true".into(), dev: 1, ino: 2 };
        let kernel = Kernel { pid, uid: 7, gid: 7, exe: Some(exe) };
        Evidence { kernel, claims: Claims { client: client.into(), version: "1".into() } }
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let journal = Journal::open(&path, None, None, at(0)).unwrap();
    let peers = [(1, "a"), (1, "a"), (2, "a"), (2, "b"), (1, "a")].map(|(pid, client)| evidence(pid, client));
    for peer in &peers {
        journal.record(Entry { peer: Who::Peer(peer), ..entry(Outcome::Allowed) }, at(1)).unwrap();
    }
    let lines = lines(&path);
    assert_eq!(lines.len(), peers.len());
    for (line, peer) in lines.iter().zip(&peers) {
        assert_eq!(audit::read(line).unwrap().peer, Some(peer.record()));
    }
}

#[test]
fn a_torn_last_line_is_cut_off_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    Journal::open(&path, None, None, at(0)).unwrap().record(entry(Outcome::Allowed), at(1)).unwrap();
    let torn = b"{\"seq\":3,\"ti";
    OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
    Journal::open(&path, None, None, at(0)).unwrap().record(entry(Outcome::Allowed), at(2)).unwrap();
    let records: Vec<_> = lines(&path)
        .into_iter()
        .map(|line| {
            let record = audit::read(&line).unwrap();
            (record.seq, record.event, record.cut)
        })
        .collect();
    let cut = Some(torn.len() as u64);
    assert_eq!(records, [(2, Event::Get, None), (3, Event::Repair, cut), (4, Event::Get, None)]);
}

#[test]
fn a_last_line_that_lacks_its_end_alone_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    Journal::open(&path, None, None, at(0)).unwrap().record(entry(Outcome::Allowed), at(1)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, whole.strip_suffix(b"\n").unwrap()).unwrap();
    drop(Journal::open(&path, None, None, at(0)).unwrap());
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}

#[test]
fn refusals_are_counted_not_repeated_and_others_are_all_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let journal = Journal::open(&path, None, None, at(0)).unwrap();
    for _ in 0..1000 {
        journal.record(entry(Outcome::Denied), at(10)).unwrap();
    }
    for _ in 0..3 {
        journal.record(entry(Outcome::Allowed), at(10)).unwrap();
    }
    journal.record(entry(Outcome::Denied), at(70)).unwrap();
    let lines = lines(&path);
    assert_eq!(lines.len(), 5);
    assert_eq!(audit::read(&lines[4]).unwrap().repeated, 999);
}

#[test]
fn a_flood_of_kinds_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let journal = Journal::open(&path, None, None, at(0)).unwrap();
    for uid in 0..10_000 {
        let peer = Who::User { uid, pid: None };
        journal.record(Entry { peer, ..entry(Outcome::Denied) }, at(10)).unwrap();
    }
    assert!(lines(&path).len() <= KINDS + 1);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_no_half_line() {
    // /dev/full takes nothing; a file behind a limit takes part of a line.
    let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("audit.jsonl"), None, None, at(0)).unwrap();
    let head = journal.anchor().head;
    journal.log.borrow_mut().file = Arc::new(full);
    assert!(journal.record(entry(Outcome::Allowed), at(1)).is_err());
    assert_eq!(journal.anchor().head, head);
}

#[test]
fn a_link_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("audit.jsonl");
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).unwrap();
    assert!(Journal::open(&link, None, None, at(0)).is_err());
}

#[test]
fn whoever_ran_a_client_is_named_beside_it_and_tells_refusals_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let journal = Journal::open(&path, None, None, at(0)).unwrap();
    let kernel = Kernel { pid: 5, uid: 7, gid: 7, exe: None };
    let client = Evidence { kernel, claims: Claims { client: "ctl".into(), version: "1".into() } };
    let asker = |pid, name: &str, script: Option<&str>| Asker {
        pid,
        name: name.into(),
        script: script.map(str::to_owned),
        ..Asker::default()
    };
    let askers =
        [asker(1, "make", None), asker(2, "python3", Some("/a.py")), asker(3, "python3", Some("/b.py"))];
    for outcome in [Outcome::Denied, Outcome::Denied, Outcome::Allowed] {
        for asker in &askers {
            journal.record(Entry { peer: Who::Ran(&client, asker), ..entry(outcome) }, at(1)).unwrap();
        }
    }
    let lines = lines(&path);
    let judged: Vec<(i32, Option<String>)> = lines
        .iter()
        .map(|line| {
            let record = audit::read(line).unwrap();
            assert_eq!(record.peer, Some(client.record()));
            let judged = record.judged.unwrap();
            (judged.pid, judged.script.map(Into::into))
        })
        .collect();
    let each = [(1, None), (2, Some("/a.py".to_owned())), (3, Some("/b.py".to_owned()))];
    // The second refusal of each is like its first.
    assert_eq!(judged, [each.clone(), each].concat());
}

#[test]
fn a_wrong_pin_is_never_one_of_many() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let journal = Journal::open(&path, None, None, at(0)).unwrap();
    let tried = |by| Entry { event: Event::Prove, by: Some(by), ..entry(Outcome::Denied) };
    for _ in 0..5 {
        assert_eq!(journal.record(tried("wrong-pin"), at(10)).unwrap(), Recorded::Written);
    }
    // What is not tried is folded, or a loop would fill the log.
    assert_eq!(journal.record(tried("throttled"), at(10)).unwrap(), Recorded::Written);
    assert_eq!(journal.record(tried("throttled"), at(10)).unwrap(), Recorded::Counted);
    assert_eq!(lines(&path).len(), 6);
}

#[test]
fn the_file_has_what_no_journal_takes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let journald = Journald::at(&dir.path().join("socket")).unwrap();
    let journal = Journal::open(&path, None, Some(journald), at(0)).unwrap();
    journal.record(entry(Outcome::Allowed), at(1)).unwrap();
    let system = std::os::unix::net::UnixDatagram::bind(dir.path().join("socket")).unwrap();
    journal.record(entry(Outcome::Allowed), at(1)).unwrap();
    let mut datagram = [0; 4096];
    let len = system.recv(&mut datagram).unwrap();
    let lines = lines(&path);
    let second = lines.get(1).expect("both are in the file");
    let sent = String::from_utf8_lossy(&datagram[..len]).into_owned();
    assert!(sent.contains(&format!("\nGLASSDOME_RECORD={second}\n")), "{sent}");
    let tally = journal.journald().unwrap().tally();
    assert_eq!((tally.sent, tally.lost), (1, 2), "the first line of the file, too");
}

#[test]
fn what_was_told_of_each_vault_goes_on_from_file_to_file_and_from_log_to_log() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let state =
        |id, changes| Vault { id: Hex([id; 16]), changes, state: Hex([7; 16]), key: Some(Hex([id; 16])) };
    let open = || {
        let journal = Journal::open(&path, None, None, at(0)).unwrap();
        journal.log.borrow_mut().full = 700;
        journal
    };
    let write = |journal: &Journal| journal.record(entry(Outcome::Allowed), at(1)).unwrap();
    let knows = |journal: &Journal| {
        let of = |id| journal.vault(Hex([id; 16]));
        assert_eq!([of(1), of(2), of(3)], [Some(state(1, 9)), Some(state(2, 4)), None]);
    };
    let journal = open();
    assert!(!journal.knows_a_vault(), "a log that has just begun");
    for state in [state(1, 8), state(2, 4), state(1, 9)] {
        journal.know_vault(state);
        write(&journal);
    }
    for run in 0..4 {
        let journal = open();
        knows(&journal);
        assert!(journal.knows_a_vault());
        let first = journal.first();
        while journal.first() == first {
            write(&journal);
        }
        // The others are told behind the first line.
        write(&journal);
        if run == 2 {
            journal.set_aside(Wrong::Touched, None, at(2)).unwrap();
            write(&journal);
        }
        // What somebody adds, in a line that goes on from the last.
        journal.log.borrow_mut().full = u64::MAX;
        journal.know_vault(state(1, 3));
        write(&journal);
    }
    knows(&open());
}
