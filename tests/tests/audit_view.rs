//! What a person sees of the audit log: what happened, in words; only that; as it happens; and nothing that a hostile
//! log would have the terminal do.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use glassdome_tests::{PASSWORD, User, World, text};

fn log(world: &World, file: &str) -> PathBuf {
    world.state().join("glassdome").join(file)
}

/// A log that nobody but the test wrote, in a home without a daemon.
fn written(lines: &[&str]) -> World {
    let world = World::new();
    let directory = log(&world, "");
    fs::create_dir(&directory).unwrap();
    User::A.own(&directory).unwrap();
    write(&world, "audit.jsonl", lines);
    world
}

fn write(world: &World, file: &str, lines: &[&str]) {
    let path = log(world, file);
    let mut file = fs::File::options().create(true).append(true).open(&path).unwrap();
    for line in lines {
        writeln!(file, "{line}").unwrap();
    }
    User::A.own(&path).unwrap();
}

fn record(seq: u64, name: &str) -> String {
    format!(
        r#"{{"seq":{seq},"time":"2026-11-22T12:00:{seq:02}.000Z","boot_ms":1,"event":"get","outcome":"allowed","secret":"{name}","by":"rule:x"}}"#
    )
}

#[test]
fn what_happened_is_shown_in_words_and_filtered() {
    let world = World::unlocked();
    world.set("db/a", "1");
    world.set("aws/key", "2");
    world.ctl(&["get", "db/a"]).ok();
    world.ctl(&["get", "db/none"]).refused(5);
    world
        .ctl(&["policy", "deny", "--secrets", "aws/**", "--password-stdin"])
        .stdin(format!("{}\n", PASSWORD))
        .ok();
    world.ctl(&["get", "aws/key"]).refused(4);

    let all = world.ctl(&["audit", "-n", "all"]).text();
    for words in ["daemon started", "unlock", "store db/a", "read db/a", "denied  read aws/key"] {
        assert!(all.contains(words), "no {words:?} in {all}");
    }
    let lines = |args: &[&str]| world.ctl(&[&["audit"], args].concat()).text();
    assert_eq!(lines(&["-n", "1"]).lines().count(), 1);
    assert_eq!(lines(&["tail", "-n", "3"]).lines().count(), 3);
    let denied = lines(&["--denied"]);
    assert!(denied.lines().count() == 1 && denied.contains("read aws/key"), "{denied}");
    let db = lines(&["--secret", "db/*", "--since", "today"]);
    assert!(db.contains("read db/a") && !db.contains("aws"), "{db}");
    assert_eq!(lines(&["--program", "nobody.py"]), "");
    assert!(lines(&["--program", "glassdome-client", "-n", "all"]).contains("read db/a"));

    let of_one = world.ctl(&["log", "db/a"]).text();
    assert_eq!(of_one.lines().count(), 2, "{of_one}");
    assert!(of_one.contains("store db/a") && of_one.contains("read db/a"));
    assert!(world.ctl(&["log", "never/seen"]).output().stderr.contains("nothing about it"));

    // As they are, for machines: the very lines of the file.
    let json = world.ctl(&["audit", "-n", "all", "--json"]).text();
    assert_eq!(json, fs::read_to_string(log(&world, "audit.jsonl")).unwrap());

    let summary = world.ctl(&["audit", "summary", "--json"]).text();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let of = |name: &str| {
        let secrets = summary["secrets"].as_array().unwrap();
        secrets.iter().find(|secret| secret["name"] == name).unwrap()["programs"][0].clone()
    };
    assert_eq!((&of("db/a")["reads"], &of("db/a")["changes"]), (&1.into(), &1.into()));
    assert_eq!(of("aws/key")["refused"], 1);
    let drawn = world.ctl(&["audit", "summary"]).text();
    assert!(drawn.contains("db/a   1 read, 1 change") && drawn.is_ascii(), "{drawn}");

    for wrong in [&["audit", "--since", "soon"][..], &["audit", "-n", "x"], &["audit", "--session", "x"]] {
        world.ctl(wrong).refused(2);
    }
}

#[test]
fn a_hostile_log_steers_nothing_and_costs_nothing() {
    let evil = "\\u001b]0;owned\\u0007\\u202e";
    let raw = "\u{1b}[2J\u{9b}31m not json \u{202e}";
    let long = "x".repeat(3 << 20);
    let world = written(&[&record(1, evil), raw, &long, &record(2, "fine")]);
    let clean = |text: &str| {
        let steers = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
        assert!(!text.contains(steers), "{text:?}");
    };
    let shown = world.ctl(&["audit"]).text();
    clean(&shown);
    assert!(shown.contains("read fine") && shown.matches("broken").count() == 2, "{shown}");
    clean(&world.ctl(&["audit", "summary"]).text());
    let json = world.ctl(&["audit", "--json"]).output();
    assert_eq!(json.stdout, format!("{}\n{}\n", record(1, evil), record(2, "fine")).as_bytes());
    assert!(json.stderr.contains("2 lines are no record"), "{}", json.stderr);
    // On a terminal, JSON is escaped too.
    write(&world, "audit.jsonl", &[&record(3, "turned\u{202e}around")]);
    let mut terminal = world.terminal("ctl audit --json -n 1; ctl audit -n 1");
    assert_eq!(terminal.end(), 0);
    clean(terminal.shown());
    assert!(terminal.shown().contains("turned\\u202earound"), "{}", terminal.shown());
    assert!(terminal.shown().contains("turned\\u{202e}around"), "{}", terminal.shown());
}

#[test]
fn the_log_is_followed_from_file_to_file_until_it_is_enough() {
    let world = written(&[&record(1, "first")]);
    let mut terminal = world.terminal("exec ctl audit --follow");
    terminal.expect("read first");
    write(&world, "audit.jsonl", &[&record(2, "second")]);
    terminal.expect("read second");
    write(&world, "audit.jsonl", &[&record(3, "third")]);
    fs::rename(log(&world, "audit.jsonl"), log(&world, "audit-000000000001.jsonl")).unwrap();
    write(&world, "audit.jsonl", &[&record(4, "fourth")]);
    let seen = terminal.expect("read fourth");
    assert!(seen.contains("read third"), "{seen}");
    terminal.send("\u{3}");
    assert_eq!(terminal.end(), 0, "Ctrl-C is how it ends");

    // Both files are one log.
    let all = world.ctl(&["audit", "-n", "3"]).text();
    let names: Vec<&str> =
        all.lines().map(|line| line.split("read ").nth(1).unwrap().split(' ').next().unwrap()).collect();
    assert_eq!(names, ["second", "third", "fourth"]);
    // Sessions are known by the record that began them.
    assert!(world.ctl(&["audit", "--session", "current"]).refused(2).contains("no session"));
    fs::remove_file(log(&world, "audit.jsonl")).unwrap();
    fs::remove_file(log(&world, "audit-000000000001.jsonl")).unwrap();
    assert!(world.ctl(&["audit"]).output().stderr.contains("no log yet"));
}

#[test]
fn a_log_is_verified_with_and_without_the_key_the_vault_and_the_daemon() {
    let world = World::unlocked();
    let verify = |args: &[&str]| world.ctl(&[&["audit", "verify"], args].concat());
    let key = world.home("auditor.key");
    world
        .ctl(&["audit", "new-key", "--key-file", text(&key), "--password-stdin"])
        .stdin(format!("{PASSWORD}\n"))
        .ok();
    world.set("db/a", "1");
    world.ctl(&["get", "db/a"]).ok();
    let shown = verify(&["--key-file", text(&key)]).text();
    for line in ["chain   holds", "seals   all", "anchor  the last record", "link    is the one"] {
        assert!(shown.contains(line), "no {line:?} in {shown}");
    }
    let checked_to = shown
        .lines()
        .find_map(|line| line.strip_prefix("checked to ")?.strip_suffix(": keep it for --known"));
    let known = checked_to.expect("what to keep").to_owned();
    assert!(verify(&["--key-file", text(&key), "--known", &known]).text().contains("seals   all"));
    let (seq, _) = known.split_once(':').unwrap();
    let other = format!("{seq}:{}", "0".repeat(64));
    assert!(verify(&["--known", &other]).refused(10).contains("replaced"));
    assert_eq!(verify(&["--known", "12:ab"]).output().code, 2);
    let without = verify(&[]).text();
    assert!(without.contains("not checked: give the auditor's key") && !without.contains("checked to"));
    let by_stdin = verify(&["--key-stdin", "--json"]).stdin(fs::read(&key).unwrap()).ok();
    let report: serde_json::Value = serde_json::from_slice(&by_stdin).unwrap();
    assert_eq!(
        (&report["verdict"], &report["anchor"], &report["link"]),
        (&"ok".into(), &true.into(), &true.into())
    );
    assert!(
        verify(&["--key-file", text(&world.file("bad.key", "no key"))])
            .refused(2)
            .contains("no auditor's key")
    );

    // An auditor who has nothing but a copy of the files, in any order.
    world.ctl(&["lock"]).ok();
    world.ctl(&["stop"]).ok();
    let names: Vec<String> = fs::read_dir(log(&world, ""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    let copies: Vec<PathBuf> = names
        .iter()
        .map(|name| world.file(&format!("copy-{name}"), fs::read(log(&world, name)).unwrap()))
        .collect();
    let copied: Vec<&str> = copies.iter().map(|path| text(path)).collect();
    let shown = verify(&[&copied[..], &["--key-file", text(&key)]].concat()).text();
    assert!(shown.contains("seals   ") && shown.contains("anchor  not checked"), "{shown}");
    let report: serde_json::Value =
        serde_json::from_slice(&verify(&[&copied[..], &["--json"]].concat()).ok()).unwrap();
    assert_eq!(report["verdict"], "ok");
    assert!(report["anchor"].is_null() && report["link"].is_null(), "neither was there to check: {report}");
    let directory = verify(&[text(&log(&world, "")), "--json"]).ok();
    let report: serde_json::Value = serde_json::from_slice(&directory).unwrap();
    assert!(report["anchor"].is_null(), "the vault is not asked about a log that is named: {report}");

    // One member of one record, by somebody who has the file.
    let active = text(copies.iter().find(|path| path.ends_with("copy-audit.jsonl")).unwrap());
    let content = fs::read_to_string(active).unwrap();
    assert!(content.contains("\"event\":\"get\""));
    world.file("copy-audit.jsonl", content.replacen("\"event\":\"get\"", "\"event\":\"set\"", 1));
    let told = verify(&[&copied[..], &["--key-file", text(&key)]].concat()).refused(10);
    let line = 1 + content.lines().position(|line| line.contains("\"event\":\"get\"")).unwrap();
    assert!(told.contains(&format!("copy-audit.jsonl: line {line}, ")) && told.contains("edited"), "{told}");
    let json = verify(&[&copied[..], &["--json"]].concat()).output();
    assert_eq!(json.code, 10);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["verdict"], &report["fault"]["kind"]), (&"broken".into(), &"edited".into()));
    assert_eq!((&report["faults"][0], &report["checked_to"]), (&report["fault"], &serde_json::Value::Null));
    assert_eq!(World::new().ctl(&["audit", "verify"]).output().code, 5, "no log at all");
}
