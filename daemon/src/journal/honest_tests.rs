//! Whatever happens to an honest daemon, its log verifies, seals and all; and what others do to the
//! log is seen at the next start, or at the next unlock.

use std::fs;
use std::path::Path;

use glassdome_audit::chain::{self, Head};
use glassdome_audit::{Linked, files, seal};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const SECRET: [u8; 32] = [42; 32];

pub(super) fn at(seconds: u64) -> Now {
    let time = Duration::from_secs(seconds);
    Now { boot: time, wall: Duration::from_secs(1_800_000_000) + time }
}

pub(super) fn did(event: Event) -> Entry<'static> {
    Entry {
        event,
        outcome: Outcome::Allowed,
        secret: Some("a/b"),
        to: None,
        by: Some("owner"),
        peer: Who::Nobody,
    }
}

/// A journal in a directory, as the daemon drives it.
pub(super) struct Run {
    pub(super) dir: TempDir,
    journal: Option<Journal>,
}

impl Run {
    fn new() -> Self {
        let mut run = Self { dir: tempfile::tempdir().unwrap(), journal: None };
        run.start();
        run
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(files::ACTIVE)
    }

    fn start(&mut self) {
        self.journal = None;
        let journal = Journal::open(&self.path(), None, None, at(0)).unwrap();
        journal.log.borrow_mut().full = 2000;
        journal.record(did(Event::Start), at(1)).unwrap();
        self.journal = Some(journal);
    }

    pub(super) fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn seal(&self) {
        let origin = seal::origin(&SECRET);
        self.journal().seal_to(Some(Hex(seal::public(&SECRET))), Some(&*origin), at(1)).unwrap();
    }

    fn unlock(&self) {
        self.journal().record(did(Event::Unlock), at(2)).unwrap();
        self.journal().begin_session(None, at(2)).unwrap();
    }

    fn lock(&self) {
        let line = self.journal().prepare(&did(Event::Lock), at(3)).unwrap();
        let anchor = self.journal().anchor_behind(&line);
        self.journal().write(&line).unwrap();
        self.journal().end_session();
        assert_eq!(self.journal().anchor(), anchor);
    }

    fn sync(&self) -> Anchor {
        let synced = self.journal().unsynced().sync().unwrap();
        assert!(!synced.leave_link().unwrap(), "nobody touched it");
        synced.anchor
    }

    /// The power goes: of what was not on the disk, `cut` bytes are lost.
    fn crash(&mut self, synced: u64, cut: usize) {
        self.journal = None;
        let log = fs::read(self.path()).unwrap();
        // No sync, no link: but what was synced is there.
        let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
        let safe: usize = lines
            .iter()
            .filter(|line| chain::read(line.trim_ascii_end()).unwrap().record.seq <= synced)
            .map(|line| line.len())
            .sum();
        fs::write(self.path(), &log[..log.len().saturating_sub(cut).max(safe)]).unwrap();
    }
}

/// Checks a whole log as an auditor does, and says its last record, and how many seals were checked.
fn verified(dir: &Path) -> (Head, usize) {
    let (mut head, mut key, mut links, mut seals) = (Head::NONE, None::<[u8; 32]>, Vec::new(), 0);
    let mut unsealed_header = false;
    for file in files::list(dir).unwrap() {
        let text = fs::read(&file.path).unwrap();
        for (n, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let line = chain::read(line.strip_suffix(b"\n").expect("a whole line")).unwrap();
            let record = &line.record;
            assert!(line.follows(&head), "{record:?}");
            assert_eq!(record.log.is_some(), n == 0, "{record:?}");
            if n == 0 && file.first.is_some() {
                assert_eq!(Some(record.seq), file.first);
            }
            head = line.head();
            let under = match record.key.map(|key| key.linked) {
                None | Some(Some(Linked::Running)) => key,
                Some(Some(Linked::Origin)) => Some(*seal::origin(&SECRET)),
                Some(Some(Linked::Link { seq, .. })) => {
                    Some(links.iter().find_map(|(of, link)| (*of == seq).then_some(*link)).unwrap())
                }
                Some(None) => panic!("the seals begin anew: {record:?}"),
            };
            // A first line that a crash took: the key record behind it vouches for the one that is there.
            let anew = record.event == Event::Log && record.mac.is_none();
            assert!(anew || under.is_some() == record.mac.is_some(), "{record:?}");
            assert!(!unsealed_header || record.key.is_some() || key.is_none(), "{record:?}");
            unsealed_header = anew && key.is_some();
            if let Some(under) = under.filter(|_| !anew) {
                assert!(line.is_sealed_with(&under), "{record:?}");
                seals += 1;
            }
            match (record.key, &mut key) {
                (Some(mark), _) => {
                    assert_eq!(mark.auditor.0, seal::public(&SECRET));
                    key = Some(*seal::open(&SECRET, &mark.sealed.0).unwrap());
                }
                (None, Some(key)) => seal::step(key),
                (None, None) => {}
            }
            links.extend(key.map(|key| (record.seq, *seal::link(&key))));
        }
    }
    (head, seals)
}

#[derive(Debug, Clone)]
enum Step {
    Record(usize),
    Unlock,
    Lock,
    Sync,
    Stop,
    Kill { cut: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..8).prop_map(Step::Record),
        2 => Just(Step::Unlock),
        2 => Just(Step::Lock),
        2 => Just(Step::Sync),
        1 => Just(Step::Stop),
        2 => (0_usize..900).prop_map(|cut| Step::Kill { cut }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn an_honest_log_verifies(steps in prop::collection::vec(step(), 1..24), sealed_at in 0_usize..24) {
        let mut run = Run::new();
        let mut remembered = run.sync();
        let (mut sealed, mut open) = (false, false);
        let later = std::time::SystemTime::now() + Duration::from_secs(3600);
        for (n, step) in steps.into_iter().enumerate() {
            if n == sealed_at {
                run.seal();
                // As the daemon does before it answers.
                remembered = run.sync();
                sealed = true;
            }
            match step {
                Step::Record(count) => {
                    for _ in 0..count {
                        run.journal().record(did(Event::Get), at(5)).unwrap();
                    }
                }
                Step::Unlock => {
                    run.unlock();
                    open = true;
                    let found = run.journal().whole().unwrap().check(later).unwrap();
                    prop_assert_eq!(found.wrong, None, "nor does who reads all of it");
                    run.journal().read(Some(found), at(6)).unwrap();
                }
                Step::Lock if open => { run.lock(); open = false; }
                Step::Lock => {}
                Step::Sync => remembered = run.sync(),
                Step::Stop => { remembered = run.sync(); run.start(); open = false; }
                Step::Kill { cut } => {
                    let synced = remembered.head.seq;
                    run.crash(synced, cut);
                    run.start();
                    prop_assert_eq!(run.journal().alarm(), None);
                    open = false;
                }
            }
            let now = run.journal().anchor();
            let seen = scan::goes_on(run.dir.path(), &remembered, now.log, now.head).unwrap();
            prop_assert_eq!(seen, None, "the vault sees nothing wrong");
        }
        let (head, seals) = verified(run.dir.path());
        prop_assert_eq!(head, run.journal().anchor().head);
        prop_assert_eq!(seals > 0, sealed);
    }
}

pub(super) fn busy() -> Run {
    let run = Run::new();
    run.seal();
    run.unlock();
    for _ in 0..30 {
        run.journal().record(did(Event::Get), at(5)).unwrap();
    }
    run.sync();
    run
}

pub(super) fn only_log(dir: &Path) -> Vec<Record<'static>> {
    let text = fs::read_to_string(dir.join(files::ACTIVE)).unwrap().leak();
    text.lines().map(|line| glassdome_audit::read(line).unwrap()).collect()
}

#[test]
fn a_full_file_is_renamed_and_chain_and_seals_go_on() {
    let run = busy();
    assert!(files::list(run.dir.path()).unwrap().len() > 4);
    let (head, seals) = verified(run.dir.path());
    assert_eq!(head, run.journal().anchor().head);
    assert!(seals > 30);
    let sessions: Vec<_> = only_log(run.dir.path()).iter().filter_map(|record| record.session).collect();
    assert!(!sessions.is_empty() && sessions.iter().all(|session| *session == run.journal().unlock.get()));
}

#[test]
fn a_crash_in_a_rotation_loses_nothing() {
    // Between the two renames, and before them; with a first line in the new file, and without.
    for (renamed, written) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut run = busy();
        run.sync();
        let first = run.journal().log.borrow().first;
        let (path, next) = (run.path(), run.dir.path().join("audit.next"));
        if renamed {
            run.journal()
                .seal_to(Some(Hex(seal::public(&SECRET))), Some(&*seal::origin(&SECRET)), at(6))
                .unwrap();
            run.journal = None;
            let mut new = fs::read(&path).unwrap();
            // What came behind the first line was not yet.
            let header = new.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            new.truncate(if written { header } else { header / 2 });
            fs::write(&next, new).unwrap();
            fs::remove_file(&path).unwrap();
        } else {
            run.journal = None;
            fs::write(&next, if written { "{\"seq\":9" } else { "" }).unwrap();
        }
        run.start();
        assert!(!next.exists());
        assert_eq!(run.journal().alarm(), None, "{renamed} {written}");
        assert!(!renamed || run.dir.path().join(files::full_name(first)).exists());
        let (head, _) = verified(run.dir.path());
        assert_eq!(head, run.journal().anchor().head);
    }
}

#[test]
fn a_log_that_was_changed_while_nobody_looked_is_set_aside_at_the_start() {
    type Change = fn(&mut Vec<String>);
    let changes: [(&str, Change); 5] = [
        ("edited", |lines| lines[2] = lines[2].replace("a/b", "a/c")),
        ("edited", |lines| drop(lines.remove(2))),
        ("edited", |lines| lines.swap(2, 3)),
        ("foreign", |lines| lines.insert(2, "hello".into())),
        ("foreign", |lines| drop(lines.remove(0))),
    ];
    for (word, change) in changes {
        let mut run = Run::new();
        for _ in 0..5 {
            run.journal().record(did(Event::Get), at(5)).unwrap();
        }
        let before = run.sync();
        run.journal = None;
        let mut lines: Vec<String> =
            fs::read_to_string(run.path()).unwrap().lines().map(str::to_owned).collect();
        change(&mut lines);
        fs::write(run.path(), lines.join("\n") + "\n").unwrap();
        run.start();
        assert!(run.journal().alarm().is_some(), "{word}");
        let records = only_log(run.dir.path());
        assert_eq!(records[0].by.as_deref(), Some(word));
        assert_ne!(records[0].log.unwrap().id, before.log);
        assert_eq!((records[1].event, records[1].by.as_deref()), (Event::Alarm, Some(word)));
        let aside = fs::read_dir(run.dir.path()).unwrap().find_map(|entry| {
            let path = entry.unwrap().path();
            path.is_dir().then(|| path.join(files::ACTIVE))
        });
        assert_eq!(fs::read_to_string(aside.unwrap()).unwrap(), lines.join("\n") + "\n");
        verified(run.dir.path());
    }
}

#[test]
fn a_log_of_an_earlier_version_is_set_aside_without_an_alarm() {
    let mut run = Run::new();
    run.journal = None;
    let line =
        r#"{"seq":1,"time":"2026-01-01T00:00:00.000Z","boot_ms":1,"event":"start","outcome":"allowed"}"#;
    fs::write(run.path(), format!("{line}\n")).unwrap();
    run.start();
    assert_eq!(run.journal().alarm(), None);
    let records = only_log(run.dir.path());
    assert_eq!(records[0].by.as_deref(), Some("earlier-format"));
    assert_eq!(records[0].log.unwrap().after.unwrap().seq, 0);
    assert_eq!(records[1].event, Event::Start);
}

#[test]
fn what_the_vault_remembers_is_missed_when_it_is_not_there() {
    let run = busy();
    let anchor = run.journal().anchor();
    let seen = |anchor: &Anchor, head| {
        scan::goes_on(run.dir.path(), anchor, run.journal().anchor().log, head).unwrap()
    };
    assert_eq!(seen(&anchor, anchor.head), None);
    let early = Head {
        seq: 3,
        hash: chain::hash(
            fs::read_to_string(run.dir.path().join(files::full_name(3)))
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .as_bytes(),
        ),
    };
    let early = Anchor { head: early, ..anchor };
    assert_eq!(seen(&early, anchor.head), None, "control: it may be far behind");
    let other = Anchor { head: Head { hash: Hex([1; 32]), ..early.head }, ..early };
    assert_eq!(seen(&other, anchor.head), Some(Wrong::Replaced));
    assert_eq!(seen(&Anchor { log: Hex([1; 16]), ..anchor }, anchor.head), Some(Wrong::Replaced));
    let later = Head { seq: anchor.head.seq + 1, ..anchor.head };
    assert_eq!(seen(&Anchor { head: later, ..anchor }, anchor.head), Some(Wrong::Truncated));
    // A line in between, in a file that is full.
    let all = files::list(run.dir.path()).unwrap();
    let middle = &all[all.len() - 2].path;
    let text = fs::read_to_string(middle).unwrap();
    fs::write(middle, text.replacen("a/b", "a/c", 1)).unwrap();
    assert_eq!(seen(&early, anchor.head), Some(Wrong::Edited));
    fs::remove_file(middle).unwrap();
    assert_eq!(seen(&early, anchor.head), Some(Wrong::Edited));
    fs::write(middle, text).unwrap();
    assert_eq!(seen(&early, anchor.head), None, "control");
    let active = fs::read_to_string(run.path()).unwrap();
    let cut = active.rfind("{\"seq\"").unwrap();
    fs::write(run.path(), &active[..cut]).unwrap();
    assert_eq!(seen(&early, anchor.head), Some(Wrong::Truncated));
}

#[test]
fn who_touches_the_file_is_seen_and_what_it_held_is_kept() {
    type Touch = fn(&Path);
    let touches: [(Touch, bool); 4] = [
        (|path| fs::write(path, "").unwrap(), false),
        (
            |path| {
                use std::io::Write;
                fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"x").unwrap()
            },
            false,
        ),
        (|path| fs::remove_file(path).unwrap(), true),
        (
            |path| {
                let text = fs::read(path).unwrap();
                fs::remove_file(path).unwrap();
                fs::write(path, text).unwrap()
            },
            true,
        ),
    ];
    for (touch, another) in touches {
        let run = busy();
        let held = fs::read(run.path()).unwrap();
        let (before, first) = (run.journal().anchor(), run.journal().log.borrow().first);
        assert!(run.journal().is_untouched(), "control");
        touch(&run.path());
        assert!(!run.journal().is_untouched());
        run.journal().set_aside(Wrong::Touched, run.journal().auditor(), at(9)).unwrap();
        assert!(run.journal().is_untouched() && run.journal().alarm().is_some());
        let aside = run.dir.path().join(files::aside_name(at(9).wall, None));
        let kept = fs::read(aside.join("audit-was-open.jsonl"));
        assert_eq!(kept.is_ok(), another);
        assert!(kept.is_err() || kept.unwrap() == held);
        assert!(aside.join(files::full_name(1)).exists());
        let records = only_log(run.dir.path());
        let after = records[0].log.unwrap().after.unwrap();
        assert_eq!((after.id, after.seq, after.hash), (Some(before.log), before.head.seq, before.head.hash));
        // The seals go on from the last record of the log that was set aside.
        let linked = records[1].key.unwrap().linked;
        assert_eq!(linked, Some(Linked::Link { log: before.log, seq: before.head.seq }));
        assert!(records[1].mac.is_some() && first > 1);
    }
}
