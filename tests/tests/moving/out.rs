//! `ctl export`: for the master password alone, all of it, and each secret recorded before it leaves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, python_with_package, text, wait_until};
use serde_json::{Value, json};

use crate::{export, holds, sorted, taken_in};

fn exports(world: &World) -> Vec<Value> {
    world.audit().into_iter().filter(|record| record["event"] == "export").collect()
}

#[test]
fn values_of_every_kind_leave_and_come_back() {
    const MIB: usize = 1024 * 1024;
    let world = World::unlocked();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..MIB).map(|at| (at * 31 % 251) as u8).collect();
    world.set("binary", all_bytes.clone());
    world.set("large", large.clone());
    world.set("empty", "");
    world.set("deep/ключ \"q\"", "v\u{0}\u{1f}\n\u{2028}🔑");
    world.ctl(&["set", "deep/fields", "--field", "user", "--stdin"]).stdin("ann").ok();
    world.ctl(&["set", "deep/fields", "--field", "raw", "--stdin"]).stdin(all_bytes.clone()).ok();
    world.ctl(&["set", "dated", "--stdin", "--expires", "2031-02-03"]).stdin("x").ok();
    let many: String = (0..300).map(|at| format!("many_{at}=value {at}\n")).collect();
    taken_in(&world, &[text(&world.file("many.env", many))]);

    let file = world.home("all.json");
    let out = export(&world, &["--out", text(&file)]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.is_empty() && out.stderr.starts_with("306 out\n"), "{}", out.stderr);
    assert!(out.stderr.contains(&format!("shred -u {}", text(&file))), "{}", out.stderr);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let whole = fs::read(&file).unwrap();

    let other = World::unlocked();
    let moved = other.file("all.json", &whole);
    let line = taken_in(&other, &[text(&moved)]);
    assert!(line.starts_with("306 in\n") && line.contains(&format!("shred -u {}", text(&moved))), "{line}");
    holds(
        &other,
        &[
            ("binary", "", &all_bytes),
            ("large", "", &large),
            ("empty", "", b""),
            ("deep/ключ \"q\"", "", "v\u{0}\u{1f}\n\u{2028}🔑".as_bytes()),
            ("deep/fields", "user", b"ann"),
            ("deep/fields", "raw", &all_bytes),
            ("many_299", "", b"value 299"),
        ],
    );
    other.ctl(&["get", "deep/fields"]).refused(5);
    assert!(other.ctl(&["info", "dated"]).text().contains("2031-02-03"));
    assert_eq!(sorted(&whole), sorted(&export(&other, &[]).ok()));

    // A file that is there stays, unless it may go; and what no glob finds makes none.
    assert!(export(&world, &["--out", text(&file)]).refused(9).contains("all.json"));
    export(&world, &["dated", "--out", text(&file), "--replace"]).ok();
    assert_eq!(sorted(&fs::read(&file).unwrap()).len(), 1);
    let none = world.home("none.json");
    export(&world, &["no/**", "--out", text(&none)]).refused(5);
    assert!(!none.exists());
}

#[test]
fn only_the_master_password_exports_and_the_log_has_each_secret() {
    let world = World::unlocked();
    world.set("a", "first secret");
    world.set("b/c", "second secret");
    let granted = world.ctl(&["get", "a"]).ok();
    assert_eq!(granted, b"first secret", "control: this terminal may read");
    world.ctl(&["export"]).refused(13);
    world.ctl(&["export", "--password-stdin"]).stdin("not the password\n").refused(7);
    let out = wait_until(|| export(&world, &["b/*"]).code == 0, Duration::from_secs(20));
    assert!(out, "after the pause that a wrong one costs");
    let told: Vec<(String, String, Value)> = exports(&world)
        .into_iter()
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            (text("outcome"), text("by"), record["secret"].clone())
        })
        .filter(|(_, by, _)| by != "throttled")
        .collect();
    let record = |outcome: &str, by: &str, secret| (outcome.to_owned(), by.to_owned(), secret);
    assert_eq!(
        told,
        [
            record("denied", "wrong-password", Value::Null),
            record("allowed", "master-password", Value::Null),
            record("allowed", "master-password", json!("b/c")),
        ]
    );
    let shown = world.ctl(&["log", "b/c"]).text();
    assert!(shown.contains("export b/c"), "{shown}");

    world.ctl(&["lock"]).ok();
    export(&world, &[]).refused(3);
}

#[test]
fn bait_leaves_like_anything_else_and_sets_off_nothing() {
    let world = World::unlocked();
    world.set("a", "1");
    world.ctl(&["set", "bait", "--canary", "--stdin"]).stdin("2").ok();
    let out = export(&world, &[]).ok();
    assert_eq!(sorted(&out), [json!({"name": "a", "value": "1"}), json!({"name": "bait", "value": "2"})]);
    assert_eq!(world.status()["state"], "unlocked");
    world.ctl(&["get", "bait"]).output();
    assert_eq!(world.status()["state"], "locked", "control: it is bait");
}

#[test]
fn lines_of_a_file_hold_what_they_can_and_the_rest_is_named() {
    const PLAIN: &str = " a `b` \"c\" #d %e !f {g} ü = ";
    let world = World::unlocked();
    for (name, value) in
        [("shop/dev/TOKEN", "it's ${HOME}"), ("shop/dev/PLAIN", PLAIN), ("shop/dev/PEM", "-----\nx\n")]
    {
        world.set(name, value);
    }
    world.set("shop/dev/deep/X", "x");
    world.set("shop/dev/BINARY", [0xff, 0]);
    world.ctl(&["set", "shop/dev/PLAIN", "--field", "user", "--stdin"]).stdin("ann").ok();
    world.set("other", "y");
    let file = world.home("dev.env");
    let out = export(&world, &["--format", "env", "--prefix", "shop/dev/", "--out", text(&file)]);
    assert_eq!(out.code, 2, "{}", out.stderr);
    let line = out.stderr.lines().next().unwrap();
    assert!(line.starts_with("2 out, 4 left out ("), "{line}");
    for left in
        ["BINARY: not text", "deep/X: no name of a variable", "PLAIN#user: a field", "TOKEN: it holds '"]
    {
        assert!(line.contains(left), "{left}: {line}");
    }
    // A shell, python-dotenv and our own import take the same out of it.
    let sourced = world.shell(&format!(". {}; printf '%s|%s' \"$PLAIN\" \"$PEM\"", text(&file))).text();
    assert_eq!(sourced, format!("{PLAIN}|-----\nx\n"));
    let loaded = "import dotenv, sys; read = dotenv.dotenv_values(sys.argv[1], encoding='utf-8')\n\
                  sys.stdout.write(read['PLAIN'] + '|' + read['PEM'])";
    let loaded = world.program(python_with_package(), &["-c", loaded, text(&file)]).text();
    assert_eq!(loaded, sourced);
    taken_in(&world, &[text(&file), "--prefix", "again"]);
    holds(&world, &[("again/PLAIN", "", PLAIN.as_bytes()), ("again/PEM", "", b"-----\nx\n")]);
    let none = world.home("none.env");
    let line = export(&world, &["shop/dev/BINARY", "--format", "env", "--out", text(&none)]).refused(2);
    assert!(line.contains("nothing was written: 0 out, 1 left out (shop/dev/BINARY: no name"), "{line}");
    assert!(!none.exists());
    let line = export(&world, &["--prefix", "shop/*"]).refused(2);
    assert!(line.contains("no glob"), "{line}");
}

#[test]
fn a_terminal_is_shown_nothing_unless_it_is_asked_for() {
    let world = World::unlocked();
    world.set("a", "not for the screen");
    let mut terminal = world.terminal("ctl export --password-fd 3 3<<'.'\nx\n.\n");
    terminal.expect("secrets are not for a terminal");
}

#[test]
fn a_lock_ends_an_export_in_its_middle() {
    let world = World::unlocked();
    for at in 0..12 {
        world.set(&format!("large/{at}"), vec![b'x'; 1 << 20]);
    }
    // The reader takes a little, locks, and takes the rest.
    let script = format!(
        "ctl export --password-fd 3 3<<'.' | {{ head -c 100000 > part; ctl lock; cat >> part; }}\n{PASSWORD}\n.\n\
         printf '%s ' \"${{PIPESTATUS[@]}}\"; wc -c < part"
    );
    let out = world.program(Path::new("/bin/bash"), &["-c", &script]).output();
    let told = String::from_utf8(out.stdout).unwrap();
    let [code, _, len] = told.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{told:?} {}", out.stderr)
    };
    assert!(code == "3" || code == "6", "{told} {}", out.stderr);
    assert!(len.parse::<usize>().unwrap() < 12 << 20, "{told}");
    assert_eq!(world.status()["state"], "locked");
    // What is cut off is no export.
    world.start(PASSWORD);
    let line = world.ctl(&["import", text(&world.home("part")), "--format", "json"]).refused(2);
    assert!(line.contains("is not read"), "{line}");
}
