//! A disk that does not give a sector, or takes nothing more: what that does to those who read and write.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use redb::BackendError;

use super::snapshot::Snapshot;
use super::*;
use crate::locks::locks_of;

/// Which sector cannot be read, and how many writes and syncs are still taken.
#[derive(Debug, Default, Clone)]
pub(super) struct Faults {
    bad: Arc<AtomicU64>,
    pub takes: Arc<AtomicU64>,
}

impl Faults {
    pub fn bad_at(at: u64) -> Self {
        let it = Self::default();
        it.bad.store(at, Ordering::SeqCst);
        it.takes.store(u64::MAX, Ordering::SeqCst);
        it
    }

    fn take(&self) -> io::Result<()> {
        let left = self.takes.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| rustix::io::Errno::NOSPC.into())
    }

    fn mend(&self) {
        self.bad.store(u64::MAX, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Disk {
    file: FileBackend,
    faults: Faults,
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bad = self.faults.bad.load(Ordering::SeqCst);
        if (offset..offset + out.len() as u64).contains(&bad) {
            return Err(rustix::io::Errno::IO.into());
        }
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.faults.take()?;
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.take()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.faults.take()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    locks_of!(file);
}

/// A store with these rows, in a directory of its own, and where the row of 17s lies in its file.
pub(super) struct Made {
    pub path: PathBuf,
    pub at: usize,
    _directory: tempfile::TempDir,
}

impl Made {
    pub fn of(rows: &[NewRow]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vault");
        let mut left = rows.iter().cloned();
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        Store::create(file, || Ok(left.next())).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let at = bytes.windows(100).position(|there| there == [17; 100]).unwrap();
        Self { path, at, _directory: directory }
    }

    /// A value and what is known of it.
    fn small() -> Self {
        Self::of(&[(Table::Values, vec![1], vec![17; 300]), (Table::Meta, vec![1], vec![18; 300])])
    }

    pub fn on(&self, faults: &Faults) -> Database {
        let file = File::options().read(true).write(true).open(&self.path).unwrap();
        let file = Disk { file: FileBackend::new(file).unwrap(), faults: faults.clone() };
        open_checked(file).unwrap()
    }

    pub fn store(&self) -> Store {
        Store::open(&self.path, |_| Ok(())).unwrap()
    }
}

#[test]
fn a_sector_that_cannot_be_read_fails_what_lies_in_it_and_nothing_else() {
    // A row of a page, more or less.
    let rows: Vec<_> = (0..40_u8).map(|key| (Table::Values, vec![key], vec![key; 3000])).collect();
    let made = Made::of(&rows);
    let faults = Faults::bad_at(u64::MAX);
    let database = made.on(&faults);
    let reader = Snapshot::new(&database).unwrap().counted_by(Arc::default());
    faults.bad.store(made.at as u64, Ordering::SeqCst);
    for _ in 0..3 {
        for (table, key, row) in &rows {
            match reader.get(*table, key) {
                Ok(found) => assert_eq!(found.unwrap().value(), row),
                Err(Error::Storage(error)) => {
                    let refused = Some(rustix::io::Errno::IO.raw_os_error());
                    assert_eq!((error.raw_os_error(), key[0]), (refused, 17));
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(matches!(reader.get(Table::Values, &[17]), Err(Error::Storage(_))));
        let mut seen = 0;
        let read = reader.each(Table::Values, None, |_, _| {
            seen += 1;
            Ok(true)
        });
        assert!(matches!(read, Err(Error::Storage(_))) && seen == 17, "{read:?} behind {seen}");
        assert!(!reader.has_failed());
    }
    // The disk has it again.
    faults.mend();
    assert_eq!(reader.get(Table::Values, &[17]).unwrap().unwrap().value(), [17; 3000]);
}

#[test]
fn a_table_that_begins_in_such_a_sector_keeps_nothing_else_from_being_read() {
    let made = Made::small();
    let faults = Faults::bad_at(made.at as u64);
    let database = made.on(&faults);
    let reader = Reader::new(&database).unwrap();
    for _ in 0..2 {
        let unread = reader.get(Table::Values, &[1]).map(drop);
        assert!(unread.as_ref().is_err_and(Error::is_unreadable), "{unread:?}");
        assert_eq!(reader.get(Table::Meta, &[1]).unwrap().unwrap().value(), [18; 300]);
        assert_eq!((reader.count(Table::Values).unwrap(), reader.count(Table::Meta).unwrap()), (1, 1));
    }
    // The disk has it again.
    faults.mend();
    assert_eq!(reader.get(Table::Values, &[1]).unwrap().unwrap().value(), [17; 300]);
}

#[test]
fn a_change_that_meets_such_a_page_is_refused_and_all_else_is_read_behind_that() {
    let made = Made::small();
    let mut bytes = std::fs::read(&made.path).unwrap();
    // The count of rows in that page.
    bytes[made.at / 4096 * 4096 + 3] = 0x40;
    std::fs::write(&made.path, bytes).unwrap();

    let store = made.store();
    for opened in 1..3 {
        let refused = store.put(vec![(Table::Values, vec![2], Some(vec![19]))]);
        assert!(matches!(refused, Err(Error::Corrupt(Damage::Store))), "{refused:?}");
        let reader = store.reader().unwrap();
        assert_eq!(reader.get(Table::Meta, &[1]).unwrap().unwrap().value(), [18; 300]);
        assert!(matches!(reader.get(Table::Values, &[1]), Err(Error::Corrupt(Damage::Store))));
        assert_eq!(store.opened_again(), opened);
    }
    store.put(vec![(Table::Meta, vec![2], Some(vec![19]))]).unwrap();
    store.close().unwrap();
}

#[test]
fn a_file_that_takes_nothing_more_is_known_by_the_first_who_looks() {
    let rows: Vec<_> = (0..40_u8).map(|key| (Table::Values, vec![key], vec![key; 3000])).collect();
    for refuses in [false, true] {
        let (made, faults) = (Made::of(&rows), Faults::bad_at(u64::MAX));
        let open = Open::of(&made.path, open_file(&made.path).unwrap(), made.on(&faults)).unwrap();
        if refuses {
            faults.takes.store(0, Ordering::SeqCst);
        }
        let put = open.put(&[(Table::Meta, vec![2], Some(vec![19]))]);
        assert_eq!(matches!(put, Err(Error::Storage(_))), refuses, "{put:?}");
        assert!(!open.has_failed(), "nobody has read since");
        let read = open.read().get(Table::Values, &[17]).map(drop);
        assert_eq!(matches!(read, Err(Error::OpenedAnew)), refuses, "{read:?}");
        assert_eq!(open.has_failed(), refuses);
    }
}

#[test]
fn what_failed_on_one_file_does_not_close_the_one_that_was_opened_since() {
    let made = Made::small();
    let store = made.store();
    let row = |key| store.reader().unwrap().get(Table::Meta, &[key]).unwrap().map(|row| row.value().to_vec());
    let refused = || store.tried::<()>(|_| Err(Error::OpenedAnew)).unwrap_err();
    // Its own: it is opened again.
    refused();
    assert_eq!((row(1), store.opened_again()), (Some(vec![18; 300]), 1));
    // Another has come in between: the guard is let go of behind a try, and before the file is closed.
    let on = store.opened_again();
    refused();
    assert_eq!((row(1), store.opened_again()), (Some(vec![18; 300]), 2));
    store.close_if(|_| on == store.opened_again());
    assert_eq!((row(1), store.opened_again()), (Some(vec![18; 300]), 2), "that one stays open");
}
