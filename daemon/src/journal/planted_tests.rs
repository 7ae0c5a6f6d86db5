//! Whatever others put under the names of the log's files: the daemon neither waits for it nor ends, it lies
//! aside, and there is an alarm.

use std::fs;

use glassdome_audit::files;

use super::open::tests::plants;
use super::*;

fn at(seconds: u64) -> Now {
    let time = Duration::from_secs(seconds);
    Now { boot: time, wall: Duration::from_secs(1_800_000_000) + time }
}

fn journal_in(dir: &Path) -> Journal {
    Journal::open(&dir.join(files::ACTIVE), None, None, at(0)).unwrap()
}

/// Why there were alarms, as the active file says.
fn alarms(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join(files::ACTIVE)).unwrap();
    let records = text.lines().map(|line| glassdome_audit::read(line).unwrap());
    records.filter(|record| record.event == Event::Alarm).map(|record| record.by.unwrap().into()).collect()
}

/// What was moved aside.
fn aside(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".planted-")).count()
}

#[test]
fn a_start_goes_past_what_is_planted() {
    for (what, plant) in plants() {
        for name in ["audit.next".to_owned(), files::full_name(900)] {
            let dir = tempfile::tempdir().unwrap();
            let before = journal_in(dir.path()).anchor();
            plant(&dir.path().join(&name));
            let journal = journal_in(dir.path());
            assert_eq!(journal.anchor().log, before.log, "{what} {name}: the log goes on");
            assert!(journal.alarm().is_some(), "{what} {name}");
            assert_eq!(
                (alarms(dir.path()), aside(dir.path())),
                (vec!["planted".to_owned()], 1),
                "{what} {name}"
            );
        }
    }
}

/// What [`plants`] has, and a file of this user's.
fn all_plants() -> Vec<super::open::tests::Plant> {
    let mut all = plants();
    all.push(("file", |path| fs::write(path, "hello\n").unwrap()));
    all.push(("torn", |path| fs::write(path, "hello").unwrap()));
    all
}

fn did() -> Entry<'static> {
    Entry {
        event: Event::Get,
        outcome: Outcome::Allowed,
        secret: Some("a/b"),
        to: None,
        by: Some("owner"),
        peer: Who::Nobody,
    }
}

/// The numbers of all records in `dir`, each of which follows the one before.
fn chained(dir: &Path) -> u64 {
    let mut head = glassdome_audit::chain::Head::NONE;
    for file in files::list(dir).unwrap() {
        for line in fs::read(&file.path).unwrap().split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
        {
            let line = glassdome_audit::chain::read(line).unwrap();
            assert!(line.follows(&head), "{:?}", file.path);
            head = line.head();
        }
    }
    head.seq
}

#[test]
fn a_rotation_goes_past_what_is_planted() {
    let names = [|_| "audit.next".to_owned(), files::full_name];
    for (what, plant) in all_plants() {
        for name in names {
            let dir = tempfile::tempdir().unwrap();
            let journal = journal_in(dir.path());
            journal.log.borrow_mut().full = 1;
            plant(&dir.path().join(name(journal.first().1)));
            journal.record(did(), at(1)).unwrap();
            assert!(journal.alarm().is_some() && journal.wants_anchor(2, at(1)), "{what}");
            let at_once = fs::read_to_string(dir.path().join(files::ACTIVE)).unwrap().lines().count();
            assert_eq!(
                (alarms(dir.path()), aside(dir.path()), at_once),
                (vec!["planted".to_owned()], 1, 3),
                "{what}"
            );
            journal.record(did(), at(1)).unwrap();
            assert_eq!(
                (aside(dir.path()), alarms(dir.path()).len()),
                (1, 0),
                "{what}, control: another file"
            );
            // Another auditor's key begins another file, too.
            plant(&dir.path().join(name(journal.first().1)));
            let secret = [42; 32];
            let (public, origin) =
                (glassdome_audit::seal::public(&secret), glassdome_audit::seal::origin(&secret));
            journal.seal_to(Some(Hex(public)), Some(&*origin), at(1)).unwrap();
            assert_eq!((alarms(dir.path()).len(), aside(dir.path())), (1, 2), "{what}");
            assert_eq!(chained(dir.path()), journal.anchor().head.seq, "{what}");
        }
    }
}

#[test]
fn a_rotation_renames_the_file_that_was_written_to_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal_in(dir.path());
    let (path, held) = (dir.path().join(files::ACTIVE), dir.path().join("held"));
    journal.log.borrow_mut().full = 1;
    fs::rename(&path, &held).unwrap();
    fs::write(&path, "hello\n").unwrap();
    journal.record(did(), at(1)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "hello\n");
    assert_eq!((files::list(dir.path()).unwrap().len(), journal.is_untouched()), (1, false));
    let error = journal.seal_to(None, None, at(1)).unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.contains("audit.jsonl: "), "{error}");
    fs::rename(&held, &path).unwrap();
    journal.record(did(), at(1)).unwrap();
    assert_eq!(files::list(dir.path()).unwrap().len(), 2, "control");
}

#[test]
fn a_start_deletes_nothing_but_the_beginning_of_a_file() {
    for (content, ours) in [
        ("", true),
        ("{\"se", true),
        ("{\"seq\":9,\"ti", true),
        ("hello", false),
        ("hello\n", false),
        ("\0\0", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        drop(journal_in(dir.path()));
        fs::write(dir.path().join("audit.next"), content).unwrap();
        let journal = journal_in(dir.path());
        assert_eq!((journal.alarm().is_none(), aside(dir.path())), (ours, usize::from(!ours)), "{content:?}");
        assert!(!dir.path().join("audit.next").exists(), "{content:?}");
    }
    // What a set-aside that was cut short leaves is a whole beginning.
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop((journal_in(dir.path()), journal_in(other.path())));
    fs::copy(other.path().join(files::ACTIVE), dir.path().join("audit.next")).unwrap();
    assert!(journal_in(dir.path()).alarm().is_none() && aside(dir.path()) == 0);
}

#[test]
fn the_log_itself_is_refused_by_its_name() {
    for (what, plant) in plants() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(files::ACTIVE);
        plant(&path);
        let error = Journal::open(&path, None, None, at(0)).unwrap_err();
        assert!(error.to_string().contains("audit.jsonl is no regular file"), "{what}: {error}");
    }
}

/// A journal whose log has an auditor, and whose link was left.
fn sealed_in(dir: &Path) -> Journal {
    let journal = journal_in(dir);
    let secret = [42; 32];
    let (public, origin) = (glassdome_audit::seal::public(&secret), glassdome_audit::seal::origin(&secret));
    journal.seal_to(Some(Hex(public)), Some(&*origin), at(1)).unwrap();
    assert!(!leave(&journal), "control");
    journal
}

fn leave(journal: &Journal) -> bool {
    journal.unsynced().sync().unwrap().leave_link().unwrap()
}

#[test]
fn a_link_is_left_whatever_is_planted_in_its_place() {
    for (what, plant) in plants() {
        let dir = tempfile::tempdir().unwrap();
        let journal = sealed_in(dir.path());
        let link = dir.path().join(files::LINK);
        assert!(!leave(&journal), "control: nobody touched it");
        fs::remove_file(&link).unwrap();
        plant(&link);
        assert!(leave(&journal), "{what}: it is said");
        assert_eq!(aside(dir.path()), 1, "{what}");
        assert!(!leave(&journal), "{what}: it is ours again");
        fs::remove_file(&link).unwrap();
        assert!(leave(&journal), "{what}: taken away");
        drop(journal);
        let journal = journal_in(dir.path());
        assert!(journal.is_linked() && journal.alarm().is_none(), "{what}: the next run goes on from it");
    }
}

#[test]
fn another_file_in_the_place_of_the_link_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let journal = sealed_in(dir.path());
    let link = dir.path().join(files::LINK);
    let copy = fs::read(&link).unwrap();
    fs::remove_file(&link).unwrap();
    fs::write(&link, &copy).unwrap();
    assert!(leave(&journal));
    assert_eq!(aside(dir.path()), 1);
}

#[test]
fn a_start_without_the_link_is_an_alarm_and_goes_on() {
    for (what, plant) in plants() {
        let dir = tempfile::tempdir().unwrap();
        let before = sealed_in(dir.path()).anchor();
        let link = dir.path().join(files::LINK);
        fs::remove_file(&link).unwrap();
        plant(&link);
        let journal = journal_in(dir.path());
        assert_eq!(journal.anchor().log, before.log, "{what}");
        assert_eq!(
            (alarms(dir.path()), aside(dir.path())),
            (vec!["planted".into(), "unlinked".into()], 1),
            "{what}"
        );
        assert!(!leave(&journal), "{what}: it has one again");
    }
    let dir = tempfile::tempdir().unwrap();
    drop(sealed_in(dir.path()));
    fs::remove_file(dir.path().join(files::LINK)).unwrap();
    assert!(journal_in(dir.path()).alarm().is_some());
    assert_eq!(alarms(dir.path()), ["unlinked"]);
    let unsealed = tempfile::tempdir().unwrap();
    drop(journal_in(unsealed.path()));
    assert!(journal_in(unsealed.path()).alarm().is_none(), "control: without an auditor there is no link");
}
