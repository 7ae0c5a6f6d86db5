//! What `ctl` does beside the main job: versions, names, fields, files, settings and the rest.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::thread;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, wait_until};
use serde_json::Value;

fn json(world: &World, args: &[&str]) -> Value {
    serde_json::from_slice(&world.ctl(args).ok()).expect("--json prints JSON")
}

#[test]
fn who_reads_from_a_closed_stream_or_writes_to_one_is_told() {
    let world = World::unlocked();
    world.set("a", "1");
    let asked = |line: &str| world.granted_shell("/bin/sh", line).output();
    for line in ["ctl get a >&-", "ctl list >&-", "ctl storage backup - >&-", "ctl set a --stdin <&-"] {
        let out = asked(line);
        assert_eq!(out.code, 1, "{line}: {}", out.stderr);
        assert!(out.stderr.contains("Bad file descriptor"), "{line}: {}", out.stderr);
    }
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "nothing was stored");
    assert_eq!(json(&world, &["storage", "status", "--json"])["last_backup"], Value::Null);
    // Whatever needs neither goes on, and what is started has them closed as before.
    assert_eq!(asked("ctl list <&-").ok(), b"a\n");
    let out = asked("ctl run --env A=a -- sh -c 'cat; cat /etc/hostname' <&- >&-");
    assert_eq!(out.stderr.matches("Bad file descriptor").count(), 2, "{}", out.stderr);

    let out = asked("ctl set a --stdin </dev/null");
    assert!(out.code == 0 && out.stderr.contains("note: nothing came in"), "{}", out.stderr);
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"");
}

#[test]
fn versions_are_kept_restored_and_purged() {
    let world = World::unlocked();
    for round in 1..=11 {
        let out = world.ctl(&["set", "key", "--stdin"]).stdin(format!("value {round}")).output();
        assert!(out.stderr.contains(&format!("(version {round})")), "{}", out.stderr);
    }
    let history = json(&world, &["history", "key", "--json"]);
    let versions: Vec<u64> =
        history.as_array().unwrap().iter().map(|v| v["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (1..=11).rev().collect::<Vec<_>>(), "the current one and ten former ones");
    assert_eq!((&history[0]["current"], &history[1]["current"]), (&true.into(), &false.into()));
    world.set("key", "value 12");
    world.ctl(&["restore", "key@1"]).refused(5);
    world.ctl(&["restore", "key@2"]).ok();
    assert_eq!(world.ctl(&["get", "key"]).ok(), b"value 2");
    let info = json(&world, &["info", "key", "--json"]);
    assert_eq!((&info["version"], &info["size"]), (&13.into(), &7.into()));

    world.ctl(&["rm", "key"]).ok();
    world.ctl(&["get", "key"]).refused(5);
    world.ctl(&["rm", "key"]).refused(5);
    assert_eq!(world.ctl(&["list"]).ok(), b"");
    let history = json(&world, &["history", "key", "--json"]);
    assert_eq!(history[0]["change"], "removed");
    world.ctl(&["restore", "key@12"]).ok();
    assert_eq!(world.ctl(&["get", "key"]).ok(), b"value 12");
    world.ctl(&["rm", "--purge", "key"]).ok();
    world.ctl(&["history", "key"]).refused(5);
    world.ctl(&["restore", "key@12"]).refused(5);

    // A removed one can be purged as well, and its name begins anew.
    world.set("gone", "1");
    world.ctl(&["rm", "gone"]).ok();
    world.ctl(&["rm", "--purge", "gone"]).ok();
    world.ctl(&["history", "gone"]).refused(5);
}

#[test]
fn names_move_and_collide() {
    let world = World::unlocked();
    world.set("a", "first");
    world.set("a", "second");
    let line = world.ctl(&["set", "a", "--new", "--stdin"]).stdin("x").refused(9);
    assert!(line.contains("a exists already"), "{line}");
    world.set("b", "other");
    world.ctl(&["mv", "a", "b"]).refused(9);
    assert_eq!(world.ctl(&["get", "b"]).ok(), b"other");
    world.ctl(&["mv", "a", "c/d"]).ok();
    world.ctl(&["get", "a"]).refused(5);
    assert_eq!(world.ctl(&["get", "c/d"]).ok(), b"second");
    world.ctl(&["restore", "c/d@1"]).ok();
    assert_eq!(world.ctl(&["get", "c/d"]).ok(), b"first", "its versions went with it");
    world.ctl(&["mv", "nobody", "e"]).refused(5);
    world.ctl(&["lock"]).ok();
    world.ctl(&["mv", "c/d", "f"]).refused(3);
    world.unlock(PASSWORD, &[]).ok();
    let moves: Vec<_> = world.audit().into_iter().filter(|record| record["event"] == "move").collect();
    let told: Vec<_> = moves
        .iter()
        .map(|record| ["outcome", "secret", "to"].map(|member| record[member].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [["failed", "a", "b"], ["allowed", "a", "c/d"], ["failed", "nobody", "e"], ["denied", "c/d", "f"]]
    );
    let log = String::from_utf8(world.ctl(&["log", "c/d"]).ok()).unwrap();
    assert!(log.contains("rename a to c/d"), "{log}");

    // Of several that want to be the first, one is.
    let codes: Vec<i32> = thread::scope(|scope| {
        let racing =
            |i: usize| world.ctl(&["set", "race", "--new", "--stdin"]).stdin(format!("{i}")).output().code;
        let threads: Vec<_> = (0..6).map(|i| scope.spawn(move || racing(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 9).count(), 5, "{codes:?}");
}

/// Counts a number up by compare-and-set, as programs do that write the same secret.
const COUNT: &str = "
import sys, client
connection = client.Connection(sys.argv[1])
done = conflicts = 0
while done < 10:
    there = connection.get('counter')
    expected = b'\\x02' + client.varint(there['version'])
    try:
        connection.set('counter', str(int(there['value']) + 1).encode(), expect=expected)
        done += 1
    except client.Refused as refused:
        assert refused.code == 'conflict', refused
        conflicts += 1
try:
    connection.set('counter', b'0', expect=b'\\x02\\x01')
except client.Refused as refused:
    assert refused.code == 'conflict', refused
else:
    sys.exit('a version long gone was taken')
";

#[test]
fn no_update_is_lost_to_compare_and_set() {
    let world = World::unlocked();
    world.set("counter", "0");
    world.file("client.py", include_str!("../python/client.py"));
    let script = world.file("count.py", COUNT);
    world.allow_python(&script);
    let socket = world.socket();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| world.python(&script, &[socket.to_str().unwrap()]).ok());
        }
    });
    assert_eq!(world.ctl(&["get", "counter"]).ok(), b"40");
    assert_eq!(json(&world, &["info", "counter", "--json"])["version"], 41);
}

#[test]
fn fields_generated_values_and_expiry() {
    let world = World::unlocked();
    world.set("github", "token");
    world.ctl(&["set", "github", "--field", "user", "--stdin"]).stdin("mona").ok();
    world.ctl(&["set", "github", "--field", "ключ", "--stdin"]).stdin([0, 255, 10]).ok();
    assert_eq!(world.ctl(&["get", "github"]).ok(), b"token");
    assert_eq!(world.ctl(&["get", "github", "--field", "user"]).ok(), b"mona");
    assert_eq!(world.ctl(&["get", "github", "--field", "ключ"]).ok(), [0, 255, 10]);
    world.ctl(&["get", "github", "--field", "none"]).refused(5);
    let fields = &json(&world, &["info", "github", "--json"])["fields"];
    assert_eq!(fields.as_array().map(Vec::len), Some(2), "{fields}");
    // A new value keeps the fields.
    world.set("github", "token 2");
    assert_eq!(world.ctl(&["get", "github", "--field", "user"]).ok(), b"mona");

    world.ctl(&["set", "made", "--generate"]).ok();
    let made = world.ctl(&["get", "made"]).ok();
    assert!(made.len() == 24 && made.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c)));
    world.ctl(&["set", "made", "--generate=64"]).ok();
    assert_eq!(world.ctl(&["get", "made"]).ok().len(), 64);
    world.ctl(&["set", "made", "--generate=3"]).refused(2);
    let line = world.ctl(&["set", "made", "hunter2"]).refused(2);
    assert!(!line.contains("hunter2"), "{line}");

    let out = world.ctl(&["set", "old", "--stdin", "--expires", "1s"]).stdin("x").output();
    assert_eq!(out.code, 0);
    world.ctl(&["set", "new", "--stdin", "--expires", "2099-12-31"]).stdin("x").ok();
    world.ctl(&["set", "new", "--stdin", "--expires", "2001-12-31"]).stdin("x").refused(2);
    thread::sleep(Duration::from_secs(2));
    let out = world.ctl(&["get", "old"]).output();
    assert_eq!((out.code, &out.stdout[..]), (0, &b"x"[..]), "a reminder is no lock");
    assert!(out.stderr.contains("expired on") && out.stderr.contains("ctl set old"), "{}", out.stderr);
    assert_eq!(world.ctl(&["get", "new"]).output().stderr, "");
    assert!(world.ctl(&["info", "new"]).text().contains("2099-12-31"));
}

#[test]
fn lists_as_lines_tree_and_json() {
    let world = World::unlocked();
    let empty = world.ctl(&["list"]).output();
    assert!(empty.code == 0 && empty.stderr.contains("ctl set NAME"));
    let names = ["aws/prod/id", "aws/prod/key", "aws/test", "db", "db/user", "ünï/ö"];
    for name in names {
        world.set(name, "the value");
    }
    let lines = |glob: &[&str]| world.ctl(&[&["list"], glob].concat()).text();
    assert_eq!(lines(&[]).lines().collect::<Vec<_>>(), names, "sorted");
    assert_eq!(lines(&["aws/*"]), "aws/test\n");
    assert_eq!(lines(&["aws/**"]), "aws/prod/id\naws/prod/key\naws/test\n");
    assert_eq!(lines(&["?b"]), "db\n");
    assert_eq!(lines(&["**/ö"]), "ünï/ö\n");
    assert_eq!(lines(&["nothing*"]), "");
    assert!(lines(&["--tree"]).starts_with("├── aws/\n│   ├── prod/\n│   │   ├── id\n"));
    let all = json(&world, &["list", "--json"]);
    let listed: Vec<&str> = all.as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(listed, names);
    assert_eq!((&all[0]["version"], &all[0]["size"]), (&1.into(), &9.into()));
    assert!(!all.to_string().contains("the value"));

    // More than one page of the protocol.
    let many: String = (0..450).map(|i| format!("K{i:03}=v{i}\n")).collect();
    world.file("many.env", many);
    world.ctl(&["import", "many.env", "--prefix", "many"]).ok();
    let listed = lines(&["many/*"]);
    assert_eq!(listed.lines().count(), 450);
    assert_eq!((listed.lines().next(), listed.lines().last()), (Some("many/K000"), Some("many/K449")));
}

#[test]
fn out_writes_a_private_file_and_follows_no_link() {
    let world = World::unlocked();
    let value: Vec<u8> = (0..200_000u32).map(|i| (i * 7) as u8).collect();
    world.set("tls/key", value.clone());
    let get = |file: &str| world.ctl(&["get", "tls/key", "--out", file]);
    for before in [None, Some("something longer that was there before")] {
        if let Some(text) = before {
            world.file("key.pem", text);
        }
        assert_eq!(get("key.pem").ok(), b"");
        let written = fs::metadata(world.home("key.pem")).unwrap();
        assert_eq!(written.mode() & 0o7777, 0o600);
        assert!(fs::read(world.home("key.pem")).unwrap() == value);
    }
    let target = world.file("target", "untouched");
    symlink(&target, world.home("link")).unwrap();
    symlink(world.home("nowhere"), world.home("dangling")).unwrap();
    for link in ["link", "dangling"] {
        assert!(get(link).refused(2).contains("not a regular file"));
    }
    assert_eq!(fs::read(&target).unwrap(), b"untouched");
    assert!(!world.home("nowhere").exists());
    get("/dev/null").refused(2);
    get("none/key.pem").refused(12);
    // A name that is not there leaves what is there as it is.
    world.ctl(&["get", "nobody", "--out", "target"]).refused(5);
    assert_eq!(fs::read(&target).unwrap(), b"untouched");
    let left: Vec<_> =
        fs::read_dir(world.home("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn settings_completions_and_doctor() {
    let world = World::unlocked();
    world.set("$(touch pwned)", "x");
    for shell in ["bash", "zsh", "fish"] {
        let script = world.ctl(&["completions", shell]).text();
        for word in ["glassdome_start", "history", "complete-names"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    // On a busy machine nothing is completed rather than a shell kept waiting.
    let completes = || {
        let completed = world.granted_shell(
            "/bin/bash",
            "source <(ctl completions bash); COMP_WORDS=(ctl get ''); COMP_CWORD=2; \
             _glassdome_with_names ctl '' get; echo \"${COMPREPLY[*]}\"",
        );
        completed.text().contains("touch")
    };
    assert!(wait_until(completes, Duration::from_secs(20)), "names complete, as text");
    assert!(!world.home("pwned").exists(), "a name is never expanded");

    let settings = |world: &World| -> Vec<(String, String, bool)> {
        let all = json(world, &["settings", "show", "--json"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        all.as_array()
            .unwrap()
            .iter()
            .map(|s| (text(&s["key"]), text(&s["value"]), s["default"] == true))
            .collect()
    };
    let expected = |idle: &str, default| {
        [
            ("ceiling", "8h", true),
            ("idle", idle, default),
            ("memory", "locked", true),
            ("terminals", "own", true),
            ("notify", "off", true),
            ("keyring", "lock", true),
            ("screen", "pause", true),
            ("sleep", "lock", true),
            ("logout", "lock", true),
            ("audit-keep", "1GiB", true),
        ]
        .map(|(key, value, default)| (key.to_owned(), value.to_owned(), default))
        .to_vec()
    };
    assert_eq!(settings(&world), expected("off", true));
    let set = |key: &str, value: &str, password: &str| {
        world.ctl(&["settings", "set", key, value, "--password-stdin"]).stdin(format!("{password}\n"))
    };
    set("idle", "30m", PASSWORD).ok();
    assert_eq!(settings(&world), expected("30m", false));
    set("idle", "soon", PASSWORD).refused(2);
    set("ceiling", "9h", PASSWORD).refused(2);
    let line = set("screens", "lock", PASSWORD).refused(2);
    assert!(
        line.contains("ceiling, idle, memory, terminals, notify, keyring, screen, sleep, logout"),
        "{line}"
    );
    set("idle", "off", "wrong").refused(7);
    assert_eq!(settings(&world), expected("30m", false), "what was refused changed nothing");

    world.ctl(&["completions", "tcsh"]).refused(2);

    let lines = json(&world, &["doctor", "--json"]);
    let lines = lines.as_array().unwrap();
    assert!(lines.len() >= 5);
    for line in lines {
        let level = line["level"].as_str().unwrap();
        assert!(["on", "degraded", "off"].contains(&level), "{line}");
        assert!(!line["what"].as_str().unwrap().is_empty() && !line["why"].as_str().unwrap().is_empty());
    }
    assert!(world.ctl(&["doctor"]).text().contains("memory of the key"));
    for args in [&["--help"][..], &["get", "--help"], &["import", "--help"], &["--version"]] {
        assert!(!world.ctl(args).text().is_empty());
    }
    assert!(world.ctl(&["get", "--help"]).text().contains("Examples:\n  ctl get "));
}
