//! A vault to test with: one Argon2id run for the whole test program, at the floor.
#![allow(dead_code, reason = "each test program uses a part")]

pub mod at_each_call;
pub mod ordinary;
pub mod rotating;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use glassdome_lockmem::LockedBytes;
use glassdome_vault::kdf::{self, KdfInput, KdfParams, Kek};
use glassdome_vault::{CheckStep, Draft, Edit, Error, Found, Keys, SlotKind, Vault};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tempfile::TempDir;

pub const PASSWORD: &str = "vermilion-otter-plays-9-banjos";
pub const NOW: u64 = 1_700_000_000;

/// Input and key of one password, derived once.
pub fn kek() -> &'static (KdfInput, Kek) {
    static KEK: OnceLock<(KdfInput, Kek)> = OnceLock::new();
    KEK.get_or_init(|| {
        let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR).unwrap();
        let kek = derive(&input, PASSWORD);
        (input, kek)
    })
}

pub fn derive(input: &KdfInput, password: &str) -> Kek {
    kdf::derive(input, &LockedBytes::copied_from(password.as_bytes()).unwrap()).unwrap()
}

/// A new vault in a directory of its own.
pub struct Fresh {
    pub vault: Vault,
    pub keys: Keys,
    pub path: PathBuf,
    pub directory: TempDir,
}

pub fn fresh() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let (input, kek) = kek();
    let (vault, keys) = Vault::create(&path, input, kek, NOW).unwrap();
    Fresh { vault, keys, path, directory }
}

impl Fresh {
    /// Edits and commits.
    pub fn change<T>(&self, edit: impl FnOnce(&mut Draft<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut draft = self.vault.draft(&self.keys)?;
        let result = edit(&mut draft)?;
        self.vault.commit(draft.finish()?)?;
        Ok(result)
    }

    pub fn set(&self, name: &str, value: &[u8]) -> u64 {
        self.change(|draft| draft.set(name, value_edit(value), NOW)).unwrap()
    }

    pub fn value(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.vault.read(&self.keys, name)?.value().map(<[u8]>::to_vec))
    }

    /// Closes the file, lets `tamper` at it, and opens it again without comparing anything.
    pub fn tampered(self, tamper: impl FnOnce(&mut Raw)) -> Self {
        let Self { vault, keys, path, directory } = self;
        drop(vault);
        let mut raw = Raw::open(&path);
        tamper(&mut raw);
        drop(raw);
        Self { vault: present(&path), keys, path, directory }
    }

    /// Runs the background check to its end, a few rows at a time.
    pub fn check(&self) -> Result<CheckStep, Error> {
        let mut check = self.vault.check(&self.keys)?;
        loop {
            match check.step(&self.keys, 3)? {
                CheckStep::More => {}
                end => return Ok(end),
            }
        }
    }
}

pub fn value_edit(value: &[u8]) -> Edit<'_> {
    Edit { value: Some(value), ..Edit::default() }
}

/// The row of a slot, as everybody has it who reads the file.
pub fn slot_row(vault: &Vault, id: u8) -> Vec<u8> {
    let mut found = None;
    vault
        .rows(|table, key, row| {
            if (table, key) == ("slots", &[id]) {
                found = Some(row.to_vec());
            }
            Ok(())
        })
        .unwrap();
    found.unwrap()
}

/// What redb reads at once, in bytes.
pub const PAGE: usize = 4096;

/// Has the byte `at` of each of these pages be another one, by these bits.
pub fn spoil(path: &Path, pages: &[usize], at: usize, by: u8) {
    assert!(!pages.is_empty());
    let file = File::options().read(true).write(true).open(path).unwrap();
    for page in pages {
        let (mut byte, place) = ([0], (page + at) as u64);
        file.read_exact_at(&mut byte, place).unwrap();
        file.write_all_at(&[byte[0] ^ by], place).unwrap();
    }
}

pub fn present(path: &Path) -> Vault {
    match Vault::open(path).unwrap() {
        Found::Present(vault) => vault,
        Found::Missing => panic!("no vault at the path"),
    }
}

/// The file as anyone who can write it sees it.
pub struct Raw(Database);

const fn table(name: &str) -> TableDefinition<'_, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

impl Raw {
    pub fn open(path: &Path) -> Self {
        Self(Database::open(path).unwrap())
    }

    pub fn create(path: &Path) -> Self {
        Self(Database::create(path).unwrap())
    }

    pub fn rows(&self, name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let transaction = self.0.begin_read().unwrap();
        let rows = transaction.open_table(table(name)).unwrap();
        let rows = rows.iter().unwrap().map(|pair| {
            let (key, row) = pair.unwrap();
            (key.value().to_vec(), row.value().to_vec())
        });
        rows.collect()
    }

    pub fn put(&mut self, name: &str, key: &[u8], row: &[u8]) {
        let transaction = self.0.begin_write().unwrap();
        transaction.open_table(table(name)).unwrap().insert(key, row).unwrap();
        transaction.commit().unwrap();
    }

    /// Makes the table, if it is not there.
    pub fn touch(&mut self, name: &str) {
        let transaction = self.0.begin_write().unwrap();
        transaction.open_table(table(name)).unwrap();
        transaction.commit().unwrap();
    }

    pub fn delete(&mut self, name: &str, key: &[u8]) {
        let transaction = self.0.begin_write().unwrap();
        assert!(transaction.open_table(table(name)).unwrap().remove(key).unwrap().is_some());
        transaction.commit().unwrap();
    }
}
