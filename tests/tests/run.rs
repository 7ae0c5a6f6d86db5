//! `ctl run`: a program gets its secrets byte for byte or is not started at all, and is itself from then
//! on: its process, its signals, its streams, its exit code.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{Out, PASSWORD, Run, World, text, wait_until};
use rustix::process::Signal;

/// What the program found in its environment.
fn environment(run: Run) -> BTreeMap<String, Vec<u8>> {
    let block = run.ok();
    let entries = block.split(|&byte| byte == 0).filter(|entry| !entry.is_empty());
    let pair = |entry: &[u8]| {
        let equals = entry.iter().position(|&byte| byte == b'=').expect("NAME=VALUE");
        (String::from_utf8(entry[..equals].to_vec()).unwrap(), entry[equals + 1..].to_vec())
    };
    entries.map(pair).collect()
}

/// Prints its environment as the kernel has it.
const SHOW: [&str; 3] = ["--", "cat", "/proc/self/environ"];

fn gets(world: &World) -> Vec<(String, String)> {
    let records = world.audit().into_iter().filter(|record| record["event"] == "get");
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    records.map(|record| (word(&record["secret"]), word(&record["outcome"]))).collect()
}

#[test]
fn values_arrive_byte_for_byte() {
    let world = World::unlocked();
    let large: Vec<u8> = (0..100_000u32).map(|i| (i % 255) as u8 + 1).collect();
    let values: [(&str, &[u8]); 6] = [
        ("plain", b"s3cret"),
        ("lines", b"-----BEGIN\nKEY\r\n\n"),
        ("bytes", b"\x01\xff\xfe=\x80"),
        ("empty", b""),
        ("large/1", &large),
        ("large/2", &large[..40_000]),
    ];
    for (name, value) in values {
        world.set(name, value);
    }
    world.set("large/3", &large[..50_000]);
    world.ctl(&["set", "plain", "--field", "user/id", "--stdin"]).stdin("octocat").ok();
    world.ctl(&["set", "a#b", "--stdin"]).stdin("a hash in its name").ok();

    let before = gets(&world).len();
    let options: Vec<String> =
        values.iter().enumerate().map(|(i, (name, _))| format!("V{i}={name}")).collect();
    let mut args = vec!["run"];
    args.extend(options.iter().flat_map(|option| ["--env", option]));
    args.extend(["--env", "USER_ID=plain#user/id", "--env", "HASH=a#b#", "--env", "V5=large/3"]);
    args.extend(["--env", "PATHLIKE=glassdome://plain", "--env", "V5=large/2"]);
    let found = environment(world.ctl(&[&args[..], &SHOW].concat()));
    for (i, (name, value)) in values.iter().enumerate() {
        assert!(found[&format!("V{i}")] == *value, "{name}");
    }
    assert_eq!(found["USER_ID"], b"octocat");
    assert_eq!(found["HASH"], b"a hash in its name");
    assert_eq!(found["PATHLIKE"], b"s3cret");
    // What was there is still there.
    assert_eq!(found["HOME"], text(&world.home("")).as_bytes());

    let records = gets(&world).split_off(before);
    let of = |wanted: &str| records.iter().filter(|(name, how)| name == wanted && how == "allowed").count();
    assert_eq!(records.len(), 9, "one record for each: {records:?}");
    assert_eq!([of("plain"), of("large/1"), of("large/2"), of("a#b"), of("large/3")], [3, 1, 1, 1, 0]);
}

#[test]
fn more_than_one_message_of_them() {
    let world = World::unlocked();
    let file: String = (0..150).map(|i| format!("N{i}=value {i}\n")).collect();
    world.ctl(&["import", text(&world.file("many.env", file)), "--prefix", "many"]).ok();
    let file: String = (0..150).map(|i| format!("N{i}=glassdome://many/N{i}\n")).collect();
    let file = world.file("run.env", file);
    let found = environment(world.ctl(&[&["run", "--env-file", text(&file)], &SHOW[..]].concat()));
    for i in 0..150 {
        assert_eq!(found[&format!("N{i}")], format!("value {i}").as_bytes());
    }
}

#[test]
fn files_name_secrets_and_say_the_rest_themselves() {
    let world = World::unlocked();
    world.set("db", "p\"w");
    let content = "# for the shop\nexport PGPASSWORD=glassdome://db\nPGHOST='db.example' # there\nA=1\n";
    let file = world.file("shop.env", content);
    let run = world.ctl(&[&["run", "--env", "A=db", "--env-file", text(&file)], &SHOW[..]].concat());
    let found = environment(run);
    assert_eq!((&found["PGPASSWORD"][..], &found["PGHOST"][..]), (&b"p\"w"[..], &b"db.example"[..]));
    assert_eq!(found["A"], b"p\"w", "what is typed goes before a file");

    let marker = world.home("started");
    let touch = ["--", "touch", text(&marker)];
    let broken = world.file("broken.env", "A=1\nnonsense\n");
    let line = world.ctl(&[&["run", "--env-file", text(&broken)], &touch[..]].concat()).refused(125);
    assert!(line.ends_with("broken.env, line 2: no =: nothing was started"), "{line}");
    let broken = world.file("name.env", "A=1\n\nB=glassdome://a//b\n");
    let line = world.ctl(&[&["run", "--env-file", text(&broken)], &touch[..]].concat()).refused(125);
    assert!(line.contains("name.env, line 3: "), "{line}");
    let line = world.ctl(&[&["run", "--env-file", "/nowhere/.env"], &touch[..]].concat()).refused(125);
    assert!(line.contains("cannot read /nowhere/.env"), "{line}");
    assert!(!marker.exists());
    world.ctl(&[&["run", "--env-file", text(&file)], &touch[..]].concat()).ok();
    assert!(marker.exists(), "control");
}

/// `ctl run --env A=a` and this.
fn with_a(world: &World, command: &[&str]) -> Run {
    world.ctl(&[&["run", "--env", "A=a", "--"], command].concat())
}

#[test]
fn it_ends_as_the_program_does() {
    let world = World::unlocked();
    world.set("a", "1");
    let code = |command: &[&str]| with_a(&world, command).output().code;
    for expected in ["0", "1", "4", "125", "200"] {
        assert_eq!(code(&["sh", "-c", &format!("exit {expected}")]).to_string(), expected);
    }
    assert_eq!(code(&["sh", "-c", "kill -9 $$"]), 128 + 9);
    // Options of the program are the program's.
    assert_eq!(with_a(&world, &["printf", "%s", "--env"]).ok(), b"--env");
    let out = world.ctl(&["run", "--env", "A=a", "printf", "%s|", "--help", "--", "-x"]).ok();
    assert_eq!(out, b"--help|--|-x|");
}

#[test]
fn what_it_fails_with_itself_is_no_code_of_the_program() {
    let world = World::unlocked();
    world.set("a", "1");
    let line = with_a(&world, &["/nowhere/program"]).refused(127);
    assert_eq!(line, "ctl: cannot run /nowhere/program: no such program");
    with_a(&world, &["no-such-program-in-the-path"]).refused(127);
    let file = world.file("data", "no program");
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let line = with_a(&world, &[text(&file)]).refused(126);
    assert!(line.contains("Permission denied"), "{line}");
    with_a(&world, &[text(&world.home(""))]).refused(126);

    world.ctl(&["run", "--env", "A=a"]).refused(125);
    world.ctl(&["run", "--", "true"]).refused(125);
    world.ctl(&["run", "--no-such-option", "true"]).refused(125);
    let line = world.ctl(&["run", "--env", "1A=a", "--", "true"]).refused(125);
    assert!(line.contains("letters, digits"), "{line}");
    world.set("zero", &b"a\0b"[..]);
    let line = world.ctl(&["run", "--env", "A=zero", "--", "true"]).refused(125);
    assert!(line.contains("zero holds a zero byte") && line.contains("ctl get zero"), "{line}");
    world.set("huge", vec![b'x'; 200_000]);
    let line = world.ctl(&["run", "--env", "A=huge", "--", "true"]).refused(126);
    assert!(line.contains("too large") && line.contains("128 KiB"), "{line}");

    world.ctl(&["lock"]).ok();
    let line = with_a(&world, &["true"]).refused(125);
    assert!(line.contains("locked") && line.contains("glassdome_start"), "{line}");
    world.ctl(&["stop"]).ok();
    let line = with_a(&world, &["true"]).refused(125);
    assert!(line.contains("no daemon"), "{line}");
}

#[test]
fn without_all_of_them_nothing_starts() {
    let world = World::unlocked();
    for name in ["db/a", "db/b", "other"] {
        world.set(name, name);
    }
    world.ctl(&["set", "db/a", "--field", "user", "--stdin"]).stdin("u").ok();
    let marker = world.home("started");
    let typed = |names: &[&str]| {
        fs::remove_file(&marker).ok();
        let options: Vec<String> = names.iter().enumerate().map(|(i, name)| format!("V{i}={name}")).collect();
        let mut args = vec!["run"];
        args.extend(options.iter().flat_map(|option| ["--env", option]));
        args.extend(["--", "touch", text(&marker)]);
        world.ctl(&args).output()
    };
    assert_eq!(typed(&["db/a", "db/b", "db/a#user"]).code, 0);
    assert!(marker.exists(), "control");
    let before = gets(&world).len();
    for missing in ["nothing", "db/a#nothing"] {
        let line = typed(&["db/a", "db/b", missing]).refused(125);
        assert!(line.contains("nothing") && !marker.exists(), "{line}");
    }
    world.ctl(&["rm", "other"]).ok();
    let line = typed(&["db/a", "other"]).refused(125);
    assert!(line.contains("no secret other") && !marker.exists(), "{line}");
    // Nothing left the daemon, and the log does not say so either.
    let failed = |name: &str| (name.to_owned(), "failed".to_owned());
    assert_eq!(gets(&world).split_off(before), [failed("nothing"), failed("db/a"), failed("other")]);
}

/// `ctl run` with these variables, by a program that a rule is about; it makes a file.
fn run_by(world: &World, runner: &Path, marker: &Path, names: &str) -> Out {
    fs::remove_file(marker).ok();
    let options: Vec<String> = names
        .split(' ')
        .enumerate()
        .flat_map(|(i, name)| ["--env".to_owned(), format!("V{i}={name}")])
        .collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let args = [&["ctl", "run"], &options[..], &["--", "touch", text(marker)]].concat();
    world.program(runner, &args).output()
}

#[test]
fn one_that_is_refused_refuses_all() {
    let world = World::unlocked();
    for name in ["db/a", "db/b", "other"] {
        world.set(name, name);
    }
    let (program, marker): (PathBuf, PathBuf) = (world.home("deploy"), world.home("started"));
    world.shell("cp /usr/bin/xargs deploy").ok();
    let run = |names| run_by(&world, &program, &marker, names);
    let rule = ["policy", "allow", "--secrets", "db/*", "--exe", text(&program), "--password-stdin"];
    world.ctl(&rule).stdin(format!("{PASSWORD}\n")).ok();
    assert_eq!(run("db/a db/b").code, 0);
    assert!(marker.exists(), "control");
    let last = world.audit().into_iter().rfind(|record| record["event"] == "get").expect("it is recorded");
    assert_eq!((&last["by"], &last["judged"]["name"]), (&"rule:deploy".into(), &"deploy".into()));

    let before = gets(&world).len();
    for names in ["db/a other", "other db/a", "db/none other"] {
        let out = run(names);
        // xargs has numbers of its own for how its program ends.
        assert!(out.code != 0 && !marker.exists(), "{names}");
        // Not even whether db/none is there: all are judged before any is looked up.
        assert!(out.stderr.contains("ctl: denied other: "), "{names}: {}", out.stderr);
    }
    // Like refusals are written once a minute; and nothing was given.
    assert_eq!(gets(&world).split_off(before), [("other".to_owned(), "denied".to_owned())]);
    assert!(run("db/a db/none").stderr.contains("no secret db/none"), "control");
}

#[test]
fn it_is_the_program_that_is_signalled() {
    let world = World::unlocked();
    world.set("a", "1");
    for (signal, name) in [(Signal::TERM, "TERM"), (Signal::INT, "INT"), (Signal::HUP, "HUP")] {
        let ready = world.home(name);
        let script = format!(
            "trap 'exit 42' {name}; echo $$ > {0}.new; mv {0}.new {0}; while :; do sleep 0.05; done",
            text(&ready)
        );
        let started = with_a(&world, &["sh", "-c", &script]).start();
        assert!(wait_until(|| ready.exists(), Duration::from_secs(20)), "it runs");
        assert_eq!(fs::read_to_string(&ready).unwrap().trim(), started.pid().to_string(), "ctl became it");
        started.signal(signal);
        assert_eq!(started.output().code, 42, "{name}");
        // One that does not mind it dies of it.
        fs::remove_file(&ready).unwrap();
        let script = format!("echo > {}; exec sleep 60", text(&ready));
        let started = with_a(&world, &["sh", "-c", &script]).start();
        assert!(wait_until(|| ready.exists(), Duration::from_secs(20)), "it runs");
        started.signal(signal);
        assert_eq!(started.output().code, 128 + signal.as_raw(), "{name}");
    }
}

#[test]
fn streams_pass_through() {
    let world = World::unlocked();
    world.set("a", "1");
    let bytes: Vec<u8> = (0..1_000_000u32).map(|i| (i * 7 % 256) as u8).collect();
    let out = with_a(&world, &["cat"]).stdin(bytes.clone()).output();
    assert!(out.stdout == bytes, "{} bytes of {}", out.stdout.len(), bytes.len());
    assert_eq!(out.stderr, "");
    let out = with_a(&world, &["sh", "-c", "echo to stderr >&2"]).output();
    assert_eq!((out.stdout, out.stderr.as_str()), (vec![], "to stderr\n"));
}

#[test]
fn no_descriptor_of_ours_goes_along() {
    let world = World::unlocked();
    world.set("a", "1");
    // The directory that the shell itself has open meanwhile is gone when its turn comes.
    let look = "for fd in /proc/$$/fd/*; do echo \"${fd##*/} $(readlink $fd)\"; done";
    let listed = |run: Run| {
        let descriptor =
            |line: &str| line.split(':').next().filter(|line| !line.ends_with(' ')).map(str::to_owned);
        run.text().lines().filter_map(descriptor).collect::<BTreeSet<_>>()
    };
    let without = listed(world.program(Path::new("/bin/sh"), &["-c", look]));
    assert!(["0 pipe", "1 pipe", "2 pipe"].iter().all(|own| without.contains(*own)), "control: {without:?}");
    assert_eq!(listed(with_a(&world, &["sh", "-c", look])), without);

    // Nor what the shell's function handed over; what the caller opened does.
    let script = format!(
        "eval \"$(ctl shell-init bash)\"; glassdome_start --quiet --password-fd 3 3<<<'{PASSWORD}' || exit
         ctl run --env A=a -- sh -c '{look}' 7</dev/null; :"
    );
    let run = world.program(Path::new("/bin/bash"), &["-c", &script]);
    let more: Vec<String> = listed(run).difference(&without).cloned().collect();
    assert_eq!(more, ["7 /dev/null"]);
}

#[test]
fn the_program_leaves_no_core_and_can_be_looked_at() {
    let world = World::unlocked();
    world.set("a", "the value");
    let look = "grep -i 'core' /proc/self/limits; tr '\\0' '\\n' < /proc/$$/environ | grep ^A=";
    let shown = with_a(&world, &["sh", "-c", look]).text();
    let core: Vec<&str> = shown.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(core[..6], ["Max", "core", "file", "size", "0", "0"]);
    // The environment is no hiding place, and the documentation says so.
    assert!(shown.ends_with("A=the value\n"), "{shown}");
}
