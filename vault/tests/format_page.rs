//! The example in `docs/vault-format.md` is a vault: its rows, put into a file, open with its password.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::fmt::Write;

use glassdome_vault::{CheckStep, Edit, Error, Expires, SlotKind, Throttle, VersionKind};
use support::{NOW, PASSWORD, Raw, derive, fresh, present, value_edit};

const PAGE: &str = include_str!("../../docs/vault-format.md");

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn the_example_of_the_page_opens() {
    let (_, block) = PAGE.split_once("```rows\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    let mut raw = Raw::create(&path);
    for line in block.lines() {
        let [table, key, row] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        raw.put(table, &bytes(key), &bytes(row));
    }
    drop(raw);

    let vault = present(&path);
    let keys =
        vault.unwrap(&derive(&vault.kdf_input(SlotKind::Password).unwrap().unwrap(), PASSWORD)).unwrap();
    let mail = vault.read(&keys, "mail/ann").unwrap();
    assert_eq!((mail.version(), mail.expires()), (2, Some(1_800_000_000)));
    assert_eq!(mail.value(), Some(&b"correct horse"[..]));
    assert_eq!(mail.fields().collect::<Vec<_>>(), [("user", &b"ann"[..])]);
    let info = vault.info(&keys, "mail/ann").unwrap();
    assert_eq!((info.created, info.changed()), (NOW, NOW + 1));
    let mut draft = vault.draft(&keys).unwrap();
    assert_eq!(draft.restore("mail/ann", 1, NOW).unwrap(), 3);
    assert!(matches!(vault.read(&keys, "пароль"), Err(Error::NotFound)));
    let kinds: Vec<_> = vault.info(&keys, "пароль").unwrap().versions.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [VersionKind::Set, VersionKind::Removed]);
    assert_eq!(vault.setting(&keys, "policy").unwrap().unwrap().as_slice(), b"deny");
    assert_eq!(vault.throttle().unwrap(), Throttle { failures: 2, not_before: 1_700_000_009_000 });
    let mut check = vault.check(&keys).unwrap();
    assert_eq!(check.step(&keys, 100).unwrap(), CheckStep::Sound { rows: 7 });
}

/// Prints a new block for the page: `cargo test -p glassdome-vault --test format_page -- --ignored --nocapture`.
#[test]
#[ignore = "makes the example anew, for when the format changes"]
fn print_the_example() {
    let it = fresh();
    it.set("mail/ann", b"first");
    it.change(|draft| {
        let fields = [("user", Some(&b"ann"[..]))];
        let edit =
            Edit { fields: &fields, expires: Expires::At(1_800_000_000), ..value_edit(b"correct horse") };
        draft.set("mail/ann", edit, NOW + 1)?;
        draft.setting("policy", Some(b"deny"))?;
        draft.set("пароль", value_edit(b"\0\xff"), NOW)?;
        draft.remove("пароль", false, NOW)
    })
    .unwrap();
    it.vault.store_throttle(&Throttle { failures: 2, not_before: 1_700_000_009_000 }).unwrap();
    it.vault
        .rows(|table, key, row| {
            println!("{table} {} {}", hex(key), hex(row));
            Ok(())
        })
        .unwrap();
}
