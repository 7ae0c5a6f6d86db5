//! The main job: a vault is made at a terminal, unlocked once, and then serves every shell and
//! script of its owner until it is locked; and what goes in comes out byte for byte.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::thread;
use std::time::Duration;

use glassdome_tests::{PASSWORD, User, World, wait_until};

#[test]
fn first_use_at_a_terminal() {
    let world = World::new();
    let mut terminal = world.shell_at_terminal();
    terminal.run("glassdome_start");
    let explained = terminal.expect("New master password (not shown): ");
    assert_eq!(explained.lines().count(), 4, "three lines and the prompt: {explained}");
    assert!(explained.starts_with("There is no vault yet."));
    // Typed differently, then too easy to guess, then well.
    terminal.send_line("first otters juggle plums");
    terminal.expect("Once more: ");
    terminal.send_line("other otters juggle plums");
    terminal.expect("They differ.");
    for prompt in ["New master password (not shown): ", "Once more: "] {
        terminal.expect(prompt);
        terminal.send_line("password1");
    }
    let reason = terminal.expect("--accept-weak");
    assert!(reason.contains("weak password (strength "), "{reason}");
    for prompt in ["New master password (not shown): ", "Once more: "] {
        terminal.expect(prompt);
        terminal.send_line(PASSWORD);
    }
    terminal.expect("✓ unlocked until ");
    terminal.expect("(8 h). Lock: ctl lock\n[0] ");
    for typed in ["otters", "password1"] {
        assert!(!terminal.shown().contains(typed), "a password was shown: {:?}", terminal.shown());
    }
    // Open already: no question.
    terminal.run("glassdome_start");
    terminal.expect("✓ unlocked until ");
    let rest = terminal.expect("[0] ");
    assert!(!rest.contains("assword") && !terminal.shown().ends_with("assword: "), "{rest}");

    // A value is typed as hidden as a password, and shown with a newline, on a terminal only.
    terminal.run("ctl set typed && ctl get typed && ctl get -n typed");
    for prompt in ["Value (not shown): ", "Once more: "] {
        terminal.expect(prompt);
        terminal.send_line("tüped");
    }
    terminal.expect("✓ stored typed (version 1)\n");
    assert_eq!(terminal.expect("[0] "), "tüped\ntüped[0] ");
    terminal.run("printf '\\33[2J' | ctl set steers --stdin; ctl get steers");
    terminal.expect("Use --out FILE or a pipe");
    terminal.expect("[2] ");
    assert!(!terminal.shown().contains('\x1b'));

    // Another terminal is asked once more, and has its answers then.
    let mut another = world.shell_at_terminal();
    another.run("ctl get typed");
    let refused = another.expect("[4] ");
    assert!(refused.contains("Type: ctl unlock"), "{refused}");
    another.run("ctl unlock");
    another.expect("Master password, to grant this terminal: ");
    another.send_line(PASSWORD);
    another.expect("this terminal is granted");
    another.expect("[0] ");
    another.run("ctl get typed");
    assert_eq!(another.expect("[0] "), "tüped\n[0] ");
    another.run("exit 0");
    assert_eq!(another.end(), 0);
    // And the tests' own, by a descriptor.
    assert!(world.ctl(&["get", "typed"]).refused(4).contains("denied typed: "));
    world.start(PASSWORD);
    assert_eq!(world.ctl(&["get", "typed"]).ok(), "tüped".as_bytes());
}

#[test]
fn one_unlock_serves_many_until_the_lock() {
    let world = World::new();
    let out = world.unlock("easy", &["--quiet"]);
    assert_eq!((out.code, &*out.stderr), (0, ""), "a weak one is taken when that is said, and quietly");
    world.set("db/password", "tr0ub4dor");
    let script = world.file("deploy.sh", "#!/bin/sh\n(ctl get db/password)\n");
    let script = script.to_str().unwrap();
    let allow = ["policy", "allow", "--secrets", "db/*", "--script", script, "--password-stdin"];
    world.ctl(&allow).stdin("easy\n").ok();
    let password = world.file("password", "easy\n");
    let typed = format!(
        "glassdome_start --quiet --password-fd 3 3< {}; \
         for i in 1 2 3 4 5 6 7 8; do v=$(ctl get db/password); printf %s \"$v\" | cat; done",
        password.display()
    );
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(world.shell(&typed).ok(), b"tr0ub4dor".repeat(8)));
        for _ in 0..8 {
            scope.spawn(|| {
                assert_eq!(world.ctl(&["get", "db/password"]).ok(), b"tr0ub4dor");
                assert_eq!(world.shell(&format!("sh {script} | sh -c cat")).ok(), b"tr0ub4dor");
            });
        }
    });
    let records = world.audit();
    let count = |event: &str| records.iter().filter(|record| record["event"] == event).count();
    assert_eq!((count("get"), count("create"), count("unlock")), (24, 1, 1), "{records:#?}");
    let by_rule = records.iter().filter(|record| record["event"] == "get" && record["by"] == "rule:deploy");
    assert_eq!(by_rule.count(), 8, "the others were typed");
    status_forms(&world);

    world.ctl(&["lock"]).ok();
    assert_eq!(
        world.ctl(&["get", "db/password"]).refused(3),
        "ctl: locked: you locked it. Unlock: glassdome_start"
    );
    for args in [&["list"][..], &["info", "db/password"], &["set", "x", "--generate"], &["rm", "db/password"]]
    {
        world.ctl(args).refused(3);
    }
    let status = world.status();
    assert_eq!((&status["state"], &status["reason"]), (&"locked".into(), &"requested".into()));
    assert!(status["vault"]["secrets"].is_null(), "nothing is counted while locked");
    assert!(world.ctl(&["status"]).text().starts_with("locked: you locked it. Unlock: glassdome_start\n"));
    let short = || world.ctl(&["status", "--short"]).text() == "🔒\n";
    assert!(wait_until(short, Duration::from_secs(10)));
    assert_eq!(world.ctl(&["status", "-q"]).output().code, 3);

    assert!(world.unlock("wrong", &[]).refused(7).contains("wrong password"));
    assert!(wait_until(|| world.unlock("easy", &[]).code == 0, Duration::from_secs(10)));
    assert_eq!(world.ctl(&["get", "db/password"]).ok(), b"tr0ub4dor");

    let daemon = world.daemon().expect("a daemon runs");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();
    assert_eq!(world.status()["state"], "no-daemon");
    assert_eq!(world.ctl(&["status", "--short"]).text(), "");
    assert_eq!(world.ctl(&["status", "-q"]).output().code, 6);
    world.start("easy");
    assert_eq!(world.ctl(&["get", "db/password"]).ok(), b"tr0ub4dor");
}

fn status_forms(world: &World) {
    let status = world.status();
    assert_eq!(status["state"], "unlocked");
    assert_eq!(status["vault"]["secrets"], 1);
    assert_eq!(status["daemon"]["pid"], world.daemon_pid());
    let left = status["left_s"].as_u64().unwrap();
    assert!((28_000..=28_800).contains(&left), "{left}");
    let text = world.ctl(&["status"]).text();
    assert!(text.starts_with("unlocked until ") && text.contains("there, 1 secret\n"), "{text}");
    for (args, start) in [
        (vec!["--short"], "🔓 7h"),
        (vec!["--short", "--ascii"], "U 7h"),
        (vec!["--short", "--tmux"], "#[fg="),
    ] {
        // On a busy machine it says nothing rather than keep a prompt waiting.
        let told = || world.ctl(&[&["status"], &args[..]].concat()).text().starts_with(start);
        assert!(wait_until(told, Duration::from_secs(10)), "{args:?}");
    }
    let line = world.ctl(&["status", "--format", "{state}|{icon}|{{"]).text();
    assert_eq!(line, "unlocked|🔓|{\n");
    let out = world.ctl(&["status", "-q"]).output();
    assert_eq!((out.code, out.stdout, out.stderr), (0, vec![], String::new()));
}

#[test]
fn another_master_password() {
    const NEXT: &str = "nine herons borrow lamps";
    let world = World::unlocked();
    world.set("a", "1");
    let passwd = |lines: String| world.ctl(&["passwd", "--password-stdin"]).stdin(lines).output();
    assert!(passwd(format!("{PASSWORD}\npassword1\n")).refused(2).contains("weak password"));
    passwd(format!("{PASSWORD}\n{NEXT}\n")).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "the session goes on");
    world.ctl(&["lock"]).ok();
    world.unlock(PASSWORD, &[]).refused(7);
    assert!(wait_until(|| world.unlock(NEXT, &[]).code == 0, Duration::from_secs(10)));
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
    // By a descriptor as well, and after a restart.
    let daemon = world.daemon().expect("a daemon runs");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();
    let file = world.file("password", format!("{NEXT}\n"));
    world.shell(&format!("exec glassdome_start --password-fd 3 3< {}", file.display())).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1");
}

const DOTENV: &str = "\u{feff}# production\r\n\
    DB_PASSWORD='p w=\"#$ö'   # quoted once\r\n\
    export API_TOKEN=tok_51Hx9aZ # a comment\r\n\
    \r\n\
    EMPTY=\r\n\
    URL=postgres://u:p@h:5432/d?sslmode=require#frag\r\n\
    ESCAPES=\"a\\tb\\n\\\"q\\\" \\\\ \\$HOME\"\r\n\
    this is no assignment\r\n\
    PEM=\"-----BEGIN KEY-----\n  MIIE+/==\n-----END KEY-----\n\"\r\n\
    \x20 SPACED  \t\r\n\
    LITERAL='$HOME \\n stays'\r\n\
    LAST=ende";

#[test]
fn a_real_env_file_comes_out_byte_for_byte() {
    let world = World::unlocked();
    world.file(".env", DOTENV);
    let values = [
        ("DB_PASSWORD", "p w=\"#$ö"),
        ("API_TOKEN", "tok_51Hx9aZ"),
        ("EMPTY", ""),
        ("URL", "postgres://u:p@h:5432/d?sslmode=require#frag"),
        ("ESCAPES", "a\tb\n\"q\" \\ $HOME"),
        ("PEM", "-----BEGIN KEY-----\n  MIIE+/==\n-----END KEY-----\n"),
        ("LITERAL", "$HOME \\n stays"),
        ("LAST", "ende"),
    ];
    let import = |args: &[&str]| world.ctl(&[&["import", ".env", "--prefix", "shop/dev"], args].concat());
    import(&["--dry-run"]).ok();
    assert_eq!(world.ctl(&["list"]).ok(), b"", "a dry run stores nothing");
    let report = import(&[]).output();
    assert_eq!(report.code, 0);
    assert!(report.stderr.contains("8 in") && report.stderr.contains("2 skipped"), "{}", report.stderr);
    assert!(report.stderr.contains("line 8") && report.stderr.contains("line 13"), "{}", report.stderr);
    for (name, value) in values {
        assert_eq!(world.ctl(&["get", &format!("shop/dev/{name}")]).ok(), value.as_bytes(), "{name}");
    }
    // Again: nothing is new. A value that differs is left and told, unless it may be overwritten.
    let report = |args| serde_json::from_slice::<serde_json::Value>(&import(args).output().stdout).unwrap();
    assert_eq!(report(&["--json"])["same"], 8);
    world.set("shop/dev/LAST", "anders");
    assert_eq!(import(&[]).output().code, 9);
    assert_eq!(world.ctl(&["get", "shop/dev/LAST"]).ok(), b"anders");
    assert_eq!(report(&["--json", "--overwrite"])["replaced"], 1);
    assert_eq!(world.ctl(&["get", "shop/dev/LAST"]).ok(), b"ende");

    let json = world.file("secrets.json", r#"{"aws": {"id": "AKIA", "n": 10.50, "on": true}, "no": null}"#);
    world.ctl(&["import", json.to_str().unwrap()]).ok();
    for (name, value) in [("aws/id", "AKIA"), ("aws/n", "10.50"), ("aws/on", "true")] {
        assert_eq!(world.ctl(&["get", name]).ok(), value.as_bytes());
    }
    world.ctl(&["get", "no"]).refused(5);
}

#[test]
fn values_and_names_of_every_kind() {
    const MIB: usize = 1024 * 1024;
    let world = World::unlocked();
    let noise = |len: usize| -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        bytes
    };
    let all_bytes: Vec<u8> = (0..=255).collect();
    for value in [vec![], vec![0], b"\n".to_vec(), b"\r\n\r\n".to_vec(), all_bytes, noise(61_441), noise(MIB)]
    {
        world.ctl(&["set", "value", "--stdin"]).stdin(value.clone()).ok();
        assert!(world.ctl(&["get", "value"]).ok() == value, "{} bytes came out otherwise", value.len());
    }
    let line = world.ctl(&["set", "value", "--stdin"]).stdin(noise(MIB + 1)).refused(2);
    assert!(line.contains("1048576"), "{line}");
    assert!(world.ctl(&["get", "value"]).ok() == noise(MIB), "the value before is still there");
    let hint = world.ctl(&["set", "trimmed", "--stdin"]).stdin("v\n").output();
    assert!(hint.code == 0 && hint.stderr.contains("--trim"), "{hint:?}");
    world.ctl(&["set", "trimmed", "--stdin", "--trim"]).stdin("v\n").ok();
    assert_eq!(world.ctl(&["get", "trimmed"]).ok(), b"v");

    let longest = "n".repeat(512);
    let names = [
        "ключ/главный",
        "鍵",
        "مفتاح",
        "🔑 with blanks",
        "$(reboot)",
        "a'b\"c",
        "--",
        "-n",
        "ñandú",
        &longest,
    ];
    for name in names {
        world.ctl(&["set", "--stdin", "--", name]).stdin(name).ok();
        assert_eq!(world.ctl(&["get", "--", name]).ok(), name.as_bytes());
    }
    assert_eq!(world.ctl(&["get", "n\u{303}andu\u{301}"]).ok(), "ñandú".as_bytes(), "typed in NFD");
    let listed = world.ctl(&["list"]).text();
    assert!(names.iter().all(|name| listed.lines().any(|line| line == *name)), "{listed}");
    for bad in ["", "a\nb", "a//b", "/a", &"n".repeat(513), "\u{1b}[2J"] {
        world.ctl(&["set", "--stdin", "--", bad]).stdin("x").refused(2);
    }
    // None of it is anywhere on the disk as it is.
    let file = fs::read(world.vault()).expect("the vault is a file");
    for secret in ["ключ/главный".as_bytes(), &noise(MIB)[..64]] {
        assert!(!file.windows(secret.len()).any(|window| window == secret));
    }
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(world.vault()).unwrap()) & 0o7777, 0o600);
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(world.vault()).unwrap()), User::A.uid());
}
