//! What leaves for a SIEM is what the log says, line for line, whatever else stands in the log's file; and a
//! journal that nobody runs costs nothing but a word of the doctor.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use glassdome_tests::{User, World};
use serde_json::Value;

/// A journal would be outside of the test's world; where one runs, its records are nobody's harm.
const CONFIG: &str = "journald = true\n";

#[test]
fn every_record_leaves_in_every_format() {
    let world = World::with_vault();
    world.configure(CONFIG);
    world.start(glassdome_tests::PASSWORD);
    world.set("db/a|b=c", "1");
    world.ctl(&["get", "db/a|b=c"]).ok();
    world.ctl(&["get", "db/none"]).refused(5);
    let doctor = world.ctl(&["doctor"]).text();
    assert!(doctor.contains("system journal"), "{doctor}");
    world.ctl(&["lock"]).ok();
    world.ctl(&["stop"]).ok();

    let log = world.audit();
    let ocsf = world.ctl(&["audit", "export"]).text();
    let events: Vec<Value> = ocsf.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), log.len());
    for (event, record) in events.iter().zip(&log) {
        assert_eq!(event["metadata"]["sequence"], record["seq"]);
        assert_eq!(event["unmapped"]["event"], record["event"]);
    }
    let got = events.iter().find(|event| event["unmapped"]["event"] == "get").unwrap();
    assert_eq!(got["type_uid"], 600_302);
    assert_eq!(got["resources"][0]["name"], "db/a|b=c");
    assert_eq!(got["actor"]["user"]["uid"], User::A.uid().to_string());

    let ecs = world.ctl(&["audit", "export", "--format", "ecs"]).text();
    let last: Value = serde_json::from_str(ecs.lines().last().unwrap()).unwrap();
    assert_eq!((ecs.lines().count(), &last["event"]["action"]), (log.len(), &"stop".into()));
    let none = world.ctl(&["audit", "export", "--format", "cef", "--since", "2999-01-01"]).output();
    assert_eq!((none.code, none.stdout.len()), (0, 0));

    // A log that is named, by its directory or by files in any order, is exported as it would be in its place.
    let directory = world.home("copy");
    fs::create_dir(&directory).unwrap();
    let content = fs::read_to_string(world.state().join("glassdome/audit.jsonl")).unwrap();
    let (first, rest) = content.split_at(content.find('\n').unwrap() + 1);
    for (name, content) in [("audit-000000000001.jsonl", first), ("audit.jsonl", rest)] {
        fs::write(directory.join(name), content).unwrap();
        User::A.own(&directory.join(name)).unwrap();
    }
    User::A.own(&directory).unwrap();
    let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    assert_eq!(world.ctl(&["audit", "export", &at("")]).text(), ocsf);
    let files = [&at("audit.jsonl"), &at("audit-000000000001.jsonl")];
    assert_eq!(world.ctl(&["audit", "export", files[0], files[1], "--format", "ecs"]).text(), ecs);
    world.ctl(&["audit", "export", &at("none.jsonl")]).refused(1);

    // What is no record is left out and told; the rest goes all the same, to a file too.
    let path = world.state().join("glassdome/audit.jsonl");
    writeln!(File::options().append(true).open(&path).unwrap(), "\u{1b}[2Jno record").unwrap();
    let out = world.home("audit.cef");
    let told = world.ctl(&["audit", "export", "--format", "cef", "-o", out.to_str().unwrap()]).refused(10);
    assert!(told.contains("1 line of the log is no record"), "{told}");
    let cef = fs::read_to_string(&out).unwrap();
    assert_eq!(cef.lines().count(), log.len());
    assert!(cef.contains(" cs1=db/a|b\\=c cs1Label=secret"), "{cef}");
    assert_eq!(fs::metadata(&out).unwrap().mode() & 0o7777, 0o600);
    world.ctl(&["audit", "export", "--format", "leef"]).refused(2);
}
