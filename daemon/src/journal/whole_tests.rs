//! What was done before the record that the vault remembers is found once all is read, and an honest log is
//! left alone, whatever happens to it meanwhile.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use glassdome_audit::files;

use super::honest_tests::{Run, at, busy, did, only_log};
use super::whole::Found;
use super::*;

/// Everything was touched long ago.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

fn check(run: &Run) -> Found {
    run.journal().whole().unwrap().check(later()).unwrap()
}

fn read(run: &Run) -> (Option<Wrong>, u64) {
    let found = check(run);
    let seen = (found.wrong, found.records);
    run.journal().read(Some(found), at(9)).unwrap();
    seen
}

fn files_of(run: &Run) -> Vec<PathBuf> {
    files::list(run.dir.path()).unwrap().into_iter().map(|file| file.path).collect()
}

fn asides(run: &Run) -> usize {
    let all = fs::read_dir(run.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    all.filter(|name| name.to_str().unwrap().starts_with("audit-set-aside-")).count()
}

/// Puts another byte in the place of one, and nothing else: size, inode and what is open stay as they were.
fn edit(path: &Path, line: impl FnOnce(usize) -> usize) {
    let text = fs::read_to_string(path).unwrap();
    let begins: Vec<usize> = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let line = begins[line(begins.len() - 1)];
    let at = line + text[line..].find("\"boot_ms\":").unwrap() + 10;
    let other = if text.as_bytes()[at] == b'7' { b'8' } else { b'7' };
    fs::File::options().write(true).open(path).unwrap().write_all_at(&[other], at as u64).unwrap();
}

#[test]
fn an_honest_log_is_left_alone_and_not_read_again() {
    let run = busy();
    let all = run.journal().anchor().head.seq;
    assert_eq!(read(&run), (None, all));
    let active = only_log(run.dir.path()).len() as u64;
    assert_eq!(read(&run), (None, active), "the full files were sound");
    for _ in 0..20 {
        run.journal().record(did(Event::Get), at(5)).unwrap();
    }
    let (wrong, records) = read(&run);
    assert!(wrong.is_none() && active + 20 <= records && records < all, "{records}");
    // What was touched right before it was read may be touched again unseen.
    let run = busy();
    let found = run.journal().whole().unwrap().check(SystemTime::now()).unwrap();
    run.journal().read(Some(found), at(9)).unwrap();
    assert_eq!(read(&run).1, run.journal().anchor().head.seq);
    assert_eq!((run.journal().alarm(), asides(&run)), (None, 0));
}

#[test]
fn what_was_done_to_any_record_of_any_file_is_found_and_the_session_goes_on() {
    type Place = fn(usize) -> usize;
    let places: [Place; 3] = [|_| 0, |lines| lines / 2, |lines| lines - 1];
    for sound_before in [false, true] {
        let whole = files_of(&busy()).len();
        for nth in 0..whole {
            for place in &places[if sound_before { 0..3 } else { 1..2 }] {
                let run = busy();
                if sound_before {
                    assert_eq!(read(&run).0, None, "control");
                }
                let remembered = run.journal().anchor();
                edit(&files_of(&run)[nth], place);
                assert!(run.journal().is_untouched(), "nobody else sees it");
                if nth + 1 < whole {
                    let seen = scan::goes_on(run.dir.path(), &remembered, remembered.log, remembered.head);
                    assert_eq!(seen.unwrap(), None, "nor does an unlock");
                }
                let (wrong, _) = read(&run);
                // A full file whose first line is another is known no more.
                let removed = wrong == Some(Wrong::Removed) || wrong == Some(Wrong::Truncated);
                // The last record is told from another by what is in memory.
                let replaced = nth + 1 == whole && wrong == Some(Wrong::Replaced);
                assert!(wrong == Some(Wrong::Edited) || removed || replaced, "{nth}: {wrong:?}");
                assert_eq!((asides(&run), run.journal().alarm().is_some()), (1, true));
                run.journal().record(did(Event::Get), at(9)).unwrap();
                let records = only_log(run.dir.path());
                assert_eq!(records[0].by.as_deref(), wrong.map(Wrong::word));
                let alarm = records.iter().find(|record| record.event == Event::Alarm).unwrap();
                assert_eq!(records.last().unwrap().session, Some(alarm.seq), "known by the alarm");
                assert_eq!(read(&run).0, None, "the new one is sound");
            }
        }
    }
}

#[test]
fn what_is_missing_or_too_much_is_found() {
    type Change = fn(&[PathBuf]);
    let changes: [(&str, Change, Wrong); 4] = [
        ("the front", |files| fs::remove_file(&files[0]).unwrap(), Wrong::Truncated),
        ("the middle", |files| fs::remove_file(&files[2]).unwrap(), Wrong::Removed),
        (
            "a line",
            |files| {
                let text = fs::read_to_string(&files[1]).unwrap();
                let at = text.find('\n').unwrap() + 1;
                let next = at + text[at..].find('\n').unwrap() + 1;
                fs::write(&files[1], [&text[..at], &text[next..]].concat()).unwrap();
            },
            Wrong::Removed,
        ),
        (
            "one line more",
            |files| fs::File::options().append(true).open(&files[1]).unwrap().write_all(b"{}\n").unwrap(),
            Wrong::Foreign,
        ),
    ];
    for sound_before in [false, true] {
        for (what, change, wrong) in changes {
            let run = busy();
            if sound_before {
                assert_eq!(read(&run).0, None, "control");
            }
            change(&files_of(&run));
            assert_eq!(read(&run).0, Some(wrong), "{what}");
            assert_eq!((asides(&run), run.journal().alarm().is_some()), (1, true), "{what}");
        }
    }
}

#[test]
fn a_file_that_is_none_of_the_logs_stays_and_is_one_alarm() {
    let run = busy();
    let (planted, first) = (run.dir.path().join(files::full_name(2)), &files_of(&run)[0]);
    fs::copy(first, &planted).unwrap();
    for _ in 0..2 {
        assert_eq!(read(&run).0, None);
        let alarms = only_log(run.dir.path()).iter().filter(|record| record.event == Event::Alarm).count();
        assert_eq!((asides(&run), alarms, planted.exists()), (0, 1, true));
    }
}

#[test]
fn what_the_daemon_itself_does_meanwhile_is_no_finding() {
    // Files get full.
    let run = busy();
    let whole = run.journal().whole().unwrap();
    assert!(run.journal().whole().is_none() && run.journal().is_being_read(), "one at a time");
    for _ in 0..20 {
        run.journal().record(did(Event::Get), at(5)).unwrap();
    }
    let found = whole.check(later()).unwrap();
    run.journal().read(Some(found), at(9)).unwrap();
    assert_eq!((asides(&run), run.journal().is_being_read()), (0, false));
    // Old ones go, once they were read and before.
    for sound_before in [true, false] {
        let run = busy();
        if sound_before {
            assert_eq!(read(&run).0, None);
        }
        let past = keep::look(run.dir.path(), 3000, &run.journal().foreign()).unwrap().past.unwrap();
        run.journal().retire(past.through, at(9)).unwrap();
        keep::delete(&past).unwrap();
        let left = run.journal().anchor().head.seq - past.through.seq;
        let (wrong, records) = read(&run);
        assert!(wrong.is_none() && (sound_before == (records < left)), "{records} of {left}");
        assert_eq!(run.journal().alarm(), None);
    }
    // The log is set aside.
    let run = busy();
    edit(&files_of(&run)[0], |_| 1);
    let whole = run.journal().whole().unwrap();
    run.journal().set_aside(Wrong::Touched, run.journal().auditor(), at(9)).unwrap();
    let found = whole.check(later()).unwrap();
    assert!(found.wrong.is_some());
    run.journal().read(Some(found), at(9)).unwrap();
    assert_eq!(asides(&run), 1, "what is there now is not to blame");
    // It could not be read, and is the next time.
    drop(run.journal().whole().unwrap());
    run.journal().read(None, at(9)).unwrap();
    assert!(run.journal().whole().is_some());
}
