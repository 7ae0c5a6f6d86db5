//! Data outside the vault: what goes in comes out, in bounded memory, for whoever may have it; and of what was
//! tampered with nothing but its unaltered beginning.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/open_questions.rs"]
mod open_questions;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use glassdome_tests::{Out, PASSWORD, Run, Started, User, World, text, wait_until};
use open_questions::question;
use serde_json::Value;

/// Of a header, and of a whole chunk.
const HEADER: usize = 104;
const CHUNK: usize = 61_440;
const BLOCK: usize = CHUNK + 16;

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

fn encrypt(world: &World, context: &str, data: &[u8]) -> Vec<u8> {
    world.ctl(&["encrypt", "--context", context]).stdin(data).ok()
}

fn decrypted(world: &World, context: &str, stream: &[u8]) -> Out {
    world.ctl(&["decrypt", "--context", context]).stdin(stream).output()
}

/// The records of streams, in the order of the log: event, outcome, context, and what decided.
fn streams(world: &World) -> Vec<[String; 4]> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |record: &Value| ["event", "outcome", "secret", "by"].map(|member| word(&record[member]));
    let records = world.audit();
    records.iter().map(of).filter(|[event, ..]| event == "encrypt" || event == "decrypt").collect()
}

/// That it says so in one line, with the code for that.
#[track_caller]
fn broken(out: &Out, line: &str, what: &str) {
    assert_eq!((out.code, out.stderr.lines().count()), (10, 1), "{what}: {}", out.stderr);
    assert!(out.stderr.contains(line), "{what}: {}", out.stderr);
}

/// An executable script for `sh`.
fn script(world: &World, name: &str, lines: &str) -> PathBuf {
    let path = world.file(name, format!("#!/bin/sh\n{lines}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn with_password(world: &World, args: &[&str]) -> Run {
    world.ctl(&[args, &["--password-stdin"]].concat()).stdin(format!("{PASSWORD}\n"))
}

#[test]
fn what_goes_in_comes_out_by_pipes_and_by_files() {
    let world = World::unlocked();
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 77] {
        let stream = encrypt(&world, "backups", &plain(length));
        let chunks = length.div_ceil(CHUNK).max(1);
        assert_eq!(stream.len(), HEADER + length + 16 * chunks, "as the page says");
        assert!(stream.starts_with(b"GLDMENC1"));
        assert_eq!(decrypted(&world, "backups", &stream).ok(), plain(length), "{length}");
    }
    let all = "mkdir d && echo one > d/a && head -c 200000 /dev/urandom > d/b && tar c --sort=name d | \
               ctl encrypt --context backups | ctl decrypt --context backups | tar t; :";
    assert_eq!(world.granted_shell("/bin/sh", all).text(), "d/\nd/a\nd/b\n");

    let file = world.file("data", plain(100_000));
    let (sealed, back) = (world.home("data.enc"), world.home("back"));
    world.ctl(&["encrypt", "--context", "backups", text(&file), "--out", text(&sealed)]).ok();
    world.file("back", "former");
    world.ctl(&["decrypt", "--context", "backups", text(&sealed), "--out", text(&back)]).ok();
    assert_eq!(fs::read(&back).unwrap(), plain(100_000));
    assert_eq!(back.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    world.ctl(&["decrypt", "--context", "backups", "-"]).stdin(fs::read(&sealed).unwrap()).ok();
    world.ctl(&["decrypt", "--context", "backups", text(&world.home("none"))]).refused(1);
    world.ctl(&["encrypt", "--context", ""]).stdin("x").refused(2);
    world.ctl(&["encrypt", "--context", "a//b"]).stdin("x").refused(2);
}

#[test]
fn a_reader_from_the_page_alone_reads_a_stream() {
    let world = World::unlocked();
    let stream = encrypt(&world, "пароль/2026", &plain(2 * CHUNK + 5));
    let keys = decrypt::decrypt(&world, PASSWORD, &["--keys"]);
    let master = keys["keys"]["master"].as_str().unwrap_or_else(|| panic!("{keys:#}"));
    let read = |context: &str| {
        let reader = scripts::scripts(&world).join("encrypted_stream.py");
        let mut python = Command::new(decrypt::interpreter());
        python.arg(reader).args([master, context]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = python.stdin.take().unwrap();
        // A reader that has had enough reads no more.
        let _ = stdin.write_all(&stream);
        drop(stdin);
        python.wait_with_output().unwrap()
    };
    let out = read("пароль/2026");
    assert!(out.status.success());
    assert_eq!(out.stdout, plain(2 * CHUNK + 5));
    assert!(!read("пароль").status.success(), "control: it compares");
}

#[test]
fn of_what_was_tampered_with_only_its_beginning_comes_out() {
    let world = World::unlocked();
    let data = plain(3 * CHUNK + 100);
    let stream = encrypt(&world, "backups", &data);
    let block = |number: usize| HEADER + number * BLOCK;
    let other = encrypt(&world, "backups", &data);
    let flipped = |at: usize| {
        let mut stream = stream.clone();
        stream[at] ^= 0x10;
        stream
    };
    let part = |from: usize, to: usize| &stream[block(from)..block(to).min(stream.len())];
    let swapped = [&stream[..block(1)], part(2, 3), part(1, 2), part(3, 4)].concat();
    let cases: Vec<(&str, Vec<u8>, usize, &str)> = vec![
        ("nothing", vec![], 0, "not what ctl encrypt writes"),
        ("a cut header", stream[..HEADER - 1].to_vec(), 0, "not what ctl encrypt writes"),
        ("another format", flipped(0), 0, "not what ctl encrypt writes"),
        ("another key", flipped(8), 0, "another vault's key"),
        ("another context's id", flipped(24), 0, "another context"),
        ("another salt", flipped(40), 0, "header was altered"),
        ("another commitment", flipped(103), 0, "header was altered"),
        ("the header alone", stream[..HEADER].to_vec(), 0, "cut short"),
        ("one chunk", stream[..block(1)].to_vec(), 0, "cut short"),
        ("three of four chunks", stream[..block(3)].to_vec(), 2, "cut short"),
        ("cut in a chunk", stream[..block(1) + 9_000].to_vec(), 1, "cut or altered at byte"),
        ("cut behind a tag's length", stream[..block(3) + 16].to_vec(), 3, "cut short"),
        ("cut in the last", stream[..stream.len() - 1].to_vec(), 3, "cut or altered at byte"),
        ("a byte behind the end", [&stream[..], b"x"].concat(), 3, "altered at byte"),
        ("a flipped bit", flipped(block(2) + 7), 2, "altered at byte 123016"),
        ("a flipped bit in a tag", flipped(block(1) - 1), 0, "altered at byte 104"),
        ("a repeated chunk", [&stream[..block(1)], &stream[block(0)..]].concat(), 1, "altered at byte"),
        ("a chunk left out", [&stream[..block(1)], &stream[block(2)..]].concat(), 1, "altered at byte"),
        ("two chunks swapped", swapped, 1, "altered at byte"),
        ("another message's end", [&stream[..block(2)], &other[block(2)..]].concat(), 2, "altered at byte"),
    ];
    let out_file = world.home("out");
    for (what, bad, verified, line) in cases {
        let out = decrypted(&world, "backups", &bad);
        assert_eq!(out.stdout, data[..verified * CHUNK], "{what}: what is verified, and no more");
        broken(&out, line, what);
        let of_a_chunk = !out.stderr.contains("nothing was decrypted");
        let came =
            if verified > 0 { "what came out is its beginning and no more" } else { "nothing came out" };
        assert_eq!(out.stderr.contains(came), of_a_chunk, "{what}: {}", out.stderr);
        let bad = world.file("bad", &bad);
        let to_file = ["decrypt", "--context", "backups", text(&bad), "--out", text(&out_file)];
        let said = world.ctl(&to_file).refused(10);
        assert_eq!(said.contains(": nothing was written"), of_a_chunk, "{what}: {said}");
        assert!(!out_file.exists(), "{what}: no file");
    }
    let left = fs::read_dir(world.home("")).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains(".tmp")), "nothing is left behind");
    let kept = world.file("out", "former");
    let bad = world.file("bad", flipped(block(2)));
    world.ctl(&["decrypt", "--context", "backups", text(&bad), "--out", text(&kept)]).refused(10);
    assert_eq!(fs::read(&kept).unwrap(), b"former");

    let whole = encrypt(&world, "backups", &data[..2 * CHUNK]);
    let longer = decrypted(&world, "backups", &[&whole[..], &[0; 500]].concat());
    assert_eq!(longer.stdout, data[..CHUNK]);
    broken(&longer, "behind its end", "something behind a whole last chunk");
    assert!(decrypted(&world, "backup", &stream).refused(10).contains("another context"));
    let elsewhere = World::new();
    elsewhere.start("another password of another vault");
    assert!(decrypted(&elsewhere, "backups", &stream).refused(10).contains("another vault's key"));
    assert_eq!(decrypted(&world, "backups", &stream).ok(), data, "control");
    let failed = streams(&world).into_iter().filter(|[_, outcome, ..]| outcome == "failed").count();
    assert!(failed > 30, "each is in the log: {failed}");
}

#[test]
fn a_rule_is_for_one_action_and_the_contexts_that_it_names() {
    let world = World::unlocked();
    let stream = world.file("in", encrypt(&world, "backups/home", b"what is kept"));
    let job = script(&world, "job", "ctl \"$@\"; exit $?");
    let run = |args: &[&str]| world.program(&job, args);
    let [to, from] = [["encrypt", "--context", "backups/home"], ["decrypt", "--context", "backups/home"]];
    let line = run(&to).stdin("x").refused(4);
    assert!(line.contains("denied encrypt backups/home") && line.contains("--actions encrypt"), "{line}");
    let rule = ["policy", "allow", "--secrets", "backups/*", "--actions", "encrypt", "--script", text(&job)];
    with_password(&world, &rule).ok();
    assert!(run(&to).stdin("x").ok().starts_with(b"GLDMENC1"));
    run(&[&from[..], &[text(&stream)]].concat()).refused(4);
    run(&["encrypt", "--context", "photos"]).stdin("x").refused(4);
    // A right to secrets is none to contexts, whatever they are called.
    world.set("backups/home", "a secret");
    run(&["get", "backups/home"]).refused(4);
    let rule = ["policy", "allow", "--secrets", "backups/*", "--actions", "get", "--script", text(&job)];
    with_password(&world, &rule).ok();
    assert_eq!(run(&["get", "backups/home"]).ok(), b"a secret");
    run(&[&from[..], &[text(&stream)]].concat()).refused(4);

    let last = streams(&world);
    assert_eq!(last.last().unwrap()[..3], ["decrypt", "denied", "backups/home"]);
    assert!(last.iter().any(|[event, outcome, _, by]| {
        (event.as_str(), outcome.as_str()) == ("encrypt", "allowed") && by.starts_with("rule:")
    }));
    let limited = ["policy", "allow", "--secrets", "often", "--actions", "encrypt", "--rate", "2/day"];
    with_password(&world, &[&limited[..], &["--script", text(&job)]].concat()).ok();
    for _ in 0..2 {
        run(&["encrypt", "--context", "often"]).stdin(plain(2 * CHUNK)).ok();
    }
    run(&["encrypt", "--context", "often"]).stdin("x").refused(8);
}

#[test]
fn a_person_is_asked_and_says_yes_to_one_stream() {
    let world = World::unlocked();
    world.file("in", encrypt(&world, "backups", &plain(2 * CHUNK)));
    let job = script(&world, "job", "ctl decrypt --context backups in; exit $?");
    let waiting = world.program(&job, &[]).env("GLASSDOME_WAIT", "40s").start();
    let id = question(&world);
    let shown = world.ctl(&["approvals"]).text();
    assert!(shown.contains("decrypt backups"), "{shown}");
    world.ctl(&["approve", &id, "--yes"]).ok();
    assert_eq!(waiting.output().ok(), plain(2 * CHUNK));
    assert_eq!(streams(&world).last().unwrap()[3], format!("person:{id}"));
    world.program(&job, &[]).refused(4);
}

#[test]
fn a_handle_gives_values_and_no_streams() {
    let world = World::unlocked();
    world.set("backups", "value");
    let try_it = "ctl get backups && echo x | ctl encrypt --context backups; echo \" $?\"";
    let out = world.ctl(&["run", "--grant", "**", "--", "sh", "-c", try_it]).output();
    assert!(out.stderr.contains("gives values and nothing else"), "{}", out.stderr);
    assert_eq!(out.ok(), b"value 4\n");
}

#[test]
fn the_record_is_there_before_anything_of_the_stream() {
    let world = World::unlocked();
    let stream = encrypt(&world, "backups", b"the plaintext");
    let data = world.state().join("glassdome");
    assert_eq!(streams(&world).last().unwrap()[..3], ["encrypt", "allowed", "backups"]);
    // A log that takes no line ends the session, and nothing leaves.
    world.ctl(&["stop"]).ok();
    world.mount_tmpfs(&data, 64);
    world.start(PASSWORD);
    let full = data.join("full");
    let mut filler = fs::File::create(full).unwrap();
    while filler.write_all(&[0; 512]).is_ok() {}
    let out = (0..200).map(|_| decrypted(&world, "backups", &stream)).find(|out| out.code != 0);
    let out = out.expect("a full disk takes no more lines");
    assert_eq!((out.stdout.len(), out.code), (0, 12), "{}", out.stderr);
    assert_eq!(world.status()["state"], "locked");
}

/// `stream.py`, which is allowed everything.
fn raw(world: &World, args: &[&str]) -> Run {
    let script = scripts::scripts(world).join("stream.py");
    world.python(&script, &[&[text(&world.socket())], args].concat()).within(Duration::from_secs(60))
}

fn raw_world() -> World {
    let world = World::unlocked();
    let script = scripts::scripts(&world).join("stream.py");
    world.allow_python(&script);
    world
}

#[test]
fn what_makes_no_sense_is_refused_and_ends_the_stream() {
    let world = raw_world();
    let told = raw(&world, &["misuse", "c"]).text();
    assert_eq!(
        told.split_whitespace().collect::<Vec<_>>(),
        ["usage", "usage", "usage", "usage", "ok", "usage", "protocol"]
    );
}

/// A stream that has begun, and what it says when it goes on after `meanwhile`.
fn held(world: &World, name: &str, meanwhile: impl FnOnce()) -> String {
    let (waiting, go) = (world.home(&format!("{name}.waits")), world.home(&format!("{name}.go")));
    let started = raw(world, &["hold", "c", text(&waiting), text(&go)]).start();
    assert!(wait_until(|| waiting.exists(), Duration::from_secs(20)), "the stream has begun");
    meanwhile();
    world.file(&format!("{name}.go"), "");
    String::from_utf8(started.output().ok()).unwrap().trim().to_owned()
}

#[test]
fn a_lock_ends_a_stream_also_if_it_is_unlocked_again() {
    let world = raw_world();
    assert_eq!(held(&world, "control", || ()), "ok");
    assert_eq!(held(&world, "locked", || drop(world.ctl(&["lock"]).ok())), "locked");
    world.start(PASSWORD);
    let again = held(&world, "again", || {
        world.ctl(&["lock"]).ok();
        world.start(PASSWORD);
    });
    assert_eq!(again, "locked");
}

#[test]
fn chunks_that_drip_keep_no_session_open() {
    let world = raw_world();
    world.set("a", "value");
    world.ctl(&["lock"]).ok();
    assert_eq!(world.unlock(PASSWORD, &["--idle", "10m"]).code, 0);
    let left = || world.status()["left_s"].as_u64().unwrap();
    let went_by = || assert!(wait_until(|| left() < 595, Duration::from_secs(20)), "time goes by");
    assert_eq!(held(&world, "drips", went_by), "ok");
    assert!(left() < 595, "a chunk is no use of its own");
    world.ctl(&["get", "a"]).ok();
    assert!(left() > 595, "control: a value is");
}

#[test]
fn what_ends_the_right_ends_the_stream() {
    let world = raw_world();
    let rules: Value = serde_json::from_slice(&world.ctl(&["policy", "show", "--json"]).ok()).unwrap();
    let rule = rules[0]["id"].as_str().unwrap().to_owned();
    let ended = held(&world, "ended", || drop(with_password(&world, &["policy", "rm", &rule]).ok()));
    assert_eq!(ended, "denied");
    assert_eq!(streams(&world).last().unwrap()[..2], ["encrypt", "denied"]);
}

#[test]
fn nobody_waits_for_a_stream() {
    let world = raw_world();
    world.set("a", "value");
    let waiting = world.home("waits");
    let unread = raw(&world, &["unread", "c", text(&waiting)]).start();
    assert!(wait_until(|| waiting.exists(), Duration::from_secs(20)), "it sends");
    let stuck = endless(&world, "stuck", "sleep 300");
    let seen = world.home("seen");
    let reader = format!("while [ ! -e {} ]; do head -c 1000000 > /dev/null; done", text(&seen));
    let fast = ["fast", "faster"].map(|name| endless(&world, name, &reader));
    // All of them go on for longer than any of these may take.
    for _ in 0..20 {
        assert_eq!(world.ctl(&["get", "a"]).within(Duration::from_secs(20)).ok(), b"value");
    }
    for mut stream in fast {
        assert!(!stream.has_ended(), "control: there was something to wait for");
    }
    fs::write(seen, "").unwrap();
    // A peer that does not read is dropped after its ten seconds, with little of its own taken.
    assert_eq!(unread.output().ok(), b"dropped True\n");
    drop(stuck);
}

/// A stream without an end whose first part was taken, and the rest of which goes to `reader`. It ends with its code.
fn endless(world: &World, name: &str, reader: &str) -> Started {
    let moves = world.home(&format!("{name}.moves"));
    let script = format!(
        "ctl encrypt --context c < /dev/zero | {{ head -c 300000 > /dev/null; : > {}; {reader}; }}; \
         exit ${{PIPESTATUS[0]}}",
        text(&moves)
    );
    let started = world.granted_shell("/bin/bash", &script).start();
    assert!(wait_until(|| moves.exists(), Duration::from_secs(30)), "{name} moves");
    started
}

#[test]
fn a_lock_among_streams_that_wait_for_their_turn_is_told_as_one() {
    let world = World::unlocked();
    let streams = ["a", "b", "c", "d", "e"].map(|name| endless(&world, name, "cat > /dev/null"));
    world.ctl(&["lock"]).ok();
    for stream in streams {
        let out = stream.output();
        assert_eq!((out.code, out.stderr.lines().count()), (3, 1), "{}", out.stderr);
    }
}

#[test]
fn a_reader_that_leaves_and_a_disk_that_is_full_are_told_apart() {
    let world = World::unlocked();
    let small = world.home("small");
    fs::create_dir(&small).unwrap();
    User::A.own(&small).unwrap();
    world.mount_tmpfs(&small, 256);
    let stream = encrypt(&world, "c", &plain(20 * CHUNK));
    let file = world.file("in", &stream);
    let to = small.join("out");
    let line = world.ctl(&["decrypt", "--context", "c", text(&file), "--out", text(&to)]).refused(12);
    assert!(line.contains("nothing was changed"), "{line}");
    assert!(fs::read_dir(&small).unwrap().next().is_none(), "nothing is left behind");

    let head = "ctl decrypt --context c in | head -c 3 | od -An -tu1; echo ${PIPESTATUS[0]}";
    let out = world.granted_shell("/bin/bash", head).output();
    assert!(out.stderr.is_empty(), "a reader who left is told nothing: {}", out.stderr);
    let told = String::from_utf8(out.ok()).unwrap();
    assert_eq!(told.split_whitespace().collect::<Vec<_>>()[..3], ["0", "1", "2"], "{told}");
}

#[test]
fn a_terminal_gets_text_and_nothing_else() {
    let world = World::unlocked();
    world.file("text", encrypt(&world, "c", "pässwörd 🔑\n".as_bytes()));
    world.file("binary", encrypt(&world, "c", b"\x1b[2J"));
    world.file("unfinished", encrypt(&world, "c", b"the beginning of \xc3"));
    let mut shell = world.shell_at_terminal();
    let start = format!("glassdome_start --quiet --password-fd 3 3<<<'{PASSWORD}'\n");
    shell.send(&start);
    shell.expect("[0] ");
    shell.send("ctl decrypt --context c text\n");
    shell.expect("pässwörd 🔑");
    shell.expect("[0] ");
    shell.send("ctl decrypt --context c binary\n");
    shell.expect("would steer your terminal");
    shell.expect("[2] ");
    shell.send("ctl decrypt --context c unfinished\n");
    shell.expect("would steer your terminal");
    shell.expect("[2] ");
    shell.send("ctl encrypt --context c text\n");
    shell.expect("not for a terminal");
    shell.expect("[2] ");
    shell.send("ctl decrypt --context c\n");
    shell.expect("nothing to read");
    shell.expect("[13] ");
}
