//! What a vault must hold to, whatever somebody who can write its file made of it: it is refused
//! with an error and left as it is, or it opens, and then gives nothing that was not put in.

use std::backtrace::Backtrace;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use glassdome_lockmem::LockedBytes;
use glassdome_vault::kdf::{self, KdfParams};
use glassdome_vault::{CheckStep, Edit, Error, Found, Keys, Recovered, SlotKind, Vault};

const NOW: u64 = 1_700_000_000;
/// Rows of the background check at a time, and how often at most: far more than the file has.
const STEP: u32 = 1000;
const STEPS: u32 = 100;

/// An honest vault, its keys, and a place to put altered ones.
pub struct Honest {
    /// The file, closed.
    pub file: Vec<u8>,
    /// A backup of it.
    pub backup: Vec<u8>,
    keys: Mutex<Keys>,
    /// Where an altered file goes.
    pub path: PathBuf,
}

/// Each secret that the honest vault holds: name, values old and new.
const SECRETS: [(&str, &[&[u8]]); 4] = [
    ("aws/prod/key", &[b"first", b"second", b"third"]),
    ("data/\u{43a}\u{43b}\u{44e}\u{447}", &[b"\x00\xff\n"]),
    ("empty", &[b""]),
    ("long", &[&[0x6d; 20_000]]),
];

/// The honest vault. It is made once and kept, so that a finding can be seen again: what an input
/// does to the file depends on what lies where in it. `FUZZ_HONEST` says where it is kept.
pub fn honest() -> &'static Honest {
    static HONEST: OnceLock<Honest> = OnceLock::new();
    HONEST.get_or_init(|| {
        let kept = std::env::var_os("FUZZ_HONEST").expect("scripts/fuzz says where the honest vault is kept");
        let path = std::env::temp_dir().join(format!("vault-{}", process::id()));
        // Worked on beside: the kept one is only ever read, and put there whole.
        if fs::copy(&kept, &path).is_err() {
            fill(&path).expect("an honest vault is made");
            let whole = Path::new(&kept).with_extension(process::id().to_string());
            fs::copy(&path, &whole).and_then(|_| fs::rename(&whole, &kept)).expect("it is kept");
        }
        let file = fs::read(&path).expect("an honest vault is read");
        let keys = unlock(&path).expect("an honest vault of this format: else remove it");
        let backup = backup(&path).expect("an honest vault is backed up");
        Honest { file, backup, keys: Mutex::new(keys), path }
    })
}

impl Honest {
    /// Its keys.
    pub fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn backup(path: &Path) -> Result<Vec<u8>, Error> {
    let Found::Present(vault) = Vault::open(path)? else { return Err(Error::NotFound) };
    let (mut backup, mut all, mut part) = (vault.backup()?, Vec::new(), [0; 4096]);
    loop {
        let read = backup.read(&vault, &mut part)?;
        all.extend_from_slice(&part[..read]);
        if read < part.len() {
            return Ok(all);
        }
    }
}

fn unlock(path: &Path) -> Result<Keys, Error> {
    let Found::Present(vault) = Vault::open(path)? else { return Err(Error::NotFound) };
    let input = vault.kdf_input(SlotKind::Password)?.ok_or(Error::NotFound)?;
    vault.unwrap(&kdf::derive(&input, &password()?)?)
}

fn password() -> Result<LockedBytes, Error> {
    Ok(LockedBytes::copied_from(b"a password")?)
}

fn fill(path: &Path) -> Result<(), Error> {
    let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR)?;
    let kek = kdf::derive(&input, &password()?)?;
    let (vault, keys) = Vault::create(path, &input, &kek, NOW)?;
    for (name, values) in SECRETS {
        for value in values {
            let mut draft = vault.draft(&keys)?;
            draft.set(name, Edit { value: Some(value), ..Edit::default() }, NOW)?;
            vault.commit(draft.finish()?)?;
        }
    }
    Ok(())
}

/// Makes a vault out of `backup`, and does with it what a recovery does.
pub fn recover(backup: &[u8]) {
    let honest = honest();
    let place = honest.path.with_extension("recovered");
    if let Ok(recovered) = Recovered::build(backup, &place) {
        let keys = honest.keys();
        ignored(recovered.vault().slots());
        if recovered.check(&keys).is_ok() {
            unlocked(recovered.vault(), &keys);
        }
    }
    assert!(!place.exists(), "nothing was to be put there");
}

/// Puts `file` where a vault lies and does with it what a daemon does: without the keys, then with
/// them.
pub fn open(file: &[u8]) {
    let honest = honest();
    // What the last one left beside it follows the honest file, and would be taken for its own.
    match fs::remove_file(honest.path.with_extension("redo")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
    fs::write(&honest.path, file).expect("a file is written");
    open_as_it_lies();
}

/// The same with the file that lies there.
pub fn open_as_it_lies() {
    let honest = honest();
    let before = fs::read(&honest.path).expect("a file is read");
    match Vault::open(&honest.path) {
        Ok(Found::Present(vault)) => {
            let keys = honest.keys();
            locked(&vault);
            unlocked(&vault, &keys);
        }
        Ok(Found::Missing) => panic!("there is a file"),
        Err(_) => {
            let after = fs::read(&honest.path).expect("a file is read");
            assert!(before == after, "refused, and changed all the same");
        }
    }
}

fn locked(vault: &Vault) {
    for slot in vault.slots().into_iter().flatten() {
        let params = slot.params;
        assert!(KdfParams::new(params.m_kib(), params.t(), params.p()).is_ok(), "out of bounds");
    }
    ignored(vault.throttle());
    ignored(vault.stats());
    ignored(vault.rows(|_, _, _| Ok(())));
}

fn unlocked(vault: &Vault, keys: &Keys) {
    for (name, values) in SECRETS {
        if let Ok(opened) = vault.read(keys, name) {
            let value = opened.value().expect("each was stored with a value");
            assert!(values.contains(&value), "a value that was never stored under {name}");
        }
        if let Ok(info) = vault.info(keys, name) {
            assert_eq!(info.name, name);
        }
    }
    if let Ok(page) = vault.page(keys, None, 100) {
        for (_, info) in page.secrets {
            assert!(SECRETS.iter().any(|(name, _)| *name == info.name), "a name that was never stored");
        }
    }
    ignored(vault.setting(keys, "idle"));
    ignored(vault.generation(keys));
    checked(vault, keys);
    // A write follows what the file says of its free pages.
    ignored(changed(vault, keys));
    ignored(vault.read(keys, SECRETS[0].0));
    checked(vault, keys);
}

fn changed(vault: &Vault, keys: &Keys) -> Result<(), Error> {
    let mut draft = vault.draft(keys)?;
    let value = Some(&[0x57; 9000][..]);
    draft.set("written", Edit { value, ..Edit::default() }, NOW)?;
    draft.remove(SECRETS[3].0, true, NOW)?;
    vault.commit(draft.finish()?)?;
    Ok(())
}

fn checked(vault: &Vault, keys: &Keys) {
    let Ok(mut check) = vault.check(keys) else { return };
    for _ in 0..STEPS {
        match check.step(keys, STEP) {
            Ok(CheckStep::More) => {}
            _ => return,
        }
    }
    panic!("a check without an end");
}

/// Any answer is right, as long as there is one.
fn ignored<T>(_: Result<T, Error>) {}

/// Runs a target's body. The vault catches the panics of its store, which libFuzzer would take for
/// findings: only one that gets past the vault is.
pub fn catching(body: impl FnOnce()) {
    static HOOK: OnceLock<()> = OnceLock::new();
    static LAST: Mutex<String> = Mutex::new(String::new());
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    HOOK.get_or_init(|| {
        panic::set_hook(Box::new(move |panic| *last() = format!("{panic}\n{}", Backtrace::capture())));
    });
    if panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
        eprintln!("{}", last());
        process::abort();
    }
}
