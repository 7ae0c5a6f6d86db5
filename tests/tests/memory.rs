//! What root can read of the daemon: neither a key, nor the password, nor a secret that it stored,
//! served or imported; unlocked, and after a lock.

#[path = "support/decrypt.rs"]
mod decrypt;
#[path = "support/scan.rs"]
mod scan;
#[path = "support/scripts.rs"]
mod scripts;
#[path = "support/tools.rs"]
mod tools;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, left_out_without_root, wait_until};
use scan::Needles;

/// The next master password.
const NEXT: &str = "nine badgers iron curtains";

/// What the daemon's memory does hold.
const CONTROL: &str = "the path of the audit log";

fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).expect("random bytes");
    bytes
}

fn letters(len: usize) -> String {
    random(len).iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// Everything that no memory may hold, as it is put in.
struct Secrets {
    needles: Needles,
    all: Vec<Vec<u8>>,
}

impl Secrets {
    fn new() -> Self {
        Self { needles: Needles::new(), all: Vec::new() }
    }

    fn add(&mut self, name: &str, bytes: Vec<u8>) -> Vec<u8> {
        self.needles.add(name, &bytes);
        self.all.push(bytes.clone());
        bytes
    }

    fn add_keys(&mut self, world: &World, password: &str, which: &str) {
        let vault = decrypt::decrypt(world, password, &["--keys"]);
        for (name, key) in vault["keys"].as_object().expect("the reader names the keys") {
            let key = key.as_str().expect("a key is hex");
            let byte = |at| u8::from_str_radix(&key[at..at + 2], 16).expect("a key is hex");
            let key: Vec<u8> = (0..key.len()).step_by(2).map(byte).collect();
            // Another password seals the same keys.
            if !self.all.contains(&key) {
                self.add(&format!("{which} {name}"), key);
            }
        }
    }
}

/// A process that holds the same secrets without any care: where the scan must find each.
fn careless(secrets: &Secrets) -> Child {
    let script = "import sys; data = sys.stdin.buffer.read(); print('ready', flush=True); import time; time.sleep(600)";
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    for secret in &secrets.all {
        stdin.write_all(secret).expect("it reads");
        // Pieces are counted from each secret's own beginning, wherever that lies.
        stdin.write_all(b"\n").expect("it reads");
    }
    drop(stdin);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("stdout is a pipe"))
        .read_line(&mut line)
        .expect("it says so");
    assert_eq!(line, "ready\n");
    child
}

/// The daemon under observation: after each step its memory is read.
struct Watched<'a> {
    world: &'a World,
    secrets: Secrets,
    /// Pieces of the one thing that is there.
    control: usize,
}

impl Watched<'_> {
    /// Does something, and looks whether anything of it stayed behind. At once: what comes later could
    /// cover the traces.
    #[track_caller]
    fn step(&mut self, what: &str, work: impl FnOnce(&World, &mut Secrets)) {
        work(self.world, &mut self.secrets);
        self.look(what, true);
    }

    #[track_caller]
    fn look(&self, when: &str, unlocked: bool) {
        let pid = self.world.daemon_pid();
        let mut scan = self.secrets.needles.scan(pid);
        let control = scan.found.remove(CONTROL).map_or(0, |found| found.pieces.len());
        assert_eq!(control, self.control, "control: the scan finds {CONTROL}, {when}");
        assert!(scan.found.is_empty(), "{when}: {:#?}", scan.found);
        assert!(scan.bytes > 1 << 20, "{when}: only {} bytes were read", scan.bytes);
        let secret_pages = scan.unreadable.iter().filter(|name| name.contains("secretmem")).count();
        assert_eq!(scan.unreadable.len(), secret_pages, "{when}: {:?}", scan.unreadable);
        assert_eq!(secret_pages > 0, unlocked, "{when}: keys are on secret pages, and gone with the session");
    }
}

#[test]
fn no_key_password_or_value_is_in_the_daemons_memory() {
    if left_out_without_root("reading another process's memory") {
        return;
    }
    let world = World::new();
    let mut secrets = Secrets::new();
    secrets.add("the first password", PASSWORD.into());
    secrets.add("the next password", NEXT.into());
    world.start(PASSWORD);
    secrets.add_keys(&world, PASSWORD, "first");
    let audit = world.state().join("glassdome/audit.jsonl");
    let audit = secrets.add(CONTROL, audit.as_os_str().as_encoded_bytes().to_vec());
    let mut watched = Watched { world: &world, secrets, control: audit.len() / 8 };
    watched.look("a vault was made", true);

    values(&mut watched);
    pins(&mut watched);
    passwords(&mut watched);
    interruptions(&mut watched);

    world.ctl(&["lock"]).ok();
    watched.look("locked", false);
    assert_eq!(world.status()["state"], "locked");
    world.start(NEXT);
    watched.look("unlocked again", true);

    let mut careless = careless(&watched.secrets);
    let found = watched.secrets.needles.scan(careless.id().cast_signed());
    careless.kill().and_then(|()| careless.wait()).expect("it is ours");
    assert_eq!(watched.secrets.needles.missing(&found), [""; 0], "control: the scan finds whatever is there");
}

fn values(watched: &mut Watched<'_>) {
    watched.step("a value was stored", |world, secrets| {
        world.set("small", secrets.add("a value", random(32)));
    });
    watched.step("it was served", |world, _| {
        for _ in 0..3 {
            assert_eq!(world.ctl(&["get", "small"]).ok().len(), 32);
        }
    });
    watched.step("1 MiB was stored", |world, secrets| {
        world.set("large", secrets.add("a value of 1 MiB", random(1 << 20)));
    });
    watched.step("it was served", |world, _| {
        assert_eq!(world.ctl(&["get", "large"]).ok().len(), 1 << 20);
    });
    watched.step("a field was stored and served", |world, secrets| {
        let field = secrets.add("a field", random(48));
        world.ctl(&["set", "small", "--field", "f", "--stdin"]).stdin(field.clone()).ok();
        assert_eq!(world.ctl(&["get", "small", "--field", "f"]).ok(), field);
    });
    watched.step("a former version came back, and went", |world, secrets| {
        let former = secrets.add("a former value", random(64));
        world.set("versions", former.clone());
        world.set("versions", secrets.add("a later value", random(64)));
        world.ctl(&["restore", "versions@1"]).ok();
        assert_eq!(world.ctl(&["get", "versions"]).ok(), former);
        world.ctl(&["mv", "versions", "moved"]).ok();
        world.ctl(&["rm", "moved"]).ok();
    });
    watched.step("a file was imported, twice", |world, secrets| {
        let imported: Vec<String> = (0..20).map(|_| letters(40)).collect();
        let lines = imported.iter().enumerate().map(|(n, value)| format!("KEY_{n}={value}\n"));
        let env = world.file("many.env", lines.collect::<String>());
        for _ in 0..2 {
            world.ctl(&["import", env.to_str().expect("text")]).ok();
        }
        fs::remove_file(env).expect("it is there");
        for (n, value) in imported.into_iter().enumerate() {
            assert_eq!(world.ctl(&["get", &format!("KEY_{n}")]).ok(), value.as_bytes());
            secrets.add(&format!("an imported value {n}"), value.into_bytes());
        }
    });
    watched.step("secrets came in as a whole, and were exported", |world, secrets| {
        let (value, field) = (letters(40), letters(48));
        let fields = format!("{{\"f\": \"{field}\"}}");
        let secret = format!("{{\"name\": \"whole\", \"value\": \"{value}\", \"fields\": {fields}}}");
        let file = format!("{{\"glassdome-export\": 1, \"secrets\": [{secret}]}}");
        world.ctl(&["import", "-"]).stdin(file).ok();
        secrets.add("the value of a whole", value.clone().into_bytes());
        secrets.add("the field of a whole", field.clone().into_bytes());
        let export = world.ctl(&["export", "--password-stdin"]).stdin(format!("{PASSWORD}\n")).text();
        assert!(export.contains(&value) && export.contains(&field));
    });
    watched.step("everything was looked at", |world, _| {
        for command in [&["list"][..], &["info", "small"], &["history", "small"], &["settings"], &["doctor"]]
        {
            assert_eq!(world.ctl(command).output().code, 0, "{command:?}");
        }
    });
}

fn passwords(watched: &mut Watched<'_>) {
    watched.step("a setting was sealed", |world, _| {
        world.ctl(&["settings", "set", "idle", "2h", "--password-stdin"]).stdin(format!("{PASSWORD}\n")).ok();
    });
    watched.step("a rule was sealed, and shown for the password", |world, _| {
        world.allow(&["--exe", "/usr/bin/sleep"]);
        let show = ["policy", "show", "--password-stdin"];
        assert!(world.ctl(&show).stdin(format!("{PASSWORD}\n")).text().contains("/usr/bin/sleep"));
        assert!(world.ctl(&["grants"]).text().contains("typist"));
    });
    watched.step("the password was changed", |world, secrets| {
        world.ctl(&["passwd", "--password-stdin"]).stdin(format!("{PASSWORD}\n{NEXT}\n")).ok();
        secrets.add_keys(world, NEXT, "next");
    });
    watched.step("a wrong password was tried", |world, secrets| {
        let wrong = [secrets.add("a wrong password", letters(24).into_bytes()), b"\n".to_vec()].concat();
        assert_eq!(world.ctl(&["unlock", "--renew", "--password-stdin"]).stdin(wrong).output().code, 7);
    });
    watched.step("the session was renewed", |world, _| {
        let renew = || world.ctl(&["unlock", "--renew", "--password-stdin"]).stdin(format!("{NEXT}\n"));
        let renewed = wait_until(|| renew().output().code == 0, Duration::from_secs(20));
        assert!(renewed, "after the pause that a wrong one costs");
    });
}

fn pins(watched: &mut Watched<'_>) {
    let typed = |password: &str, pin: &[u8], words: &str| {
        let pin = String::from_utf8_lossy(pin);
        format!("ctl {words} --password-fd 3 --pin-fd 4 3<<<'{password}' 4<<<'{pin}'")
    };
    let bash = |world: &World, line: &str| {
        world.program(std::path::Path::new("/bin/bash"), &["-c", &format!("{line}; exit $?")]).output().code
    };
    let pin = letters(40).into_bytes();
    let line = typed(PASSWORD, &watched.secrets.add("the PIN", pin.clone()), "pin set");
    watched.step("a PIN was set", |world, _| assert_eq!(bash(world, &line), 0));
    watched.step("the PIN was shown", |world, _| {
        let pin = String::from_utf8_lossy(&pin);
        assert_eq!(bash(world, &format!("ctl approvals --pin-fd 3 3<<<'{pin}'")), 0);
    });
    watched.step("a wrong PIN was shown", |world, secrets| {
        let wrong = secrets.add("a wrong PIN", letters(40).into_bytes());
        let wrong = String::from_utf8_lossy(&wrong);
        assert_eq!(bash(world, &format!("ctl approvals --pin-fd 3 3<<<'{wrong}'")), 7);
    });
}

fn interruptions(watched: &mut Watched<'_>) {
    watched.step("somebody hung up in the middle of a value", |world, secrets| {
        let script = scripts::scripts(world).join("half_upload.py");
        let socket = world.socket();
        let half = world.python(&script, &[socket.to_str().expect("text")]).ok();
        secrets.add("an unfinished value", half);
    });
    watched.step("a value was refused", |world, secrets| {
        let value = secrets.add("a refused value", random(64));
        assert_eq!(world.ctl(&["set", "small", "--new", "--stdin"]).stdin(value).output().code, 9);
    });
}
