//! A backup is the vault at one moment, whole or refused; and what it is recovered over is never lost.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use glassdome_vault::{Damage, Error, Found, Look, Recovered, Vault};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Fresh, fresh, kek, present};

/// All of a backup of the vault as it is now, read in parts of that many bytes.
fn backup(vault: &Vault, part: usize) -> Vec<u8> {
    let (mut backup, mut all) = (vault.backup().unwrap(), Vec::new());
    let mut out = vec![0; part];
    loop {
        let read = backup.read(vault, &mut out).unwrap();
        all.extend_from_slice(&out[..read]);
        if read < part {
            return all;
        }
    }
}

fn values(vault: &Vault, keys: &glassdome_vault::Keys, names: &[&str]) -> Vec<Option<Vec<u8>>> {
    let value = |name: &&str| vault.read(keys, name).ok().map(|opened| opened.value().unwrap().to_vec());
    names.iter().map(value).collect()
}

fn filled() -> Fresh {
    let it = fresh();
    it.set("small", b"v1");
    it.set("small", b"v2");
    it.set("large", &vec![7; 1 << 20]);
    for at in 0..300 {
        it.set(&format!("many/{at}"), format!("{at}").as_bytes());
    }
    it
}

fn damage(result: Result<Recovered, Error>) -> Damage {
    match result {
        Err(Error::Corrupt(damage)) => damage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_is_of_one_moment_and_comes_back_as_it_was() {
    let it = filled();
    let mut under_way = it.vault.backup().unwrap();
    let mut first = [0; 4096];
    assert_eq!(under_way.read(&it.vault, &mut first).unwrap(), first.len());
    it.set("small", b"v3");
    it.set("later", b"x");
    let mut stream = first.to_vec();
    let mut part = vec![0; 60 * 1024];
    loop {
        let read = under_way.read(&it.vault, &mut part).unwrap();
        stream.extend_from_slice(&part[..read]);
        if read < part.len() {
            break;
        }
    }
    // Another machine: nothing is there but the stream and the password.
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("vault");
    let recovered = Recovered::build(&stream[..], &place).unwrap();
    assert!(!place.exists(), "before it was checked");
    let keys = recovered.vault().unwrap(&kek().1).unwrap();
    assert_eq!(recovered.check(&keys).unwrap(), 302);
    assert!(!recovered.put_in_place(&directory.path().join("former")).unwrap());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
    let vault = present(&place);
    let names = ["small", "large", "many/299", "later"];
    let found = values(&vault, &keys, &names);
    assert_eq!(found, [Some(b"v2".to_vec()), Some(vec![7; 1 << 20]), Some(b"299".to_vec()), None]);
    assert_eq!(vault.info(&keys, "small").unwrap().versions.len(), 2, "with its history");
    assert_eq!(backup(&vault, 1000), stream, "the same rows, the same stream");
    assert_eq!(values(&it.vault, &it.keys, &names)[3], Some(b"x".to_vec()), "control");
}

#[test]
fn what_is_cut_damaged_or_longer_is_refused_and_leaves_nothing() {
    let it = fresh();
    it.set("a", b"1");
    let stream = backup(&it.vault, 4096);
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("vault");
    let refused = |stream: &[u8]| {
        let refused = Recovered::build(stream, &place);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left");
        damage(refused)
    };
    for len in (0..stream.len()).step_by(7).chain([stream.len() - 1]) {
        assert_eq!(refused(&stream[..len]), Damage::Backup, "cut at {len}");
    }
    assert_eq!(refused(&[&stream[..], b"x"].concat()), Damage::Backup);
    for at in (0..stream.len()).step_by(11) {
        let mut flipped = stream.clone();
        flipped[at] ^= 1 << (at % 8);
        assert_eq!(refused(&flipped), Damage::Backup, "byte {at}");
    }
    Recovered::build(&stream[..], &place).expect("control");
}

/// The stream without some of its rows, and a digest that fits.
fn forged(stream: &[u8], keep: impl Fn(u8, &[u8]) -> bool) -> Vec<u8> {
    let (mut out, mut at) = (stream[..8].to_vec(), 8);
    let len = |at: usize| u32::from_le_bytes(stream[at..at + 4].try_into().unwrap()) as usize;
    while stream[at] != 0xff {
        let key = len(at + 1);
        let row = len(at + 5 + key);
        let end = at + 9 + key + row;
        if keep(stream[at], &stream[at + 5..at + 5 + key]) {
            out.extend_from_slice(&stream[at..end]);
        }
        at = end;
    }
    out.push(0xff);
    let digest = blake3::hash(&out);
    out.extend_from_slice(digest.as_bytes());
    out
}

#[test]
fn what_somebody_made_of_it_is_noticed_by_who_opens_it() {
    let it = fresh();
    it.set("a", b"1");
    it.set("a", b"2");
    let stream = backup(&it.vault, 4096);
    assert_eq!(forged(&stream, |_, _| true), stream, "control");
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("vault");
    // Without a value, a version, a name; without a setting; without the sums.
    for table in [4, 5, 6, 7] {
        let recovered = Recovered::build(&forged(&stream, |of, _| of != table)[..], &place).unwrap();
        let keys = recovered.vault().unwrap(&kek().1).unwrap();
        assert!(matches!(recovered.check(&keys), Err(Error::Corrupt(Damage::Row))), "{table}");
    }
    let recovered = Recovered::build(&forged(&stream, |of, _| of != 2)[..], &place).unwrap();
    assert!(matches!(recovered.vault().unwrap(&kek().1), Err(Error::Corrupt(Damage::Control))));
    for table in [0, 1] {
        let forged = forged(&stream, |of, _| of != table);
        assert!(matches!(damage(Recovered::build(&forged[..], &place)), Damage::Header | Damage::Slot));
    }
}

#[test]
fn what_it_is_recovered_over_has_another_name_with_all_that_was_acknowledged() {
    let it = fresh();
    it.set("a", b"old");
    let stream = backup(&it.vault, 4096);
    it.set("a", b"new");
    let Fresh { vault, keys, path, directory } = it;
    // As after a kill: what was acknowledged lies beside the file.
    let (file, redo) = (path.clone(), path.with_file_name("vault.redo"));
    assert!(redo.exists(), "the change is not in the file yet");
    let copies = [(&file, "copy"), (&redo, "copy.redo")];
    for (from, to) in copies {
        fs::copy(from, directory.path().join(to)).unwrap();
    }
    drop(vault);
    let copies = copies.iter().rev();
    copies.for_each(|(to, from)| fs::rename(directory.path().join(from), to).unwrap());

    let former = path.with_file_name("former");
    let former_redo = former.with_file_name("former.redo");
    let recovered = || Recovered::build(&stream[..], &path).unwrap();
    // Each of the two names is somebody's, and stays so.
    for taken in [&former, &former_redo] {
        assert!(Recovered::former_is_free(&former).unwrap());
        fs::write(taken, b"in the way").unwrap();
        assert!(!Recovered::former_is_free(&former).unwrap());
        assert!(matches!(recovered().put_in_place(&former), Err(Error::Exists)));
        assert_eq!(fs::read(taken).unwrap(), b"in the way");
        fs::remove_file(taken).unwrap();
        assert_eq!(names(directory.path()), ["vault", "vault.redo"], "what was made for it is gone");
    }
    let was = [&file, &redo].map(|file| fs::read(file).unwrap());
    assert!(recovered().put_in_place(&former).unwrap());
    assert_eq!(names(directory.path()), ["former", "former.redo", "vault"]);
    assert_eq!([&former, &former_redo].map(|file| fs::read(file).unwrap()), was);
    let of = |path: &Path| {
        let Found::Present(vault) = Vault::open(path).unwrap() else { panic!("there is none") };
        values(&vault, &keys, &["a"]).remove(0).unwrap()
    };
    assert_eq!((of(&path), of(&former)), (b"old".to_vec(), b"new".to_vec()));
}

/// What lies in a directory, by name.
fn names(directory: &Path) -> Vec<String> {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn a_look_at_what_is_recovered_over_sees_all_that_was_acknowledged_and_leaves_it_as_it_is() {
    let it = fresh();
    it.change(|draft| draft.setting("s", Some(b"1"))).unwrap();
    it.vault.store_panic(Some(7)).unwrap();
    it.change(|draft| draft.setting("s", Some(b"2"))).unwrap();
    let Fresh { vault, keys, path, directory } = it;
    // As after a kill: neither closed nor settled.
    let there = tempfile::tempdir().unwrap();
    for name in ["vault", "vault.redo"] {
        fs::copy(directory.path().join(name), there.path().join(name)).unwrap();
    }
    let place = there.path().join("vault");
    let files = || ["vault", "vault.redo"].map(|name| fs::read(there.path().join(name)).unwrap());
    let was = files();
    for mode in [0o600, 0o400] {
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        let look = Look::at(&place).unwrap().unwrap();
        assert_eq!((look.id(), look.panic().unwrap()), (vault.id(), Some(7)));
        assert_eq!(look.setting(&keys, "s").unwrap().unwrap()[..], *b"2");
        assert_eq!(look.generation(&keys).unwrap(), vault.generation(&keys).unwrap());
        drop(look);
        assert_eq!((files(), names(there.path()).len()), (was.clone(), 2));
    }
    assert!(Look::at(&there.path().join("none")).unwrap().is_none());
    // With a password of its own: these keys open nothing of it.
    let other = fresh();
    drop(other.vault);
    let look = Look::at(&other.path).unwrap().unwrap();
    assert!(matches!(look.setting(&keys, "s"), Err(Error::Corrupt(Damage::Control))));
    // A bit anywhere: it is damage where it is seen, and the file is not mended.
    drop(vault);
    let whole = fs::read(&path).unwrap();
    for part in 0..64 {
        let mut damaged = whole.clone();
        let at = damaged.len() / 64 * part + 5;
        damaged[at] ^= 4;
        fs::write(&path, &damaged).unwrap();
        if let Err(error) = Look::at(&path).and_then(|look| look.expect("it is there").panic()) {
            assert!(matches!(error, Error::Corrupt(_)), "{error:?}");
        }
        assert!(fs::read(&path).unwrap() == damaged, "byte {at}");
    }
}

/// Set where the size of files is to be limited.
const LIMITED: &str = "GLASSDOME_TEST_LIMITED";

#[test]
fn what_cannot_be_brought_into_its_file_is_not_put_in_place() {
    if std::env::var_os(LIMITED).is_some() {
        return limited();
    }
    let program = std::env::current_exe().unwrap();
    // The signal is ignored, so that a write beyond the limit fails instead: EFBIG.
    let script = "trap '' XFSZ; exec \"$0\" --exact what_cannot_be_brought_into_its_file_is_not_put_in_place";
    let output = Command::new("sh").args(["-c", script]).arg(program).env(LIMITED, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn limited() {
    let it = fresh();
    let stream = backup(&it.vault, 4096);
    let Fresh { vault, path, directory, .. } = it;
    drop(vault);
    let was = fs::read(&path).unwrap();
    let former = path.with_file_name("former");
    let changed = || {
        let recovered = Recovered::build(&stream[..], &path).unwrap();
        let keys = recovered.vault().unwrap(&kek().1).unwrap();
        let mut draft = recovered.vault().draft(&keys).unwrap();
        draft.setting("s", Some(b"1")).unwrap();
        recovered.vault().commit(draft.finish().unwrap()).unwrap();
        recovered.vault().store_panic(Some(7)).unwrap();
        recovered
    };
    let recovered = changed();
    let limits = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(4096), ..limits }).unwrap();
    let refused = recovered.put_in_place(&former);
    setrlimit(Resource::Fsize, limits).unwrap();
    assert!(matches!(refused, Err(Error::Storage(_))), "{refused:?}");
    assert_eq!(names(directory.path()), ["vault"]);
    assert_eq!(fs::read(&path).unwrap(), was);

    assert!(changed().put_in_place(&former).unwrap(), "control");
    assert_eq!(names(directory.path()), ["former", "vault"]);
    assert_eq!(present(&path).panic().unwrap(), Some(7));
}
