//! Old files of the log go, and nothing else does that is called like them.

use std::fs;
use std::os::unix::fs::symlink;

use glassdome_audit::chain::{self, Head};
use glassdome_audit::files::{self, LogFile};
use rustix::fs::{CWD, Mode, mkfifoat};

use super::honest_tests::{Run, at, busy, only_log};
use super::*;

fn size(files: &[LogFile]) -> u64 {
    files.iter().map(|file| file.path.metadata().unwrap().len()).sum()
}

fn all(run: &Run) -> Vec<LogFile> {
    files::list(run.dir.path()).unwrap()
}

fn look(run: &Run, keep: u64) -> keep::Found {
    keep::look(run.dir.path(), keep, &run.journal().foreign()).unwrap()
}

/// Deletes what goes, until nothing does, as the daemon does, and says what was foreign.
fn settle(run: &Run, keep: u64) -> Vec<PathBuf> {
    let mut foreign = Vec::new();
    loop {
        let found = look(run, keep);
        foreign.extend(found.foreign.clone());
        run.journal().found_foreign(found.foreign, at(9)).unwrap();
        let Some(past) = found.past else { return foreign };
        run.journal().retire(past.through, at(9)).unwrap();
        keep::delete(&past).unwrap();
    }
}

fn last_of(file: &Path) -> Head {
    let text = fs::read_to_string(file).unwrap();
    chain::read(text.lines().next_back().unwrap().as_bytes()).unwrap().head()
}

#[test]
fn old_files_go_and_the_log_says_so() {
    let run = busy();
    let files = all(&run);
    assert!(look(&run, size(&files)).past.is_none());
    let last = last_of(&files[0].path);
    let past = look(&run, size(&files) - 1).past.unwrap();
    assert_eq!(past.through, last);
    run.journal().retire(past.through, at(9)).unwrap();
    keep::delete(&past).unwrap();
    let record = only_log(run.dir.path()).pop().unwrap();
    assert_eq!(record.by.unwrap(), format!("through {} {}", last.seq, last.hash));
    assert!(!files[0].path.exists() && files[1].path.exists());
    assert!(settle(&run, 0).is_empty());
    assert_eq!(all(&run).len(), 1, "never the active one");
    assert!(run.journal().alarm().is_none());
}

#[test]
fn the_record_that_the_vault_remembers_stays() {
    let run = busy();
    let journal = run.journal();
    let past = look(&run, size(&all(&run)) - 1).past.unwrap();
    let last = journal.anchor();
    assert!(!journal.may_go(past.through), "the vault was told of none");
    journal.anchored(&Anchor { head: past.through, ..last }, at(9));
    assert!(!journal.wants_anchor(last.head.seq, at(9)), "control: it is not told all the time");
    assert!(!journal.may_go(past.through) && journal.wants_anchor(last.head.seq, at(9)), "but now it is");
    journal.anchored(&last, at(9));
    assert!(journal.may_go(past.through));
}

#[test]
fn what_is_called_like_a_file_of_the_log_neither_counts_nor_goes_and_is_one_alarm() {
    type Plant = fn(&Path);
    let plants: [(&str, Plant); 7] = [
        ("sparse", |path| fs::File::create(path).unwrap().set_len(2 << 30).unwrap()),
        ("large", |path| fs::write(path, vec![b'x'; 1 << 20]).unwrap()),
        ("empty", |path| fs::write(path, "").unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a FIFO", |path| mkfifoat(CWD, path, Mode::RWXU).unwrap()),
        ("a link", |path| symlink("/dev/zero", path).unwrap()),
        ("a file of the log", |path| {
            fs::copy(path.with_file_name(files::full_name(1)), path).unwrap();
        }),
    ];
    for (what, plant) in plants {
        let run = busy();
        let files = all(&run);
        let planted = [2, 9_000].map(|first| run.dir.path().join(files::full_name(first)));
        planted.iter().for_each(|path| plant(path));
        // More than is kept only with what was planted: all stays.
        assert!(look(&run, size(&files)).past.is_none(), "{what}");
        assert_eq!(settle(&run, size(&files) - 1).len(), 2, "{what}");
        assert!(run.journal().alarm().is_some(), "{what}");
        let left = all(&run);
        assert!(planted.iter().all(|path| left.iter().any(|file| file.path == *path)), "{what}");
        let (oldest, youngest) = (&files[0].path, &files[files.len() - 2].path);
        assert!(!oldest.exists() && youngest.exists(), "control, {what}");
        assert!(settle(&run, 0).is_empty(), "{what}: one alarm");
        assert_eq!(all(&run).len(), 3, "{what}");
    }
}

#[test]
fn a_file_of_the_log_that_was_changed_stays_and_what_is_older_with_it() {
    type Change = fn(String) -> String;
    let changes: [(&str, Change); 3] = [
        ("in the middle", |text| text.replacen("a/b", "a/c", 1)),
        ("longer", |text| text.replacen('\n', &format!("\n{}\n", "x".repeat(100)), 1)),
        ("at its end", |text| text[..text.trim_end().rfind('\n').unwrap() + 1].to_owned()),
    ];
    for (what, change) in changes {
        let run = busy();
        let files = all(&run);
        let changed = change(fs::read_to_string(&files[1].path).unwrap());
        fs::write(&files[1].path, &changed).unwrap();
        let foreign = settle(&run, 0);
        assert_eq!(foreign.iter().filter(|path| **path == files[1].path).count(), 1, "{what}");
        let left = all(&run);
        assert_eq!(left.len(), 3, "{what}");
        assert_eq!((&left[0], &left[1]), (&files[0], &files[1]), "{what}");
        assert_eq!(fs::read_to_string(&files[1].path).unwrap(), changed);
        let alarms = only_log(run.dir.path()).iter().filter(|record| record.event == Event::Alarm).count();
        assert!(run.journal().alarm().is_some() && alarms >= 1, "{what}");
    }
}

#[test]
fn a_file_that_stays_is_not_read_for_what_goes() {
    let run = busy();
    let files = all(&run);
    let middle = &files[2].path;
    let text = fs::read_to_string(middle).unwrap();
    let line = text.len() / 2 + text[text.len() / 2..].find('\n').unwrap();
    fs::write(middle, [&text[..line], &text[line..].replacen("a/b", "a/c", 1)].concat()).unwrap();
    let found = look(&run, size(&files[2..]));
    let past = found.past.expect("what is older goes all the same");
    assert!(found.foreign.is_empty() && past.through == last_of(&files[1].path));
    run.journal().retire(past.through, at(9)).unwrap();
    keep::delete(&past).unwrap();
    assert!(!files[0].path.exists() && !files[1].path.exists() && middle.exists());
    assert!(run.journal().alarm().is_none());
    // Who reads all of it sees that; and once it is to go, it stays.
    let found = run.journal().whole().unwrap().check(std::time::SystemTime::now()).unwrap();
    assert_eq!(found.wrong, Some(Wrong::Edited));
    assert_eq!(settle(&run, 0), std::slice::from_ref(middle));
    assert!(middle.exists() && run.journal().alarm().is_some());
}

#[test]
fn a_hole_in_a_small_file_of_the_log_does_not_count_for_more() {
    let run = busy();
    let files = all(&run);
    let keep = size(&files);
    let text = fs::read(&files[2].path).unwrap();
    let cut = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    // First line and last are the log's, and what is between is large.
    let file = fs::File::create(&files[2].path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &text[..cut], 0).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &text[cut..], 8 << 20).unwrap();
    let found = look(&run, keep);
    assert!(found.past.is_none());
    assert_eq!(found.foreign, [2, 1, 0].map(|n| files[n].path.clone()));
}
