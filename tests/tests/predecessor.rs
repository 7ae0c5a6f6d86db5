//! What the predecessor left, in a real gnome-keyring by the library that it used, and in its files: found, also
//! while the keyring is locked; taken over; deleted when that is asked for and not before, and nothing else with it.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod askers;
#[path = "support/desktop.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod desktop;
#[path = "support/scripts.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod scripts;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use askers::recorded;
use desktop::{Bus, Keyring, SOON, keyring_call, spring_the_prompter, sprung};
use glassdome_tests::{Out, PASSWORD, Pty, Run, Started, User, World, text, wait_until};

const PIN: &str = "402913";

/// A program of the user's in Python, with the libraries that the tests have, where that user can read them.
fn python(world: &World, script: &str, args: &[&str]) -> Run {
    let there = world.top().join("packages");
    if !there.is_dir() {
        fs::create_dir(&there).unwrap();
        let python = std::env::var_os("GLASSDOME_PYTHON").expect("scripts/test names it");
        let asked =
            Command::new(python).args(["-c", "import keyring; print(keyring.__path__[0])"]).output().unwrap();
        let package = PathBuf::from(String::from_utf8(asked.stdout).unwrap().trim());
        let all = fs::read_dir(package.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        // What they are installed with is most of it, and not needed.
        let of_pip = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            ["pip", "setuptools", "pkg_resources"].iter().any(|tool| name.starts_with(tool))
        };
        let needed = all.filter(|path| !of_pip(path));
        let copied = Command::new("cp").arg("-r").args(needed).arg(&there).status().unwrap();
        assert!(copied.success());
    }
    let script = scripts::scripts(world).join(script);
    let run = world.program(Path::new("/usr/bin/python3"), &[&[text(&script)], args].concat());
    run.env("DBUS_SESSION_BUS_ADDRESS", bus(world)).env("PYTHONPATH", &there)
}

fn bus(world: &World) -> String {
    format!("unix:path={}", text(&world.runtime().join("bus")))
}

/// The lines of `ctl doctor` about it: level and why.
fn told(world: &World) -> Vec<(String, String)> {
    let all: serde_json::Value = serde_json::from_slice(&world.ctl(&["doctor", "--json"]).ok()).unwrap();
    let word = |line: &serde_json::Value, key| line[key].as_str().unwrap().to_owned();
    let lines = all.as_array().unwrap().iter().filter(|line| line["what"] == "predecessor");
    lines.map(|line| (word(line, "level"), word(line, "why"))).collect()
}

/// What `ctl doctor --retire --yes` says, and ends with.
#[track_caller]
fn said(world: &World, more: &[&str], code: i32) -> String {
    let out = world.ctl(&[&["doctor", "--retire", "--yes"], more].concat()).output();
    assert_eq!(out.code, code, "{}", out.stderr);
    out.stderr
}

/// What `ctl doctor --import` with these says, and ends with.
#[track_caller]
fn imported(world: &World, more: &[&str], code: i32) -> String {
    let out = world.ctl(&[&["doctor", "--import"], more].concat()).output();
    assert_eq!(out.code, code, "{}", out.stderr);
    out.stderr
}

/// `ctl doctor --retire` with these, at a terminal that is asked on, by whoever has the password.
fn at_terminal(world: &World, more: &str) -> Pty {
    world.terminal(&format!(
        "exec bash -c \"exec ctl doctor --retire {more} --password-fd 3 3<<<'{PASSWORD}'\""
    ))
}

fn leaves(world: &World, args: &[&str]) -> String {
    let out = python(world, "predecessor.py", args).output();
    assert_eq!(out.code, 0, "{}", out.stderr);
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

#[track_caller]
fn sees(world: &World, keyring: &str) {
    let seen = wait_until(|| world.status()["keyring"]["state"] == keyring, SOON);
    assert!(seen, "{keyring}: {}, {}", world.status(), world.daemon_log());
}

/// A line of bash as a program of the user's runs it: nobody typed it, and no rule speaks of it.
fn apart(world: &World, line: &str) -> Out {
    let script = world.file("apart.sh", format!("{line}\nexit $?"));
    world.program(Path::new("/bin/bash"), &[text(&script)]).output()
}

#[test]
fn it_is_found_taken_over_and_deleted() {
    let world = World::with_vault();
    let _bus = Bus::start(&world);
    let _keyring = Keyring::open(&world);
    world.start(PASSWORD);
    sees(&world, "unlocked");
    assert!(imported(&world, &[], 0).contains("nothing of the predecessor's"));
    for deed in [&["doctor"][..], &["doctor", "--import"], &["doctor", "--retire", "--yes"]] {
        let refused = world.ctl(&[deed, &["--dir", "nowhere"]].concat()).refused(2);
        assert!(refused.contains("nowhere: there is no such directory"), "{refused}");
    }
    let clean = told(&world);
    assert_eq!((clean.len(), &*clean[0].0), (1, "on"), "{clean:?}");

    leaves(&world, &["leave", text(&world.home(""))]);
    let key = leaves(&world, &["take"]);
    assert_eq!((key.len(), &key[60..]), (62, " 3"), "any program gets it: {key}");
    let found = told(&world);
    assert_eq!(found.iter().map(|line| &*line.0).collect::<Vec<_>>(), ["degraded"; 3], "{found:?}");
    assert!(
        found[0].1.contains("session_cache.json") && found[1].1.contains("secrets.encrypted"),
        "{found:?}"
    );
    assert!(found[2].1.contains("keyring: 3 (") && found[2].1.contains("master_key"), "{found:?}");

    // Nothing of it is for programs that nobody typed, nor for the PIN.
    let denied = apart(&world, "ctl doctor --import").refused(4);
    assert!(denied.contains("denied"), "{denied}");
    apart(&world, "ctl doctor --retire --yes --even-if-lost").refused(4);
    let line = format!("ctl pin set --password-fd 3 --pin-fd 4 3<<<'{PASSWORD}' 4<<<'{PIN}'");
    world.program(Path::new("/bin/bash"), &["-c", &line]).ok();
    let denied = apart(&world, &format!("ctl doctor --import --pin-fd 3 3<<<{PIN}")).refused(4);
    assert!(denied.contains("the approval PIN reads nothing"), "{denied}");
    assert_eq!(recorded(&world, "take-over", "denied")["by"], "pin");

    // It is found while the keyring is locked, which gives nothing then, and is not made to ask.
    Keyring::lock(&world);
    sees(&world, "locked");
    let locked = told(&world);
    assert!(
        locked[2].1.contains("keyring: 3 (master_key") && locked[2].1.contains("locked now"),
        "{locked:?}"
    );
    world.ctl(&["doctor", "--import"]).refused(3);
    world.start(PASSWORD);
    let skipped = imported(&world, &[], 2);
    assert!(skipped.contains("master_key: locked: open the keyring"), "{skipped}");
    let cache = world.home(".glassdome/session_cache.json");
    let left = said(&world, &[], 3);
    assert!(left.contains("master_key: left: locked: open the keyring"), "{left}");
    assert!(!cache.exists(), "what can be deleted is");
    assert_eq!(sprung(&world), "", "nothing prompted");

    // What cannot be read is told, and then nothing is said of deleting, and nothing is deleted.
    Keyring::unlock(&world);
    sees(&world, "unlocked");
    let old = ["--prefix", "old"];
    let dry = imported(&world, &[&old[..], &["--dry-run"]].concat(), 1);
    assert!(dry.contains("2 would be in"), "{dry}");
    assert!(!world.ctl(&["list"]).text().contains("old/"));
    let partly = imported(&world, &old, 1);
    assert!(partly.contains("2 in, 3 skipped") && !partly.contains("--retire"), "{partly}");
    for skipped in ["foreign: sealed with another key", "cut: empty or cut", "proxmox_password: given again"]
    {
        assert!(partly.contains(skipped), "{skipped}: {partly}");
    }
    assert_eq!(world.ctl(&["get", "old/openai_api_key"]).ok(), b"sk-of-the-file");
    // As the predecessor would have given it.
    assert_eq!(world.ctl(&["get", "old/proxmox_password"]).ok(), b"of the keyring");
    let refused = said(&world, &old, 1);
    assert!(
        refused.contains("foreign: sealed with another key") && refused.contains("3 would be lost"),
        "{refused}"
    );

    // All of it: then, and only where it is, it can be deleted.
    leaves(&world, &["mend", text(&world.home(""))]);
    let whole = imported(&world, &old, 0);
    assert!(
        whole.contains("2 the same already") && whole.contains("ctl doctor --retire --prefix old"),
        "{whole}"
    );
    recorded(&world, "take-over", "allowed");
    let elsewhere = said(&world, &[], 1);
    assert!(elsewhere.contains("there is no predecessor/openai_api_key in the vault"), "{elsewhere}");
    assert_eq!(
        leaves(&world, &["take"]),
        key,
        "taking over deletes nothing, and neither does what is refused"
    );

    // Of a key whose secrets are not here, nobody knows what else it opens.
    let store = world.home(".glassdome/secrets.encrypted");
    let aside = world.home("aside");
    fs::rename(&store, &aside).unwrap();
    let reason = "master_key: the key of a store that is not here";
    let not_advised = imported(&world, &old, 1);
    assert!(not_advised.contains(reason) && !not_advised.contains("--retire"), "{not_advised}");
    let refused = said(&world, &old, 1);
    assert!(refused.contains(reason) && refused.contains("1 would be lost"), "{refused}");
    assert!(refused.contains("name its directory, --dir DIR"), "{refused}");
    assert_eq!(leaves(&world, &["take"]), key);
    fs::rename(&aside, &store).unwrap();

    // What is no more in the vault when the person says yes is not deleted either.
    let mut terminal = at_terminal(&world, "--prefix old");
    terminal.expect("[y/N] ");
    world.ctl(&["mv", "old/proxmox_password", "old/aside"]).ok();
    terminal.send_line("y");
    let code = terminal.end();
    let shown = terminal.shown();
    assert_eq!(code, 9, "{shown}");
    assert!(shown.contains("there is no old/proxmox_password in the vault"), "{shown}");
    assert!(shown.contains("nothing was deleted: the vault was changed meanwhile"), "{shown}");
    assert_eq!(leaves(&world, &["take"]), key);
    world.ctl(&["mv", "old/aside", "old/proxmox_password"]).ok();

    // What is changed while the person reads, and what comes, is left.
    let mut terminal = at_terminal(&world, "--prefix old");
    let shown = terminal.expect("[y/N] ");
    assert!(shown.contains("keyring:proxmox_password") && shown.contains("stays shut"), "{shown}");
    leaves(&world, &["change"]);
    terminal.send_line("y");
    let code = terminal.end();
    let shown = terminal.shown();
    assert_eq!(code, 9, "{shown}");
    assert!(shown.contains("proxmox_password: left: it was changed meanwhile"), "{shown}");
    assert!(shown.contains("came_later: left: not there when it was shown"), "{shown}");
    assert!(
        shown.contains("deleted: keyring:master_key") && shown.contains("change these secrets"),
        "{shown}"
    );
    // What was changed, and what came.
    assert_eq!(leaves(&world, &["take"]), "None 2");
    // What was tried stands in the log by its name, and what came of it where that was nothing.
    let failed = recorded(&world, "take-away", "failed");
    assert_eq!((&failed["secret"], &failed["by"]), (&"keyring:proxmox_password".into(), &"changed".into()));
    let of = |event: &str, name: &str| {
        let all = world.audit();
        all.iter().filter(|record| record["event"] == event && record["secret"] == name).count()
    };
    let key = "keyring:master_key";
    assert!(of("take-away", key) == 1 && of("take-over", key) > 1, "{:?}", world.audit());
    assert!(world.home(".glassdome/secrets.encrypted").exists(), "what is sealed is left to its owner");
    bait_replaces_nothing_unseen(&world);

    Keyring::lock(&world);
    assert_eq!(sprung(&world), "", "nothing prompted, and nothing was started");
    spring_the_prompter(&world);
}

/// What any program can put into the keyring gets a prefix of its own, is named, and replaces nothing that the person
/// has not seen.
fn bait_replaces_nothing_unseen(world: &World) {
    fs::remove_file(world.home(".glassdome/secrets.encrypted")).unwrap();
    // Two are in the keyring.
    let taken = imported(world, &["--json"], 0);
    assert_eq!(taken, "");
    let names = world.ctl(&["list", "predecessor/*"]).text();
    assert_eq!(names, "predecessor/came_later\npredecessor/proxmox_password\n");
    world.set("proxmox_password", b"the real one");
    world.set("came_later", b"unseen");
    let root = ["--prefix", "", "--overwrite"];
    let dry = imported(world, &[&root[..], &["--dry-run"]].concat(), 0);
    assert!(dry.contains("  would be replaced: proxmox_password\n"), "{dry}");
    let document = world.ctl(&[&["doctor", "--import", "--dry-run", "--json"], &root[..]].concat()).ok();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    assert_eq!(document["replaced_names"], serde_json::json!(["proxmox_password"]));
    let overwrite = "ctl doctor --import --prefix '' --overwrite";
    let password = format!("--password-fd 3 3<<<'{PASSWORD}'");
    let script = world.file("overwrite.sh", format!("exec {overwrite} {password}\n"));
    let line = format!("exec bash {}", text(&script));
    world.program(Path::new("/usr/bin/setsid"), &["-w", "bash", text(&script)]).refused(13);
    let answered = |answer: &str| {
        let mut terminal = world.terminal(&line);
        let shown = terminal.expect("[y/N] ");
        assert!(shown.contains("  proxmox_password") && !shown.contains("came_later"), "{shown}");
        terminal.send_line(answer);
        (terminal.end(), terminal.shown().to_owned())
    };
    let (code, shown) = answered("n");
    assert!(code == 1 && shown.contains("nothing was taken over"), "{shown}");
    assert_eq!(world.ctl(&["get", "proxmox_password"]).ok(), b"the real one");
    let (code, shown) = answered("y");
    assert!(code == 0 && shown.contains("  replaced: proxmox_password"), "{shown}");
    assert_eq!(world.ctl(&["get", "proxmox_password"]).ok(), b"a newer one");
}

#[test]
fn many_items_and_odd_ones_are_each_shown_and_none_is_lost() {
    let world = World::with_vault();
    let _bus = Bus::start(&world);
    let _keyring = Keyring::open(&world);
    world.start(PASSWORD);
    sees(&world, "unlocked");
    let in_all = leaves(&world, &["crowd", "64"]);
    assert_eq!(in_all, "None 68");
    let imported = imported(&world, &["--prefix", "old"], 1);
    assert!(imported.contains("65 in, 3 skipped") && !imported.contains("--retire"), "{imported}");
    for odd in ["keyring:long: too long", "keyring:twin (/org/", ": without a name"] {
        assert!(imported.contains(odd), "{odd}: {imported}");
    }
    assert_eq!(world.ctl(&["list", "old/s*"]).text().lines().count(), 64);
    let kept = said(&world, &["--prefix", "old"], 1);
    assert!(kept.contains("3 would be lost") && kept.contains("too long"), "{kept}");
    assert_eq!(leaves(&world, &["take"]), in_all);
    let gone = said(&world, &["--prefix", "old", "--even-if-lost"], 0);
    assert_eq!(gone.matches("deleted: keyring:").count(), 68, "{gone}");
    assert_eq!(leaves(&world, &["take"]), "None 0");
}

#[test]
fn a_person_is_asked_and_other_files_are_left_alone() {
    let world = World::unlocked();
    let unsearched = told(&world);
    assert_eq!((unsearched.len(), &*unsearched[0].0), (1, "off"), "{unsearched:?}");
    let directory = world.home("project/.secrets");
    fs::create_dir_all(&directory).unwrap();
    User::A.own(&directory).unwrap();
    let (cache, key) = (directory.join("session_cache.json"), directory.join("session_key.bin"));
    let put = |path: &Path, content: &str| {
        fs::write(path, content).unwrap();
        User::A.own(path).unwrap();
    };
    put(&cache, "{}");
    put(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    // What the key opens is not here, nobody knows where; that is told, and given up or not.
    let refused = said(&world, &["--dir", text(&directory)], 1);
    assert!(refused.contains("session_key.bin: the key of a store that is not here"), "{refused}");
    assert!(key.exists());
    let retire = format!("ctl doctor --retire --even-if-lost --dir {}", text(&directory));
    // No terminal, and nobody has said yes.
    world.program(Path::new("/usr/bin/setsid"), &["-w", "sh", "-c", &retire]).refused(13);
    assert!(cache.exists() && key.exists());
    let answered = |answer: &str| {
        let mut terminal = world.terminal(&retire);
        terminal.expect("[y/N] ");
        terminal.send_line(answer);
        (terminal.end(), terminal.shown().to_owned())
    };
    for answer in ["n", "", "yess"] {
        let (code, shown) = answered(answer);
        assert!(code == 1 && shown.contains("nothing was deleted"), "{answer}: {shown}");
        assert!(shown.contains("session_key.bin"), "{shown}");
    }
    assert!(cache.exists() && key.exists());

    // The key has another name: what is under that is not overwritten. The rest goes on.
    let other = world.home("other");
    fs::hard_link(&key, &other).unwrap();
    let (code, shown) = answered("y");
    assert!(code == 2 && shown.contains("session_key.bin: left: it has another name as well"), "{shown}");
    assert_eq!(fs::read(&other).unwrap().len(), 44);
    assert!(!cache.exists() && key.exists());
    fs::remove_file(&other).unwrap();

    // Neither a link, nor a FIFO, nor what is long keeps the key.
    let victim = world.file("victim", "kept");
    symlink(&victim, &cache).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o400)).unwrap();
    let within = ["--dir", text(&directory)];
    let given_up = ["--dir", text(&directory), "--even-if-lost"];
    let linked = said(&world, &given_up, 2);
    assert!(linked.contains("Not in the vault, and lost then:\n  "), "{linked}");
    assert!(linked.contains("stays shut from then on"), "{linked}");
    assert!(linked.contains("session_cache.json: left: it is a symbolic link"), "{linked}");
    assert!(
        linked.contains("deleted: ") && linked.contains("change these secrets") && !key.exists(),
        "{linked}"
    );
    assert!(!linked.contains("not overwritten"), "{linked}");
    assert_eq!((fs::read(&victim).unwrap(), cache.is_symlink()), (b"kept".to_vec(), true));
    fs::remove_file(&cache).unwrap();
    put(&cache, "");
    fs::OpenOptions::new().write(true).open(&cache).unwrap().set_len(2 << 30).unwrap();
    let sparse = said(&world, &within, 0);
    assert!(
        sparse.contains("(not overwritten: it is longer than 1048576 bytes)") && !cache.exists(),
        "{sparse}"
    );
    let fifo = |path: &Path| {
        world.program(Path::new("/usr/bin/mkfifo"), &[text(path)]).ok();
    };
    fifo(&key);
    let store = directory.join("secrets.encrypted");
    put(&store, r#"{"a": "b"}"#);
    let told_of = imported(&world, &within, 2);
    assert!(told_of.contains("session_key.bin: it is not a regular file"), "{told_of}");
    assert!(told_of.contains("a: sealed, and there is no key"), "{told_of}");
    fs::remove_file(&key).unwrap();
    put(&key, &"k".repeat(5000));
    assert!(imported(&world, &within, 2).contains("session_key.bin: it is longer than 4096 bytes"));
    // A key that may be all that opens it is kept, until it is given up.
    assert!(said(&world, &within, 1).contains("2 would be lost") && key.exists());
    said(&world, &given_up, 0);
    assert!(!key.exists() && store.exists());

    // Where nothing can be deleted, nothing is overwritten; and a key of zeros is none.
    put(&key, &"k".repeat(44));
    fs::set_permissions(&directory, Permissions::from_mode(0o500)).unwrap();
    let stays = said(&world, &given_up, 2);
    assert!(stays.contains("session_key.bin: left: its directory lets nothing be deleted"), "{stays}");
    assert_eq!(fs::read(&key).unwrap(), [b'k'; 44]);
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    assert!(said(&world, &within, 1).contains("not a key as the predecessor wrote them"));
    put(&key, &"\0".repeat(44));
    let rest = said(&world, &within, 0);
    assert!(!key.exists() && !rest.contains("stays shut") && rest.contains("deleted: "), "{rest}");

    // Not through a link that is in the directory's place.
    put(&cache, "{}");
    let usual = world.home(".glassdome");
    symlink(&directory, &usual).unwrap();
    let behind = said(&world, &[], 2);
    assert!(behind.contains(".glassdome: left: it is a symbolic link") && cache.exists(), "{behind}");
    let slash = said(&world, &["--dir", &format!("{}/", text(&usual))], 2);
    assert!(slash.contains(".glassdome: left: it is a symbolic link") && cache.exists(), "{slash}");
    said(&world, &within, 0);
    assert!(!cache.exists(), "it can be named");
    fs::remove_file(&store).unwrap();
    // There is no keyring here, and so nobody knows that there is nothing.
    for unsure in [said(&world, &within, 1), imported(&world, &within, 1)] {
        assert!(
            unsure.contains("the keyring was not searched") && !unsure.contains("nothing of"),
            "{unsure}"
        );
    }
}

#[test]
fn a_keyring_that_would_ask_first_is_not_let() {
    let (world, _bus, marks, _asking) = other_keyring("asks");
    let kept = said(&world, &[], 4);
    assert_eq!(kept.matches("left: the keyring would ask you first").count(), 4, "{kept}");
    assert_eq!(marks(), "Delete\nDismiss\n".repeat(4), "they were put off, and never shown");
    assert_eq!(recorded(&world, "take-away", "failed")["by"], "asks");
    let prompt = "org.freedesktop.Secret.Prompt.Prompt";
    keyring_call(&world, "/org/freedesktop/secrets/prompt/1", prompt, &["0"]);
    assert!(marks().ends_with("\nPrompt\n"), "it would have been seen: {}", marks());
}

#[test]
fn what_somebody_else_deletes_first_is_no_error() {
    let (world, _bus, marks, _gone) = other_keyring("gone");
    let gone = said(&world, &[], 0);
    assert_eq!((gone.matches(": it was gone already").count(), marks()), (4, "Delete\n".repeat(4)), "{gone}");
    assert!(!gone.contains("deleted: ") && !gone.contains("left"), "{gone}");
}

#[test]
fn an_interrupt_stops_it_before_the_next_item() {
    let (world, _bus, marks, _waits) = other_keyring("waits");
    let mut terminal = at_terminal(&world, "--yes");
    assert!(wait_until(|| marks() == "Delete\n", SOON), "{}", terminal.shown());
    terminal.send("\x03");
    terminal.expect("^C");
    world.file("keyring-marks.go", "");
    let code = terminal.end();
    let shown = terminal.shown();
    assert!(code == 1 && shown.contains("interrupted: 1 deleted, 3 not tried any more"), "{code}: {shown}");
    // Whoever goes on goes on, and has nothing else to wait for.
    let rest = said(&world, &[], 0);
    assert_eq!((rest.matches("deleted: keyring:").count(), marks()), (3, "Delete\n".repeat(4)), "{rest}");
}

/// A world with a keyring that is none: what it was asked, and itself.
fn other_keyring(manner: &str) -> (World, Bus, impl Fn() -> String, Started) {
    let world = World::with_vault();
    let bus = Bus::start(&world);
    let path = world.home("keyring-marks");
    let args = [&*self::bus(&world), text(&path), manner];
    let keyring = python(&world, "asking_keyring.py", &args).within(Duration::from_secs(120)).start();
    world.start(PASSWORD);
    sees(&world, "unlocked");
    (world, bus, move || fs::read_to_string(&path).unwrap_or_default(), keyring)
}
