//! A write that the system refuses changes nothing, says so, and leaves a vault that goes on working.
//!
//! The refusal is real: the test runs itself again under a limit of the file's size (`RLIMIT_FSIZE`), which
//! needs no privilege and no mount.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::process::Command;

use glassdome_vault::{Backup, CheckStep, Draft, Error, Recovered};
use support::{fresh, value_edit};

/// Set where the limit is.
const LIMITED: &str = "GLASSDOME_TEST_LIMITED";

#[test]
fn a_full_disk_changes_nothing_and_the_vault_goes_on() {
    if std::env::var_os(LIMITED).is_some() {
        return limited();
    }
    let program = std::env::current_exe().unwrap();
    // 8 MiB in blocks of 512 bytes. The signal is ignored, so that the write fails instead: EFBIG.
    let script = "trap '' XFSZ; ulimit -S -f 16384; exec \"$0\" --exact a_full_disk_changes_nothing_and_the_vault_goes_on";
    let output = Command::new("sh").args(["-c", script]).arg(program).env(LIMITED, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

fn limited() {
    let it = fresh();
    it.set("kept", b"value");
    let large = vec![7; 1024 * 1024];
    let mut stored = Vec::new();
    let error = loop {
        let name = format!("s{}", stored.len());
        match it.change(|draft| draft.set(&name, value_edit(&large), support::NOW)) {
            Ok(_) => stored.push(name),
            Err(error) => break error,
        }
        assert!(stored.len() < 100, "the limit is not in force");
    };
    assert!(
        matches!(&error, Error::Storage(source) if source.kind() == std::io::ErrorKind::FileTooLarge),
        "{error:?}"
    );
    assert!(!stored.is_empty());
    for _ in 0..2 {
        // The same open vault: what was there is there, what was refused is not.
        assert_eq!(it.value("kept").unwrap().unwrap(), b"value");
        for name in &stored {
            assert_eq!(it.value(name).unwrap().unwrap(), large);
        }
        assert!(matches!(it.value(&format!("s{}", stored.len())), Err(Error::NotFound)));
        assert!(matches!(it.check().unwrap(), CheckStep::Sound { .. }));
        let again = it.change(|draft| draft.set("again", value_edit(&large), support::NOW));
        assert!(matches!(again, Err(Error::Storage(_))));
    }
    // Room is made, and used.
    it.change(|draft| stored.iter().try_for_each(|name| draft.remove(name, true, support::NOW))).unwrap();
    it.set("kept", b"new value");
    assert_eq!(it.value("kept").unwrap().unwrap(), b"new value");
    it.set("again", &large);
    assert!(matches!(it.check().unwrap(), CheckStep::Sound { .. }));
    what_is_under_way_goes_on(&large);
}

/// The file is opened anew behind a change that was refused: what is read of it goes on where nothing else was changed,
/// and says so where what it reads is not held any longer.
fn what_is_under_way_goes_on(large: &[u8]) {
    let it = fresh();
    // More than is kept of it in memory.
    for number in 0..60 {
        it.set(&format!("s{number}"), &large[..40_000]);
    }
    let refused = || {
        let before = it.vault.opened_again();
        let all = |draft: &mut Draft<'_>| {
            (0..9).try_for_each(|n| draft.set(&format!("l{n}"), value_edit(large), support::NOW).map(drop))
        };
        let refused = it.change(all);
        assert!(matches!(refused, Err(Error::Storage(_))), "{refused:?}");
        assert_eq!(it.value("s7").unwrap().unwrap(), large[..40_000]);
        assert!(it.vault.opened_again() > before);
    };
    let rest = |backup: &mut Backup| {
        let (mut all, mut part) = (Vec::new(), vec![0; 60 * 1024]);
        loop {
            let read = backup.read(&it.vault, &mut part)?;
            all.extend_from_slice(&part[..read]);
            if read < part.len() {
                return Ok::<_, Error>(all);
            }
        }
    };
    let mut backup = it.vault.backup().unwrap();
    let mut stream = vec![0; 100_000];
    backup.read(&it.vault, &mut stream).unwrap();
    refused();
    stream.extend_from_slice(&rest(&mut backup).unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let recovered = Recovered::build(&stream[..], &elsewhere.path().join("vault")).unwrap();
    assert_eq!(recovered.check(&it.keys).unwrap(), 60);
    drop(recovered);

    let mut backup = it.vault.backup().unwrap();
    backup.read(&it.vault, &mut stream[..100_000]).unwrap();
    let mut check = it.vault.check(&it.keys).unwrap();
    assert_eq!(check.step(&it.keys, 1).unwrap(), CheckStep::More);
    it.set("small", b"1");
    refused();
    for _ in 0..2 {
        let ended = rest(&mut backup).map(|all| all.len());
        assert!(matches!(ended, Err(Error::OpenedAnew)), "that moment is gone: {ended:?}");
    }
    assert!(matches!(check.step(&it.keys, u32::MAX), Err(Error::OpenedAnew)));
    assert!(matches!(it.check().unwrap(), CheckStep::Sound { .. }), "begun again");
}
