//! Whoever can write the vault's file, and has no password, gets nothing by it: rules of another vault, rules of
//! yesterday, no rules, and an index that leads elsewhere are noticed before anything is served.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "support/askers.rs"]
mod askers;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use askers::{allow, asker, asking, recorded, told, with_password};
use glassdome_tests::{PASSWORD, User, World, text, wait_until};
use serde_json::Value;

/// Two secrets, and a script that may have the first.
fn stage() -> (World, PathBuf) {
    let world = World::unlocked();
    world.set("db/a", "value a");
    world.set("other", "value b");
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", text(&script)]).ok();
    (world, script)
}

/// What the script is told that asks for it as a client.
fn ask(world: &World, script: &Path, name: &str) -> askers::Told {
    told(asking(world, text(script), &[], &["client", "get", name]))
}

/// The file of a vault whose daemon has ended in good order.
struct Closed<'w> {
    world: &'w World,
    honest: Vec<u8>,
}

impl<'w> Closed<'w> {
    fn new(world: &'w World) -> Self {
        if world.daemon().is_some() {
            world.ctl(&["stop"]).ok();
            assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)), "it ends");
        }
        // The vault's file has it all: what lies beside it is gone, or void.
        if let Ok(bytes) = fs::read(redo(world)) {
            assert_eq!(&bytes[..4], [0; 4]);
            fs::remove_file(redo(world)).unwrap();
        }
        Self { world, honest: fs::read(world.vault()).unwrap() }
    }

    /// The rows of a table: key and row, in hexadecimal.
    fn rows(&self, table: &str) -> Vec<(String, String)> {
        let rows = tools::tool(self.world, env!("CARGO_BIN_EXE_rows"));
        let rows = self.world.program(&rows, &[text(&self.world.vault())]).text();
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let rows = rows.filter(|row| row["table"] == table);
        rows.map(|row| (row["key"].as_str().unwrap().into(), row["row"].as_str().unwrap().into())).collect()
    }

    /// A row of the sealed settings.
    fn sealed(&self, key: &str) -> String {
        let key = hex(key);
        self.rows("sealed").into_iter().find(|(own, _)| *own == key).expect("it is sealed").1
    }

    fn graft(&self, words: &[&str]) -> &Self {
        let graft = tools::tool(self.world, env!("CARGO_BIN_EXE_graft"));
        self.world.program(&graft, &[&[text(&self.world.vault())], words].concat()).ok();
        self
    }

    /// That the vault opens.
    fn opens(&self) {
        self.world.start(PASSWORD);
    }

    /// That it opens for nobody who does not say that they put an older one there.
    fn opens_as_older(&self) {
        let line = self.world.unlock(PASSWORD, &[]).refused(10);
        assert!(line.contains("the audit log knows"), "{line}");
        assert_eq!(self.world.unlock(PASSWORD, &["--accept-rollback"]).code, 0);
    }

    /// That it does not, that this is recorded, and that the script gets nothing; and that the honest file opens.
    fn is_corrupt(&self, script: &Path) {
        let line = self.world.unlock(PASSWORD, &[]).refused(10);
        assert!(line.contains("the vault is damaged"), "{line}");
        assert_eq!(recorded(self.world, "unlock", "failed")["by"], "vault");
        assert_eq!(self.world.status()["state"], "locked");
        for name in ["db/a", "other"] {
            let told = ask(self.world, script, name);
            assert_eq!((told.code, told.got), (3, None));
        }
        self.put_back();
        self.opens();
        ask(self.world, script, "db/a").served("value a");
    }

    fn put_back(&self) {
        if let Some(daemon) = self.world.daemon() {
            daemon.kill();
        }
        fs::remove_file(redo(self.world)).ok();
        fs::write(self.world.vault(), &self.honest).unwrap();
        User::A.own(&self.world.vault()).unwrap();
    }
}

fn redo(world: &World) -> PathBuf {
    world.vault().with_file_name("vault.redo")
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// A vault whose owner allows the script of another one everything, and the row that says so.
fn rules_of_another_vault(script: &Path) -> String {
    let other = World::unlocked();
    allow(&other, &["--secrets", "**", "--actions", "get,list", "--script", text(script)]).ok();
    Closed::new(&other).sealed("policy")
}

#[test]
fn rules_of_another_vault_open_nothing() {
    let (world, script) = stage();
    let foreign = rules_of_another_vault(&script);
    let closed = Closed::new(&world);
    let own = closed.sealed("policy");
    assert_ne!(own, foreign);
    // Control: what is written so is read.
    closed.graft(&["put", "sealed", &hex("policy"), &own]).opens();
    ask(&world, &script, "db/a").served("value a");
    ask(&world, &script, "other").denied();

    let closed = Closed::new(&world);
    closed.graft(&["put", "sealed", &hex("policy"), &foreign]).is_corrupt(&script);
    ask(&world, &script, "other").denied();
}

#[test]
fn rules_that_come_by_the_changes_beside_the_vault_open_nothing() {
    let (world, script) = stage();
    let foreign = rules_of_another_vault(&script);
    let closed = Closed::new(&world);
    let own = closed.sealed("policy");
    // Control: a record that changes nothing is made, and one that follows another state is not.
    closed.graft(&["redo", "sealed", &hex("policy"), &own]).opens();
    ask(&world, &script, "db/a").served("value a");
    let closed = Closed::new(&world);
    closed.graft(&["redo", "sealed", &hex("policy"), &foreign]);
    let stale = fs::read(redo(&world)).unwrap();
    closed.put_back();
    closed.opens();
    world.set("one", "more");
    let later = Closed::new(&world);
    fs::write(redo(&world), stale).unwrap();
    User::A.own(&redo(&world)).unwrap();
    later.opens();
    ask(&world, &script, "other").denied();

    for row in [&[&*foreign][..], &[]] {
        let closed = Closed::new(&world);
        closed.graft(&[&["redo", "sealed", &hex("policy")], row].concat()).is_corrupt(&script);
        ask(&world, &script, "other").denied();
    }
}

#[test]
fn rules_of_yesterday_open_nothing_and_those_of_a_whole_file_only_for_its_owner() {
    let (world, script) = stage();
    let before = Closed::new(&world);
    let [policy, anchor, set] = ["policy", "audit-anchor", "set"].map(|key| before.sealed(key));
    let file = before.honest.clone();
    // Where the log stood then goes with them: the log goes on from there, too.
    let yesterday = |closed: &Closed<'_>| {
        for (key, row) in [("policy", &policy), ("audit-anchor", &anchor), ("set", &set)] {
            closed.graft(&["put", "sealed", &hex(key), row]);
        }
    };
    before.opens();
    with_password(&world, &["policy", "rm", "deploy"]).ok();
    allow(&world, &["--secrets", "db/*", "--script", text(&script), "--expires", "90d", "--id", "new"]).ok();
    Closed::new(&world).graft(&["put", "sealed", &hex("policy"), &policy]).is_corrupt(&script);
    // The hash over all rows that went with it hides that, until the rows of secrets are others.
    let ids = |world: &World| -> Vec<Value> {
        let rules: Value = serde_json::from_slice(&world.ctl(&["policy", "show", "--json"]).ok()).unwrap();
        rules.as_array().unwrap().iter().map(|rule| rule["id"].clone()).collect()
    };
    assert_eq!(ids(&world), ["new"]);
    let closed = Closed::new(&world);
    yesterday(&closed);
    closed.opens_as_older();
    assert_eq!(ids(&world), ["deploy"], "whose owner says that they put it there");
    closed.put_back();
    closed.opens_as_older();
    world.set("one", "more");
    let closed = Closed::new(&world);
    yesterday(&closed);
    closed.opens_as_older();
    let noticed = || world.status()["vault"]["state"] == "damaged";
    assert!(wait_until(noticed, Duration::from_secs(20)), "{}", world.status());
    assert_eq!(recorded(&world, "vault-damaged", "failed")["by"], "rows-altered");

    // As with the whole file.
    closed.put_back();
    fs::write(world.vault(), &file).unwrap();
    closed.opens_as_older();
    assert_eq!(ids(&world), ["deploy"]);
}

#[test]
fn without_its_rules_a_vault_does_not_open() {
    let (world, script) = stage();
    // Control: of a vault that never had any.
    let bare = World::unlocked();
    bare.ctl(&["policy", "show"]).ok();
    let closed = Closed::new(&world);
    closed.graft(&["delete", "sealed", &hex("policy")]).is_corrupt(&script);
}

#[test]
fn an_index_that_leads_elsewhere_gives_nothing() {
    let (world, script) = stage();
    let closed = Closed::new(&world);
    let names = closed.rows("names");
    let [(one, here), (other, there)] = &names[..] else { panic!("two secrets: {names:?}") };
    // Control: written back as they are.
    closed.graft(&["put", "names", one, here]).graft(&["put", "names", other, there]).opens();
    ask(&world, &script, "db/a").served("value a");

    let closed = Closed::new(&world);
    closed.graft(&["put", "names", one, there]).graft(&["put", "names", other, here]).opens();
    for way in ["client", "ctl"] {
        let told = told(asking(&world, text(&script), &[], &[way, "get", "db/a"]));
        assert_eq!((told.code, told.got), (10, None), "{}", told.why);
        let record = recorded(&world, "get", "failed");
        assert_eq!((&record["by"], &record["secret"]), (&"rule:deploy".into(), &"db/a".into()));
    }
    // Nor what is typed.
    for name in ["db/a", "other"] {
        world.ctl(&["get", name]).refused(10);
        world.ctl(&["rm", name]).refused(10);
    }
    ask(&world, &script, "other").denied();
    let noticed = || world.status()["vault"]["state"] == "damaged";
    assert!(wait_until(noticed, Duration::from_secs(20)), "{}", world.status());
    closed.put_back();
    closed.opens_as_older();
    ask(&world, &script, "db/a").served("value a");
}
