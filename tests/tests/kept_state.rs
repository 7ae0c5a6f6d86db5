//! The newest state of a vault that is bound to the keyring lies there, too: a real gnome-keyring on a bus of the test's
//! own. An older vault is noticed by it also where the audit log of its day is put back with it; and what is not noticed
//! is shown as well. And who may have how much of the keyring read.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/decrypt.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod decrypt;
#[path = "support/desktop.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod desktop;
#[path = "support/scripts.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use desktop::{Bus, Keyring, SOON, keyring_call, sprung};
use glassdome_tests::{Out, PASSWORD, Run, World, text, wait_until};
use rustix::process::Signal;

/// The keyring is open, the vault bound to it, and the session too.
struct Stage {
    world: World,
    _bus: Bus,
    keyring: Keyring,
}

/// What lies in the vault's directory and in the log's, while nobody has it.
struct Day(Vec<(PathBuf, Vec<u8>)>);

impl Day {
    fn of(world: &World) -> Self {
        let files = places(world).into_iter().flat_map(|place| fs::read_dir(place).unwrap());
        let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
        Self(files.map(|path| (path.clone(), fs::read(path).unwrap())).collect())
    }

    /// All of it as it was, and nothing else. In place: what is written over keeps its owner and its mode.
    fn put_back(&self, world: &World) {
        for file in Self::of(world).0.iter().map(|(path, _)| path) {
            if !self.0.iter().any(|(path, _)| path == file) {
                fs::remove_file(file).unwrap();
            }
        }
        self.0.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    }
}

fn places(world: &World) -> [PathBuf; 2] {
    [world.vault().parent().unwrap().to_owned(), world.state().join("glassdome")]
}

impl Stage {
    fn new() -> Self {
        let world = World::with_vault();
        let (bus, keyring) = (Bus::start(&world), Keyring::open(&world));
        world.start(PASSWORD);
        let stage = Self { world, _bus: bus, keyring };
        stage.with_password(&["storage", "migrate", "--to", "keyring", "--without-recovery"]).ok();
        stage.kept_anew(None);
        stage
    }

    fn with_password(&self, args: &[&str]) -> Out {
        self.world.ctl(&[args, &["--password-stdin"]].concat()).stdin(format!("{PASSWORD}\n")).output()
    }

    fn unlock(&self, args: &[&str]) -> Out {
        self.world.unlock(PASSWORD, args)
    }

    fn stop(&self) {
        self.world.ctl(&["stop"]).ok();
        assert!(wait_until(|| self.world.daemon().is_none(), SOON));
    }

    fn secret_tool(&self, args: &[&str]) -> Run {
        let address = format!("unix:path={}", text(&self.world.runtime().join("bus")));
        self.world.program(Path::new("/usr/bin/secret-tool"), args).env("DBUS_SESSION_BUS_ADDRESS", address)
    }

    /// What the keyring keeps of the vault, as anybody of that user reads it.
    fn kept(&self) -> Option<Vec<u8>> {
        // Where all of that kind are locked, the tool would have a person asked to unlock one.
        let search = "org.freedesktop.Secret.Service.SearchItems";
        let attributes = "{'application': 'glassdome', 'kind': 'vault-state'}";
        let found = keyring_call(&self.world, "/org/freedesktop/secrets", search, &[attributes]);
        if !found.starts_with("([") {
            return None;
        }
        let out = self.secret_tool(&["lookup", "application", "glassdome", "kind", "vault-state"]).output();
        (out.code == 0).then_some(out.stdout)
    }

    /// Waits until it keeps something else than that.
    fn kept_anew(&self, than: Option<&[u8]>) -> Vec<u8> {
        let mut kept = None;
        let anew = || {
            kept = self.kept();
            kept.is_some() && kept.as_deref() != than
        };
        assert!(wait_until(anew, SOON), "{}", self.world.daemon_log());
        kept.unwrap()
    }

    /// The attributes of an item of that kind, as they are on a command line.
    fn attributes(&self, kind: &str) -> Vec<String> {
        let found = self.secret_tool(&["search", "--all", "application", "glassdome", "kind", kind]).output();
        let told = format!("{}{}", String::from_utf8_lossy(&found.stdout), found.stderr);
        let each = told.lines().filter_map(|line| line.strip_prefix("attribute.")?.split_once(" = "));
        each.flat_map(|(name, is)| [name.to_owned(), is.to_owned()]).collect()
    }

    /// Puts items beside those that have these attributes, into that collection.
    fn plant(&self, to: &str, count: usize, value: &str, attributes: &[String]) {
        let scripts = scripts::scripts(&self.world);
        let found = Command::new(decrypt::interpreter())
            .args(["-c", "import jeepney; print(jeepney.__path__[0])"])
            .output();
        let package = String::from_utf8(found.unwrap().stdout).unwrap();
        let copied = Command::new("cp").args(["-r", package.trim(), text(&scripts)]).status();
        assert!(copied.unwrap().success());
        let bus = self.world.runtime().join("bus");
        let args = [text(&bus).to_owned(), to.to_owned(), count.to_string(), value.to_owned()];
        let args: Vec<&str> = args.iter().chain(attributes).map(String::as_str).collect();
        self.world.python(&scripts.join("plant_items.py"), &args).ok();
    }

    fn recorded(&self, event: &str) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let log = self.world.audit().into_iter().filter(|record| record["event"] == event);
        log.map(|record| (text(&record["outcome"]), text(&record["by"]))).collect()
    }

    fn older_vaults(&self) -> String {
        let lines: serde_json::Value =
            serde_json::from_slice(&self.world.ctl(&["doctor", "--json"]).output().stdout).unwrap();
        let lines = lines["protections"].as_array().or(lines.as_array()).unwrap();
        let line = lines.iter().find(|line| line["what"] == "older vaults").unwrap();
        format!("{}: {}", line["level"].as_str().unwrap(), line["why"].as_str().unwrap())
    }
}

#[test]
fn an_older_vault_with_the_log_of_its_day_is_noticed_by_the_keyring() {
    let stage = Stage::new();
    let world = &stage.world;
    assert!(stage.older_vaults().starts_with("on: "), "{}", stage.older_vaults());
    world.set("a", "old");
    stage.stop();
    let (old, then) = (Day::of(world), stage.kept().unwrap());
    assert_eq!(then.len(), 57);
    stage.unlock(&[]).ok();
    assert!(wait_until(|| stage.older_vaults().starts_with("on: "), SOON), "{}", stage.older_vaults());
    let began = stage.kept();
    world.set("a", "new");
    // A session that ends leaves what was changed last, without a key; also if it ends with the keyring, which takes it
    // when it is open again.
    Keyring::lock(world);
    assert!(wait_until(|| world.ctl(&["get", "a"]).output().code == 3, SOON), "it ends with the keyring");
    Keyring::unlock(world);
    let now = stage.kept_anew(began.as_deref());
    stage.stop();
    let newest = Day::of(world);

    old.put_back(world);
    let line = stage.unlock(&[]).refused(10);
    for said in ["the vault is an older one", "that your keyring knows of are missing", "--accept-rollback"] {
        assert!(line.contains(said), "{line}");
    }
    assert!(stage.with_password(&["settings", "set", "idle", "30m"]).refused(10).contains("your keyring"));
    assert_eq!(stage.recorded("rollback")[0], ("denied".to_owned(), "keyring-older".to_owned()));
    assert_eq!(stage.kept().as_deref(), Some(&now[..]));
    // The control: without it, nobody notices. That it is gone is recorded, and it is there again.
    stage.secret_tool(&["clear", "application", "glassdome", "kind", "vault-state"]).ok();
    stage.unlock(&[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"old");
    assert!(stage.recorded("rollback").contains(&("allowed".to_owned(), "keyring-missing".to_owned())));
    stage.kept_anew(None);

    // A vault that is ahead of it is an honest one.
    stage.stop();
    newest.put_back(world);
    stage.unlock(&[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"new");
    stage.stop();
    let newest = Day::of(world);

    old.put_back(world);
    stage.unlock(&[]).refused(10);
    stage.unlock(&["--accept-rollback"]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"old");
    for _ in 0..2 {
        world.ctl(&["lock"]).ok();
        stage.unlock(&[]).ok();
    }
    // What was given up by that is older itself.
    stage.stop();
    newest.put_back(world);
    assert!(stage.unlock(&[]).refused(10).contains("your keyring"));
    stage.unlock(&["--accept-rollback"]).ok();
    stage.stop();

    // What nobody notices: who is on the bus puts back all three.
    old.put_back(world);
    let attributes = stage.attributes("vault-state");
    let names: Vec<&str> = attributes.iter().map(String::as_str).collect();
    stage.secret_tool(&[&["store", "--label", "x"], &names[..]].concat()).stdin(then).ok();
    stage.unlock(&[]).ok();
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"old");
    assert_eq!(sprung(world), "", "nothing prompted, and nothing was started");
}

#[test]
fn what_is_honest_is_never_taken_for_an_older_vault() {
    let stage = Stage::new();
    let world = &stage.world;
    let backup = world.home("vault.backup");
    world.set("a", "0");
    world.ctl(&["storage", "backup", text(&backup)]).ok();
    // Killed at any moment, the vault is ahead of what is kept.
    for value in ["1", "2", "3"] {
        world.set("a", value);
        world.daemon().unwrap().kill();
        stage.unlock(&[]).ok();
        assert_eq!(world.ctl(&["get", "a"]).ok(), value.as_bytes());
    }
    stage.stop();
    // A vault that was recovered is asked about neither by the log nor by the keyring, and what was there before is.
    let before = Day::of(world);
    stage.with_password(&["storage", "recover", text(&backup)]).ok();
    for _ in 0..2 {
        stage.unlock(&[]).ok();
        assert_eq!(world.ctl(&["get", "a"]).ok(), b"0");
        stage.stop();
    }
    before.put_back(world);
    assert!(stage.unlock(&[]).refused(10).contains("your keyring"));
    stage.unlock(&["--accept-rollback"]).ok();
    let kept = stage.kept().unwrap();

    // A keyring that says nothing keeps nobody from anything.
    stage.with_password(&["storage", "migrate", "--to", "file"]).ok();
    assert!(stage.kept().is_none(), "it keeps nothing of a vault that is not bound to it");
    assert!(stage.older_vaults().starts_with("degraded: "), "{}", stage.older_vaults());
    stage.keyring.signal(Signal::STOP);
    world.ctl(&["lock"]).ok();
    stage.unlock(&[]).ok();
    stage.keyring.signal(Signal::CONT);
    // A copy from when it was bound is not asked about, for what it knew is gone; one that is planted is.
    let attributes: Vec<String> = {
        stage.with_password(&["storage", "migrate", "--to", "keyring", "--without-recovery"]).ok();
        assert_ne!(stage.kept_anew(None), kept);
        stage.attributes("vault-state")
    };
    // A session that ends writes it once more, some time behind the lock: that may come behind the planted one.
    let planted = (0..5).find_map(|_| {
        world.ctl(&["lock"]).ok();
        stage.secret_tool(&["clear", "application", "glassdome", "kind", "vault-state"]).output();
        stage.plant("session", 1, &format!("\u{1}{}", "x".repeat(56)), &attributes);
        let out = stage.unlock(&[]);
        (out.code != 0).then_some(out)
    });
    let refused = planted.expect("what was planted is read").refused(10);
    assert!(refused.contains("another master key") && refused.contains("--accept-rollback"), "{refused}");
    stage.unlock(&["--accept-rollback"]).ok();
    let mended = || stage.kept().is_some_and(|kept| kept.len() == 57 && !kept.ends_with(b"xx"));
    assert!(wait_until(mended, SOON));
    world.ctl(&["lock"]).ok();
    stage.unlock(&[]).ok();
    assert_eq!(sprung(world), "");
}

#[test]
fn what_is_planted_where_it_is_locked_hides_nothing_that_is_gone() {
    let stage = Stage::new();
    let world = &stage.world;
    let [code, backup] = ["code", "vault.backup"].map(|name| world.home(name));
    stage.with_password(&["slots", "add", "recovery", "--code-file", text(&code)]).ok();
    world.ctl(&["storage", "backup", text(&backup)]).ok();
    let [state, key] = ["vault-state", "device-key"].map(|kind| stage.attributes(kind));
    let gone = |kind: &str| {
        stage.secret_tool(&["clear", "application", "glassdome", "kind", kind]).output();
    };
    let missing = || stage.recorded("rollback").iter().filter(|(_, by)| by == "keyring-missing").count();
    assert_eq!(missing(), 0);
    stage.stop();
    gone("vault-state");
    stage.plant("locked", 1, &"x".repeat(57), &state);
    stage.unlock(&[]).ok();
    assert_eq!(missing(), 1);
    // And it is kept again, beside that.
    stage.kept_anew(None);
    assert!(wait_until(|| stage.older_vaults().starts_with("on: "), SOON), "{}", stage.older_vaults());

    // Who comes by the recovery code may have lost the keyring: that says nothing.
    world.ctl(&["lock"]).ok();
    stage.kept_anew(None);
    gone("vault-state");
    world.ctl(&["unlock", "--password-stdin"]).stdin(fs::read(&code).unwrap()).ok();
    stage.kept_anew(None);
    assert_eq!(missing(), 1);

    world.ctl(&["lock"]).ok();
    gone("device-key");
    assert!(stage.unlock(&[]).refused(5).contains("is not in your keyring"), "control");
    stage.plant("locked", 1, &"x".repeat(32), &key);
    let recover = stage.with_password(&["storage", "recover", "--check", text(&backup)]);
    for refused in [stage.unlock(&[]).refused(3), recover.refused(3)] {
        for said in [
            "your keyring is open and does not have the device key",
            "another that is locked",
            "recovery code",
        ] {
            assert!(refused.contains(said), "{refused}");
        }
    }
    // With the code another key is made, beside that.
    let lines = format!("{}\n{PASSWORD}\n", fs::read_to_string(&code).unwrap().trim_end());
    world.ctl(&["storage", "migrate", "--to", "keyring", "--password-stdin"]).stdin(lines).ok();
    world.ctl(&["lock"]).ok();
    stage.unlock(&[]).ok();
    assert_eq!(sprung(world), "", "nothing prompted");
}

#[test]
fn without_a_password_the_device_key_does_not_cross_the_bus_and_a_crowd_hides_it_from_nobody() {
    let stage = Stage::new();
    let world = &stage.world;
    world.ctl(&["lock"]).ok();
    let (bus, log) = (world.runtime().join("bus"), world.home("heard"));
    let watched = "\"member='SearchItems'\" \"member='GetSecret'\"";
    let listening =
        format!("exec dbus-monitor --address unix:path={} --profile {watched} > {}", text(&bus), text(&log));
    let monitor = world.shell(&listening).within(SOON * 2).start();
    let heard = || fs::read_to_string(&log).unwrap_or_default();
    let asked = || {
        stage.secret_tool(&["search", "application", "glassdome", "kind", "nothing"]).output();
        heard().contains("SearchItems")
    };
    assert!(wait_until(asked, SOON), "it listens");
    let begun = heard().len();
    let status: serde_json::Value =
        serde_json::from_slice(&world.ctl(&["storage", "status", "--json"]).ok()).unwrap();
    assert_eq!(status["device_key"], "there");
    // It is looked for, and for others.
    assert!(wait_until(|| heard()[begun..].matches("SearchItems").count() >= 3, SOON));
    assert!(!heard().contains("GetSecret"), "{}", heard());
    stage.unlock(&[]).ok();
    assert!(wait_until(|| heard().contains("GetSecret"), SOON), "control: a password has it read");
    monitor.signal(Signal::TERM);
    monitor.output();

    // The right one is found among many; and where it is not, that is said.
    let key = stage.attributes("device-key");
    stage.plant("session", 40, &"x".repeat(32), &key);
    world.ctl(&["lock"]).ok();
    stage.unlock(&[]).ok();
    stage.secret_tool(&["clear", "application", "glassdome", "kind", "device-key"]).output();
    stage.plant("session", 257, &"x".repeat(32), &key);
    world.ctl(&["lock"]).ok();
    let refused = stage.unlock(&[]).refused(10);
    assert!(refused.contains("257 items of your keyring claim to be the device key"), "{refused}");
}
