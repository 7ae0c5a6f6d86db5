//! A log that does not verify goes aside as a whole or not at all, whatever is in the way.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;

use glassdome_audit::files;
use glassdome_audit::link::Link;

use super::honest_tests::{Run, at, busy, only_log};
use super::open::tests::plants;
use super::*;

/// The directories with logs that were set aside, oldest first.
fn asides(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut asides: Vec<_> = entries
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("audit-set-aside-"))
        .collect();
    asides.sort();
    asides
}

fn set_aside(run: &Run) -> Result<(), Unwritable> {
    run.journal().set_aside(Wrong::Touched, run.journal().auditor(), at(9))
}

fn names(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

#[test]
fn any_number_go_aside_in_one_second() {
    let run = busy();
    for n in 1..=20 {
        set_aside(&run).unwrap();
        assert_eq!(asides(run.dir.path()).len(), n);
    }
    let asides = asides(run.dir.path());
    assert!(asides.iter().all(|aside| aside.join(files::ACTIVE).exists()));
    assert_eq!(asides[0].file_name().unwrap(), &*files::aside_name(at(9).wall, None));
    assert!(run.journal().is_untouched());
}

#[test]
fn what_has_the_name_already_is_left_alone() {
    for (what, plant) in plants() {
        let run = busy();
        let taken = run.dir.path().join(files::aside_name(at(9).wall, None));
        plant(&taken);
        let before = fs::symlink_metadata(&taken).unwrap().file_type();
        set_aside(&run).unwrap();
        assert_eq!(fs::symlink_metadata(&taken).unwrap().file_type(), before, "{what}");
        let asides = asides(run.dir.path());
        assert_eq!(asides.len(), 2, "{what}");
        assert!(asides[1].join(files::ACTIVE).exists(), "{what}");
        // At a start, too.
        let (dir, now) = (tempfile::tempdir().unwrap(), at(0));
        fs::write(dir.path().join(files::ACTIVE), "hello\n").unwrap();
        plant(&dir.path().join(files::aside_name(now.wall, None)));
        let journal = Journal::open(&dir.path().join(files::ACTIVE), None, None, now).unwrap();
        assert!(journal.alarm().is_some() && journal.is_untouched(), "{what}");
    }
}

#[test]
fn what_is_planted_among_its_files_does_not_keep_it_from_going() {
    for (what, plant) in plants() {
        for name in ["audit.next".to_owned(), files::full_name(9_000), files::ACTIVE.to_owned()] {
            let run = busy();
            let (before, planted) = (run.journal().anchor(), run.dir.path().join(&name));
            if name == files::ACTIVE {
                fs::remove_file(&planted).unwrap();
            }
            plant(&planted);
            set_aside(&run).unwrap();
            let records = only_log(run.dir.path());
            let alarms: Vec<_> = records.iter().filter(|record| record.event == Event::Alarm).collect();
            let words: Vec<_> = alarms.iter().map(|alarm| alarm.by.as_deref().unwrap()).collect();
            assert_eq!(words, ["touched", "planted"], "{what} {name}");
            assert_eq!(records[0].log.unwrap().after.unwrap().id, Some(before.log), "{what} {name}");
            assert!(run.journal().is_untouched(), "{what} {name}");
            let moved = names(run.dir.path());
            let moved =
                moved.iter().filter(|path| path.to_str().unwrap().contains(&format!("{name}.planted-")));
            assert_eq!(moved.count(), 1, "{what} {name}");
        }
    }
}

#[test]
fn all_stays_where_it_cannot_be_done() {
    let run = busy();
    let path = run.dir.path().join(files::ACTIVE);
    fs::rename(&path, run.dir.path().join("held")).unwrap();
    fs::write(&path, "hello\n").unwrap();
    let before = (names(run.dir.path()), run.journal().anchor());
    // What was written is to be copied, and cannot be read.
    let held = OpenOptions::new().append(true).open(run.dir.path().join("held")).unwrap();
    let readable = std::mem::replace(&mut run.journal().log.borrow_mut().file, Arc::new(held));
    for _ in 0..3 {
        let error = set_aside(&run).unwrap_err();
        let error = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.contains("audit-was-open.jsonl: "), "{error}");
        assert_eq!((names(run.dir.path()), run.journal().anchor()), before);
    }
    run.journal().log.borrow_mut().file = readable;
    set_aside(&run).unwrap();
    let asides = asides(run.dir.path());
    assert_eq!(asides.len(), 1, "control");
    assert_eq!(fs::read_to_string(asides[0].join(files::ACTIVE)).unwrap(), "hello\n");
    assert!(asides[0].join(files::full_name(1)).exists() && asides[0].join("audit-was-open.jsonl").exists());
}

#[test]
fn the_link_of_a_log_whose_auditor_went_is_wiped_once_the_vault_has_judged() {
    let run = busy();
    let link = run.dir.path().join(files::LINK);
    let left = || Link::read(&fs::read(&link).unwrap().try_into().unwrap()).map(|link| link.log);
    let leave = |journal: &Journal| assert!(!journal.unsynced().sync().unwrap().leave_link().unwrap());
    leave(run.journal());
    let before = run.journal().anchor().log;
    assert_eq!(left(), Some(before), "control");
    run.journal().set_aside(Wrong::Auditor, None, at(9)).unwrap();
    leave(run.journal());
    assert_eq!(left(), Some(before), "until then it tells of another log");
    // The run ends before it could be.
    let Run { dir, .. } = run;
    let journal = Journal::open(&dir.path().join(files::ACTIVE), None, None, at(9)).unwrap();
    assert!(journal.auditor().is_none() && journal.alarm().is_some());
    leave(&journal);
    assert_eq!(left(), Some(before));
    journal.met();
    leave(&journal);
    assert_eq!((left(), fs::read(&link).unwrap()), (None, vec![0; 64]));
    journal.seal_to(Some(Hex([9; 32])), None, at(9)).unwrap();
    leave(&journal);
    assert_eq!(left(), Some(journal.anchor().log), "the next auditor's lies there again");
}

#[test]
fn a_directory_that_was_taken_away_is_made_again() {
    let run = busy();
    let (dir, before) = (run.dir.path(), run.journal().anchor());
    let held = fs::read(dir.join(files::ACTIVE)).unwrap();
    fs::remove_dir_all(dir).unwrap();
    assert!(!run.journal().is_untouched());
    fs::write(dir, "").unwrap();
    let error = set_aside(&run).unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.contains(dir.to_str().unwrap()), "{error}");
    fs::remove_file(dir).unwrap();
    set_aside(&run).unwrap();
    assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o7777, 0o700);
    assert!(run.journal().is_untouched() && run.journal().alarm().is_some());
    let records = only_log(dir);
    assert_eq!(records[0].log.unwrap().after.unwrap().hash, before.head.hash);
    assert_eq!(fs::read(asides(dir)[0].join("audit-was-open.jsonl")).unwrap(), held);
    assert!(run.journal().unsynced().sync().unwrap().leave_link().unwrap(), "its link went with it");
}
