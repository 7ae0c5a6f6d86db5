//! That the pages are exact: a program in another language, written from docs/vault-format.md alone,
//! reads a vault that the real programs made; another, from docs/audit.md, checks their log; and a third,
//! from docs/protocol.md, speaks to the real daemon.

#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use glassdome_tests::{PASSWORD, World, text};
use serde_json::{Value, json};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that no text survives: every byte, in an order that repeats late.
fn binary(len: usize) -> Vec<u8> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 24) as u8
    };
    let mut state = 7;
    (0..len).map(|_| step(&mut state)).collect()
}

#[test]
fn python_reads_a_vault_from_the_page_and_the_password() {
    // Made by the real daemon, with what it takes to be right for this machine.
    let world = World::new();
    world.start(PASSWORD);
    let values: [(&str, Vec<u8>); 6] = [
        ("plain", b"correct horse".to_vec()),
        ("empty", Vec::new()),
        ("binary", binary(1000)),
        ("データ/ключ/🔑", "ünïcödé\n".into()),
        ("newline", b"\n\r\n\0".to_vec()),
        ("large", binary(1 << 20)),
    ];
    for (name, value) in &values {
        world.set(name, value.clone());
    }
    world.set("plain", "battery staple");
    world.ctl(&["set", "plain", "--field", "user", "--stdin"]).stdin("ann").ok();
    world.set("gone", "was here");
    world.ctl(&["rm", "gone"]).ok();
    world.ctl(&["settings", "set", "idle", "2h", "--password-stdin"]).stdin(format!("{PASSWORD}\n")).ok();

    let vault = decrypt::decrypt(&world, PASSWORD, &[]);
    let secrets = vault["secrets"].as_object().expect("secrets by name");
    assert_eq!(secrets.len(), values.len(), "the removed one is not among them");
    for (name, value) in &values[1..] {
        assert_eq!(secrets[*name]["value"], hex(value), "{name}");
    }
    assert_eq!(secrets["plain"]["value"], hex(b"battery staple"));
    assert_eq!(secrets["plain"]["fields"], json!({ "user": hex(b"ann") }));
    assert_eq!(secrets["plain"]["version"], 3);
    let history = vault["history"].as_array().expect("former versions");
    let former = |name: &str, version: u32| {
        let found = history.iter().find(|row| row["name"] == name && row["version"] == version);
        found.unwrap_or_else(|| panic!("version {version} of {name}"))["value"].clone()
    };
    assert_eq!(former("plain", 1), hex(b"correct horse"));
    assert_eq!(former("gone", 1), hex(b"was here"));
    assert_eq!(vault["settings"]["idle"], hex(b"2h"), "{}", vault["settings"]);
}

#[test]
fn python_checks_a_log_from_the_page_and_the_auditors_key() {
    // Two files, three runs' worth of keys: the auditor's first, one after a kill, and one for a session.
    let world = World::unlocked();
    let key = world.home("auditor-key");
    let made = ["audit", "new-key", "--key-file", text(&key), "--password-stdin"];
    world.ctl(&made).stdin(format!("{PASSWORD}\n")).ok();
    world.set("データ/ключ", "1");
    world.daemon().expect("a daemon runs").kill();
    world.start(PASSWORD);
    world.ctl(&["get", "データ/ключ"]).ok();
    world.ctl(&["lock"]).ok();
    let daemon = world.daemon().expect("a daemon runs");
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();

    let directory = world.state().join("glassdome");
    let full = directory.join("audit-000000000001.jsonl");
    let read = |active: &Path| -> Output {
        let mut python = Command::new(decrypt::interpreter());
        python.arg(scripts::scripts(&world).join("read_audit_log.py")).arg(&key);
        python
            .arg(directory.join("audit.link"))
            .args([&full, active])
            .output()
            .expect("the interpreter starts")
    };
    let active = directory.join("audit.jsonl");
    let found = read(&active);
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let found: Value = serde_json::from_slice(&found.stdout).expect("it prints JSON");
    assert_eq!(found["linked"], json!(["origin", "link", "running"]));
    let ours = world.ctl(&["audit", "verify", "--key-file", text(&key), "--json"]).ok();
    let ours: Value = serde_json::from_slice(&ours).expect("it prints JSON");
    assert_eq!((&found["records"], &found["sealed"]), (&ours["records"], &ours["seals"]["checked"]));
    assert_eq!(found["link"], found["records"], "left behind the last record");
    let end = format!("{}:{}", found["records"], found["hash"].as_str().expect("it is hex"));
    assert_eq!(ours["checked_to"], end);

    // It is a check: of one word, and of one digit of a seal.
    let log = fs::read_to_string(&active).expect("it is text");
    let mac = log.rfind("\"mac\":\"").expect("the last record has a seal") + 7;
    let digit = if log.as_bytes()[mac] == b'0' { "1" } else { "0" };
    let sealed = [&log[..mac], digit, &log[mac + 1..]].concat();
    let worded = log.replacen("\"event\":\"set\"", "\"event\":\"get\"", 1);
    for (changed, why) in [(sealed, "does not fit"), (worded, "does not fit")] {
        assert_ne!(changed, log);
        let refused = read(&world.file("changed.jsonl", changed));
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && told.contains(why), "{told}");
    }
}

#[test]
fn python_speaks_to_the_daemon_from_the_page() {
    let world = World::unlocked();
    let script = scripts::scripts(&world).join("client.py");
    world.allow_python(&script);
    world.ctl(&["lock"]).ok();
    let socket = world.socket();
    let client = |args: &[&str]| world.python(&script, &[&[socket.to_str().expect("text")], args].concat());
    let told =
        |args: &[&str]| -> Value { serde_json::from_slice(&client(args).ok()).expect("it prints JSON") };

    let status = told(&["status"]);
    assert_eq!(status["state"], "locked");
    assert_eq!(status["last_lock"], "requested");
    assert_eq!(status["pid"], world.daemon_pid());
    assert!(client(&["get", "a"]).output().stderr.contains("refused: locked"));
    assert!(client(&["unlock"]).stdin("not this one").output().stderr.contains("refused: wrong-password"));

    // One wrong try makes the next one wait.
    let unlocked = glassdome_tests::wait_until(
        || client(&["unlock"]).stdin(PASSWORD).output().code == 0,
        std::time::Duration::from_secs(20),
    );
    assert!(unlocked, "the right password opens it");
    // From a client that is not ours it grants no terminal.
    world.ctl(&["list"]).refused(4);
    world.start(PASSWORD);
    let status = told(&["status"]);
    assert_eq!((&status["state"], &status["vault"]), (&json!("unlocked"), &json!("present")));
    assert!(status["left_s"].as_u64().is_some_and(|left| left > 0 && left <= 8 * 3600));

    for (name, value) in [
        ("empty", Vec::new()),
        ("a chunk", binary(60 * 1024)),
        ("a chunk and a byte", binary(60 * 1024 + 1)),
        ("データ/ключ/🔑", "ünïcödé\n".into()),
        ("large", binary(1 << 20)),
    ] {
        assert_eq!(client(&["set", name]).stdin(value.clone()).text().trim(), "1", "{name}");
        assert_eq!(client(&["get", name]).ok(), value, "{name}: Python to Python");
        assert_eq!(world.ctl(&["get", name]).ok(), value, "{name}: Python to ours");
    }
    world.set("ours", binary(300_000));
    assert_eq!(client(&["get", "ours"]).ok(), binary(300_000), "ours to Python");
    let together = told(&["get-many", "empty", "a chunk", "ours", "empty"]);
    let values: Vec<_> =
        together.as_array().expect("a list").iter().map(|v| v.as_str().map(str::len)).collect();
    assert_eq!(values, [Some(0), Some(60 * 1024 / 3 * 4), None, Some(0)], "in base64; what fits one message");
    assert!(client(&["get-many", "empty", "absent"]).output().stderr.contains("refused: not-found"));
    assert!(client(&["get-many"]).output().stderr.contains("refused: usage"));
    let names = [&["get-many"], &["empty"; 65][..]].concat();
    assert!(client(&names).output().stderr.contains("refused: protocol"), "64 at most");
    assert_eq!(told(&names[..65]).as_array().map(Vec::len), Some(64));
    assert!(client(&["get", "absent"]).output().stderr.contains("refused: not-found"));

    let many: String = (0..230).map(|n| format!("N{n}=v{n}\n")).collect();
    let file = world.file("many.env", many);
    world.ctl(&["import", file.to_str().expect("text"), "--prefix", "many"]).ok();
    let listed = told(&["list", "many/*"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(230), "over more than one page");
    assert_eq!(told(&["list"]).as_array().map(Vec::len), Some(236));

    assert_eq!(told(&["lock"]), Value::Null);
    assert!(client(&["get", "large"]).output().stderr.contains("refused: locked"));
    let record = world.audit().into_iter().rfind(|record| record["event"] == "get").expect("it is recorded");
    assert_eq!(record["peer"]["claims"]["client"], "client.py");
}

/// The examples of the page are those that the golden frames hold.
#[test]
fn the_pages_examples_are_golden() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is in the workspace");
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("it is part of the source");
    let golden: String = ["handshake", "requests", "replies"]
        .iter()
        .map(|name| read(&format!("proto/tests/golden/{name}.hex")))
        .collect();
    let page = read("docs/protocol.md");
    let examples: Vec<&str> = page
        .split("```")
        .filter_map(|block| block.strip_prefix("frames\n").or_else(|| block.strip_prefix("frames\n   ")))
        .flat_map(str::lines)
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert!(examples.len() > 15, "the page has examples: {examples:?}");
    for example in examples {
        assert!(golden.lines().any(|line| line == example), "not a golden frame: {example}");
    }
}
