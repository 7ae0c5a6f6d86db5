//! Phishing: what is put where an installed program expects its daemon, and ways of starting that
//! program. No password leaves it. Controls: the same fakes are told everything by the same programs,
//! not installed. What no program can help is a limit: keys are read from the terminal itself.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use glassdome_tests::{PASSWORD, Started, User, World, left_out_without_root, programs, text, wait_until};
use rustix::process::Signal;

use crate::install::Install;
use crate::scripts;

/// Where it listened a socket stands, in a directory that is as it should be.
fn a_daemon_was_killed(world: &World, install: &Install) {
    let running = install.listening(world);
    running.signal(Signal::KILL);
    assert_eq!(running.output().code, 128 + 9);
}

fn has_password(heard: &[u8]) -> bool {
    heard.windows(PASSWORD.len()).any(|bytes| bytes == PASSWORD.as_bytes())
}

/// Something of the user's own that listens at `socket` and asks for passwords.
fn phisher(world: &World, socket: &Path) -> Started {
    let script = scripts::scripts(world).join("phisher.py");
    let phisher = world.python(&script, &[text(socket)]).start();
    let listens = || fs::read_to_string("/proc/net/unix").unwrap().contains(&format!("{}.new", text(socket)));
    assert!(wait_until(|| listens() && !socket.with_extension("sock.new").exists(), Duration::from_secs(20)));
    phisher
}

/// What it was told.
fn heard(phisher: Started) -> Vec<u8> {
    phisher.signal(Signal::TERM);
    phisher.output().ok()
}

#[test]
fn no_fake_daemon_is_told_a_password() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::new());
    a_daemon_was_killed(&world, &install);
    let elsewhere = world.home("fake");
    fs::create_dir_all(elsewhere.join("glassdome")).unwrap();
    for directory in [&elsewhere, &elsewhere.join("glassdome")] {
        fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
        User::A.own(directory).unwrap();
    }
    let named = elsewhere.join("glassdome/daemon.sock");
    let places = [
        (world.socket(), None),
        (named.clone(), Some(("GLASSDOME_SOCKET", named.clone()))),
        (named.clone(), Some(("XDG_RUNTIME_DIR", elsewhere.clone()))),
    ];
    for (socket, variable) in &places {
        let start = |program: &Path| {
            let run = world.program(program, &["--password-stdin"]).stdin(format!("{PASSWORD}\n"));
            let run = variable.iter().fold(run, |run, (key, value)| run.env(key, value));
            run.output()
        };
        let prompted = |program: &Path, words: &str| {
            let set = variable.iter().map(|(key, value)| format!("{key}={} ", value.display()));
            let mut terminal = world.terminal(&format!("{}exec {}", set.collect::<String>(), text(program)));
            terminal.expect(words);
            terminal.send("\x04");
            (terminal.end(), terminal.shown().contains("password:"))
        };
        let fake = phisher(&world, socket);
        let out = start(&install.program("glassdome_start"));
        assert_eq!(out.code, 6, "{}", out.stderr);
        assert!(
            out.stderr.contains("is not the daemon that was installed with this program"),
            "{}",
            out.stderr
        );
        assert_eq!(prompted(&install.program("glassdome_start"), "run glassdome_start"), (6, false));
        for args in [&["unlock"][..], &["get", "a"], &["passwd"]] {
            assert_eq!(
                world.program(&install.program("ctl"), args).env("GLASSDOME_SOCKET", socket).output().code,
                6
            );
        }
        assert_eq!(heard(fake), b"", "not a byte: {}", socket.display());

        let fake = phisher(&world, socket);
        let out = start(&programs().join("glassdome_start"));
        assert_eq!(out.code, 7, "control: {}", out.stderr);
        let (code, asked) = prompted(&programs().join("glassdome_start"), "Master password: ");
        assert_eq!((code, asked), (13, true), "control: one that is not installed asks");
        assert!(has_password(&heard(fake)), "control: and tells it");
    }
}

/// What a start says that was not given its stamp.
const WITHHELD: &str = "was started without its stamp";
const FAKE: &str = "is not the daemon that was installed with this program";

#[test]
fn however_it_is_started_it_tells_no_fake_daemon_a_password() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::new());
    a_daemon_was_killed(&world, &install);
    let steered = scripts::scripts(&world).join("steered.py");
    let [traced, followed] =
        ["traced", "traced-until-exec"].map(|how| ["/usr/bin/python3", text(&steered), how]);
    let ways: [(&[&str], &str); 7] = [
        (&traced, WITHHELD),
        (&followed, WITHHELD),
        (&["setpriv", "--no-new-privs"], WITHHELD),
        (&["unshare", "-Ur"], WITHHELD),
        (&["unshare", "-U"], WITHHELD),
        (&["unshare", "-Urm"], WITHHELD),
        (&["env", "LD_PRELOAD=/nonexistent/library.so"], FAKE),
    ];
    let secrets: [(&str, &[&str]); 3] = [
        ("glassdome_start", &["--password-stdin"]),
        ("ctl", &["unlock", "--password-stdin"]),
        ("ctl", &["set", "a", "--stdin"]),
    ];
    let run = |way: &[&str], program: &Path, args: &[&str]| {
        let line = [&way[1..], &[text(program)], args].concat();
        let way = Path::new("/usr/bin").join(way[0]);
        world.program(&way, &line).stdin(format!("{PASSWORD}\n")).output()
    };
    let asks = |way: &[&str], program: &Path| {
        let mut terminal = world.terminal(&format!("exec {} {}", way.join(" "), text(program)));
        terminal.send("\x04");
        terminal.end();
        terminal.shown().contains("password:")
    };
    for (way, words) in ways {
        let fake = phisher(&world, &world.socket());
        for (program, args) in secrets {
            let out = run(way, &install.program(program), args);
            assert!(out.code == 6 && out.stderr.contains(words), "{way:?}: {} {}", out.code, out.stderr);
        }
        assert!(!asks(way, &install.program("glassdome_start")), "{way:?}: it asks for a password");
        assert_eq!(heard(fake), b"", "{way:?}: not a byte");

        // In a namespace without any user of its own, even one that is not installed trusts nothing.
        if way == ["unshare", "-U"] {
            continue;
        }
        let fake = phisher(&world, &world.socket());
        run(way, &programs().join("glassdome_start"), &["--password-stdin"]);
        assert!(has_password(&heard(fake)), "{way:?}: control: one that is not installed tells it");
    }
}

/// Where the keys go is the terminal's business, and it belongs to the user.
#[test]
fn limit_keys_are_read_from_the_terminal_in_which_a_password_is_typed() {
    if left_out_without_root("installing for everybody") {
        return;
    }
    let (install, world) = (Install::new(), World::new());
    let _daemon = install.listening(&world);
    let start = install.program("glassdome_start");
    let mut terminal = world.terminal(&format!("tty; echo $$; exec {}", text(&start)));
    let place = terminal.expect("\n").trim().to_owned();
    let pid = terminal.expect("\n").trim().to_owned();
    terminal.expect("New master password (not shown): ");
    // The prompt is stopped, so that the keys find one reader only.
    let reader = world.file(
        "reader.py",
        "import os, select, signal, sys\n\
         terminal = os.open(sys.argv[1], os.O_RDONLY | os.O_NOCTTY)\n\
         os.kill(int(sys.argv[2]), signal.SIGSTOP)\n\
         open(sys.argv[3], 'w').close()\n\
         heard = b''\n\
         while not heard.endswith((b'\\r', b'\\n')):\n    \
             select.select([terminal], [], [])\n    \
             heard += os.read(terminal, 1024)\n\
         print(heard.decode())\n",
    );
    let ready = world.home("ready");
    let reading = world.python(&reader, &[&place, &pid, text(&ready)]).start();
    assert!(wait_until(|| ready.exists(), Duration::from_secs(20)), "it reads");
    terminal.send_line(PASSWORD);
    assert_eq!(String::from_utf8(reading.output().ok()).unwrap().trim(), PASSWORD);
}
