//! A store made by the real `pass` and `gpg`.

use std::fs;
use std::os::unix::fs::symlink;

use glassdome_tests::{World, text};
use serde_json::json;

use crate::{holds, moves_on, report, taken_in};

const BINARY: &[u8] = b"\x00\xff\n\x01 binary\r\n";

/// A key without a passphrase, a store for it, and one entry that another key sealed.
const MADE: &str = r#"
set -e
mkdir -m 700 "$HOME/.gnupg"
key() { gpg --batch --quiet --passphrase '' --quick-generate-key "$1" default default never; }
key mine && key other
pass init mine
printf 'pw one\n' | pass insert -m flat
printf 'p: w\nlogin: ann\nurl: https://a.example\notpauth://totp/x?secret=JBSWY3DP\n\nfree text  \n' | pass insert -m web/mail/full
printf '%s\n' '-----BEGIN KEY-----' 'MIIE: x' '-----END KEY-----' | pass insert -m 'keys/of mine'
pass insert -m raw < binary
gpg --batch --quiet --recipient other --encrypt --output .password-store/sealed.gpg binary
gpg --batch --yes --quiet --delete-secret-and-public-key "$(gpg --list-keys --with-colons other | sed -n 's/^fpr:*\([^:]*\):$/\1/p;' | head -n 1)"
"#;

const HELD: [(&str, &str, &[u8]); 8] = [
    ("flat", "", b"pw one"),
    ("web/mail/full", "", b"p: w"),
    (
        "web/mail/full",
        "notes",
        b"login: ann\nurl: https://a.example\notpauth://totp/x?secret=JBSWY3DP\n\nfree text  \n",
    ),
    ("web/mail/full", "login", b"ann"),
    ("web/mail/full", "url", b"https://a.example"),
    ("web/mail/full", "totp", b"otpauth://totp/x?secret=JBSWY3DP"),
    ("keys/of mine", "", b"-----BEGIN KEY-----\nMIIE: x\n-----END KEY-----\n"),
    ("raw", "", BINARY),
];

#[test]
fn a_store_comes_in_through_gpg_and_what_does_not_open_is_named() {
    let world = World::unlocked();
    world.file("binary", BINARY);
    let made = world.shell(MADE).output();
    assert_eq!(made.code, 0, "{}", made.stderr);
    let store = world.home(".password-store");
    symlink("/etc/passwd", store.join("link.gpg")).unwrap();
    fs::create_dir(store.join(".git")).unwrap();
    fs::write(store.join(".git/hidden.gpg"), "x").unwrap();

    let shown = world.program(std::path::Path::new("/usr/bin/pass"), &["show", "web/mail/full"]).ok();
    let import = || world.ctl(&["import", "--format", "pass", "--json"]).output();
    let out = import();
    assert_eq!(out.code, 0, "{}", out.stderr);
    let told = report(&out);
    assert_eq!(told["created"], 4);
    let skipped = told["skipped"].as_array().unwrap();
    let reason = |path: &str| {
        let one = skipped.iter().find(|one| one["path"] == path).unwrap_or_else(|| panic!("{path}: {told}"));
        one["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(skipped.len(), 2, "{told}");
    assert_eq!(reason("link.gpg"), "a symbolic link");
    assert!(reason("sealed").contains("No secret key"), "{told}");
    holds(&world, &HELD);
    assert_eq!(
        shown,
        [HELD[1].2, b"\n", HELD[2].2].concat(),
        "value and notes are the entry as pass shows it"
    );

    // As a directory, under a prefix; and again, where nothing is new.
    let line = taken_in(&world, &[text(&store), "--prefix", "old", "--dry-run"]);
    assert!(line.starts_with("4 would be in, 2 skipped ("), "{line}");
    assert_eq!(report(&import())["same"], json!(4));
    assert!(!import().stderr.contains("shred"), "what is there is sealed");
    moves_on(&world, &HELD);
    world.shell("gpgconf --kill all").ok();
}

#[test]
fn without_gpg_or_a_store_it_is_said() {
    let world = World::unlocked();
    let line = world.ctl(&["import", "--format", "pass"]).refused(1);
    assert!(line.contains(".password-store"), "{line}");
    let store = world.home("store");
    fs::create_dir(&store).unwrap();
    for name in [".gpg-id", "a.gpg"] {
        fs::write(store.join(name), "x").unwrap();
    }
    let run = world.ctl(&["import", text(&store)]).env("PATH", "/nowhere");
    let line = run.refused(1);
    assert!(line.contains("cannot run gpg"), "{line}");
    let line = world.ctl(&["import", text(&store)]).refused(2);
    assert!(line.starts_with("0 in, 1 skipped (a: gpg: "), "{line}");
}
