//! Damaged files through the whole store, as redb gets to see them. An abort ends this program.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use redb::{Builder, Database, ReadableDatabase, TableDefinition};

use super::*;

const A: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("a");
const B: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("b");

/// A file in memory that knows what was asked of it.
#[derive(Debug, Clone, Default)]
struct Watched {
    bytes: Arc<RwLock<Vec<u8>>>,
    reads: Arc<AtomicUsize>,
    longest: Arc<AtomicUsize>,
}

impl Watched {
    fn of(bytes: Vec<u8>) -> Self {
        Self { bytes: Arc::new(RwLock::new(bytes)), ..Self::default() }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.read().unwrap().clone()
    }
}

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.read().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.longest.fetch_max(out.len(), Ordering::Relaxed);
        let bytes = self.bytes.read().unwrap();
        let there = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.bytes.write().unwrap().resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.bytes.write().unwrap()[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn open(file: impl StorageBackend) -> Result<Database, redb::Error> {
    let abort = redb::RepairSession::abort;
    let cache = 64 * 1024;
    Ok(Builder::new().set_cache_size(cache).set_repair_callback(abort).create_with_backend(file)?)
}

/// A change as the vault makes it: each row is a table, a key, and a length or none to delete it.
fn change(
    database: &Database,
    rows: impl IntoIterator<Item = (bool, u32, Option<usize>)>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    {
        let mut tables = [transaction.open_table(A)?, transaction.open_table(B)?];
        for (table, key, length) in rows {
            let table = &mut tables[usize::from(table)];
            let key = key.wrapping_mul(0x9E37_79B1).to_be_bytes();
            match length {
                Some(length) => table.insert(&key[..], &vec![key[0]; length][..])?,
                None => table.remove(&key[..])?,
            };
        }
    }
    Ok(transaction.commit()?)
}

fn read_all(database: &Database) -> Result<usize, redb::Error> {
    let transaction = database.begin_read()?;
    let mut rows = 0;
    for table in [A, B] {
        for row in transaction.open_table(table)?.range::<&[u8]>(..)? {
            let (key, value) = row?;
            std::hint::black_box((key.value(), value.value()));
            rows += 1;
            if rows > 100_000 {
                return Err(redb::Error::Corrupted("no end".into()));
            }
        }
    }
    Ok(rows)
}

/// A file with branches, a row of many pages, and pages that wait to be free.
fn honest() -> &'static [u8] {
    static HONEST: OnceLock<Vec<u8>> = OnceLock::new();
    HONEST.get_or_init(|| {
        let file = Watched::default();
        let database = open(file.clone()).unwrap();
        change(&database, (0..400).map(|key| (key % 2 == 0, key, Some(100)))).unwrap();
        change(&database, [(false, 1000, Some(20_000)), (true, 4, None)]).unwrap();
        drop(database);
        file.bytes()
    })
}

/// Does with a file what a daemon does. Panics of redb are errors, as in the store.
fn used(file: &Watched) -> Result<usize, redb::Error> {
    let run = || {
        let database = open(Checked::new(file.clone()))?;
        let rows = read_all(&database);
        change(&database, [(false, 1, Some(9000)), (true, 2, None), (false, 1000, None)])?;
        read_all(&database)?;
        drop(database);
        rows
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("a panic".into())))
}

#[test]
fn an_honest_file_is_surveyed_and_used() {
    let file = Watched::of(honest().to_vec());
    assert_eq!(used(&file).unwrap(), 400);
    assert_eq!(used(&file).unwrap(), 398);
    assert!(open(Checked::new(Watched::default())).is_err(), "an empty file is not filled");
}

#[test]
fn whatever_redb_leaves_is_sound_also_without_a_close() {
    let file = Watched::default();
    let mut database = open(file.clone()).unwrap();
    let mut random = 1_u64;
    for round in 0..40 {
        let rows: Vec<_> = (0..150)
            .map(|_| {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (key, length) = ((random >> 33) as u32 % 3000, (random >> 50) as usize % 700);
                // It grows, and then shrinks to nothing.
                let kept = random >> 61 < if round < 25 { 6 } else { 1 };
                (key % 2 == 0, key, kept.then_some(if length == 0 { 50_000 } else { length }))
            })
            .collect();
        change(&database, rows).unwrap();
        survey(&Watched::of(file.bytes()), true).unwrap();
        if round % 5 == 0 {
            drop(database);
            survey(&Watched::of(file.bytes()), true).unwrap();
            database = open(Checked::new(file.clone())).unwrap();
        }
    }
    change(&database, (0..3000).map(|key| (key % 2 == 0, key, None))).unwrap();
    drop(database);
    assert_eq!(read_all(&open(Checked::new(file)).unwrap()).unwrap(), 0);
}

#[test]
fn the_survey_reads_few_pages() {
    let file = Watched::default();
    let database = open(file.clone()).unwrap();
    change(&database, (0..20_000).map(|key| (true, key, Some(200)))).unwrap();
    drop(database);
    let pages = file.bytes().len() / 4096;
    let file = Watched::of(file.bytes());
    survey(&file, true).unwrap();
    let reads = file.reads.load(Ordering::Relaxed);
    assert!(pages > 1000 && reads < 60, "{reads} reads of {pages} pages");
}

/// Where pages begin that hold anything.
fn places() -> &'static [usize] {
    static PLACES: OnceLock<Vec<usize>> = OnceLock::new();
    PLACES.get_or_init(|| (0..honest().len()).step_by(4096).filter(|&at| honest()[at] != 0).collect())
}

/// The longest page that is ever asked for, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

#[test]
fn a_page_that_claims_to_be_of_another_kind_is_refused_or_not_reached() {
    let mut refused = 0;
    for &at in &places()[1..] {
        let mut bytes = honest().to_vec();
        // What was a row's place is now the number of a page of up to 4 GiB, and the reverse.
        bytes[at] = 3 - bytes[at].clamp(1, 2);
        let file = Watched::of(bytes);
        refused += usize::from(used(&file).is_err());
        assert!(file.longest.load(Ordering::Relaxed) <= LONGEST);
    }
    assert!(refused > 10, "only {refused}");
}

#[test]
fn a_page_is_never_in_two_places_or_outside_the_file() {
    let branch = *places().iter().find(|&&at| honest()[at] == 2 && honest()[at + 2] > 3).unwrap();
    let children = branch + 8 + 16 * (1 + usize::from(honest()[branch + 2]));
    let child = |i: usize| children + 8 * i..children + 8 * (i + 1);
    let number = |i| u64::from_le_bytes(honest()[child(i)].try_into().unwrap());
    for wrong in
        [number(1), number(1) | (20 << 59), number(1) | (9 << 59), number(0) + 500, number(0) | (5 << 20)]
    {
        let mut bytes = honest().to_vec();
        bytes[child(0)].copy_from_slice(&wrong.to_le_bytes());
        let file = Watched::of(bytes);
        assert!(used(&file).is_err(), "{wrong:x}");
        assert!(file.longest.load(Ordering::Relaxed) <= LONGEST);
    }
}

#[test]
fn what_leads_to_rows_and_cannot_be_read_is_left_to_whoever_uses_it_or_refused() {
    let branch = *places().iter().find(|&&at| honest()[at] == 2 && honest()[at + 2] > 3).unwrap();
    let mut bytes = honest().to_vec();
    assert!(survey(&Watched::of(bytes.clone()), false).is_ok(), "control");
    // Neither a leaf nor a branch.
    bytes[branch] = 9;
    let file = Watched::of(bytes);
    assert!(survey(&file, true).is_ok() && used(&file).is_err());
    assert!(survey(&file, false).is_err());
}

#[test]
fn a_bit_of_the_header_or_of_the_free_pages_is_refused_or_harmless() {
    // How the state of a region begins: its highest order, its pages, where the first bitmap ends.
    let number = |at: usize| u32::from_le_bytes(honest()[at..at + 4].try_into().unwrap());
    let begins =
        |&at: &usize| number(at) == 20 && number(at + 4) >> 12 == 0 && (92..400).contains(&number(at + 8));
    let states: Vec<_> = (0..honest().len() - 1000).filter(begins).collect();
    assert!(!states.is_empty());
    let mut refused = 0;
    for at in states.into_iter().flat_map(|at| at..at + 800).chain(0..320) {
        let mut bytes = honest().to_vec();
        bytes[at] ^= 1 << (at % 8);
        match used(&Watched::of(bytes)) {
            Err(redb::Error::Corrupted(why)) if why == "a panic" => panic!("byte {at}"),
            result => refused += usize::from(result.is_err()),
        }
    }
    assert!(refused > 300, "only {refused}");
}

fn edit() -> impl Strategy<Value = (usize, u8)> {
    let page = prop::sample::select(places());
    let within = prop_oneof![0_usize..8, 0_usize..200, 0_usize..4096];
    let byte = prop_oneof![any::<u8>(), 0_u8..8];
    (page, within, byte).prop_map(|(page, within, byte)| (page + within, byte))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn a_damaged_file_ends_no_program_and_takes_no_memory(edits in prop::collection::vec(edit(), 1..4)) {
        let mut bytes = honest().to_vec();
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        let file = Watched::of(bytes);
        let result = used(&file);
        prop_assert!(file.longest.load(Ordering::Relaxed) <= LONGEST);
        prop_assert!(!matches!(result, Err(redb::Error::Corrupted(why)) if why == "no end"));
    }
}
