//! A session bus of this world's own with a real gnome-keyring on it, and traps: whoever makes a prompt appear, or
//! the bus start a service, leaves a mark.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{Started, World, text, wait_until};
use rustix::process::Signal;

/// Long enough for any machine.
pub const SOON: Duration = Duration::from_secs(40);
const WHOLE_TEST: Duration = Duration::from_secs(600);
const SECRETS: &str = "org.freedesktop.secrets";
/// Those who tell of a locked screen.
pub const SAVERS: [&str; 2] = ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver"];
const PROMPTER: &str = "org.gnome.keyring.SystemPrompter";
const SERVICE: &str = "org.freedesktop.Secret.Service";
const ROOT: &str = "/org/freedesktop/secrets";
/// Where gnome-keyring has the collection that the login password opens.
pub const LOGIN: &str = "/org/freedesktop/secrets/collection/login";
/// What opens it here.
const PASSWORD: &str = "of the keyring";

/// The bus, where the daemon looks for it: in the runtime directory.
pub struct Bus {
    bus: Started,
}

/// The keyring.
pub struct Keyring {
    process: Started,
}

fn marks(world: &World) -> PathBuf {
    world.home("marks")
}

/// What was started that nobody should have started.
pub fn sprung(world: &World) -> String {
    fs::read_to_string(marks(world)).unwrap_or_default()
}

impl Bus {
    pub fn start(world: &World) -> Self {
        Self::at(world, &world.runtime().join("bus"))
    }

    /// One with its socket there.
    pub fn at(world: &World, socket: &Path) -> Self {
        for name in [SECRETS, PROMPTER, SAVERS[0], SAVERS[1]] {
            let mark = text(&marks(world)).to_owned();
            let service =
                format!("[D-BUS Service]\nName={name}\nExec=/bin/sh -c \"echo {name} >> {mark}\"\n");
            world.file(&format!("{name}.service"), service);
        }
        let services = world.home("");
        fs::remove_file(socket).ok();
        let config = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <servicedir>{}</servicedir><policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/>\
             <allow own=\"*\"/></policy></busconfig>",
            text(socket),
            text(&services)
        );
        let config = world.file("bus.conf", config);
        let args = ["--nofork", "--nopidfile", "--config-file", text(&config)];
        let bus = world.program(Path::new("/usr/bin/dbus-daemon"), &args).within(WHOLE_TEST).start();
        assert!(wait_until(|| UnixStream::connect(socket).is_ok(), SOON), "the bus listens");
        Self { bus }
    }

    pub fn end(self) {
        self.bus.signal(Signal::TERM);
        self.bus.output();
    }
}

/// A call to the bus itself.
pub fn bus_call(world: &World, method: &str, args: &[&str]) -> String {
    let method = format!("org.freedesktop.DBus.{method}");
    gdbus(world, "org.freedesktop.DBus", "/org/freedesktop/DBus", &method, args)
}

/// A call to the keyring.
pub fn keyring_call(world: &World, path: &str, method: &str, args: &[&str]) -> String {
    gdbus(world, SECRETS, path, method, args)
}

/// A call to whoever has the name `to`.
pub fn gdbus(world: &World, to: &str, path: &str, method: &str, args: &[&str]) -> String {
    call(world, &world.runtime().join("bus"), to, path, method, args)
}

/// A call to whoever has a name on the bus with that socket.
pub fn call(world: &World, bus: &Path, to: &str, path: &str, method: &str, args: &[&str]) -> String {
    let address = format!("unix:path={}", text(bus));
    let call = ["call", "--address", &address, "-d", to, "-o", path, "-m", method];
    world.program(Path::new("/usr/bin/gdbus"), &[&call[..], args].concat()).text()
}

impl Keyring {
    /// Starts it, with its login collection open.
    pub fn open(world: &World) -> Self {
        let args = ["--foreground", "--unlock", "--components=secrets"];
        let process = world
            .program(Path::new("/usr/bin/gnome-keyring-daemon"), &args)
            .stdin(PASSWORD)
            .within(WHOLE_TEST)
            .start();
        // Asked for the owner first: else the bus would start the trap in its place.
        let there = || bus_call(world, "NameHasOwner", &[SECRETS]).contains("true");
        assert!(wait_until(there, SOON), "the keyring has its name");
        let open = || !Self::is_locked(world);
        assert!(wait_until(open, SOON), "the keyring is open");
        Self { process }
    }

    fn is_locked(world: &World) -> bool {
        let locked = ["org.freedesktop.Secret.Collection", "Locked"];
        keyring_call(world, LOGIN, "org.freedesktop.DBus.Properties.Get", &locked).contains("true")
    }

    /// Locks its login collection, as its owner's desktop does.
    pub fn lock(world: &World) {
        keyring_call(world, ROOT, &format!("{SERVICE}.Lock"), &[&format!("['{LOGIN}']")]);
        assert!(Self::is_locked(world));
    }

    /// Opens it as PAM does at login, without a prompt, which it takes from its own user only: a credentials
    /// byte, then a message of its length, the operation and the password (gnome-keyring,
    /// `daemon/control/gkd-control-codes.h`).
    pub fn unlock(world: &World) {
        let script = "import socket, struct, sys\n\
                      control = socket.socket(socket.AF_UNIX)\n\
                      control.connect(sys.argv[1])\n\
                      password = sys.argv[2].encode()\n\
                      head = struct.pack('>3I', 12 + len(password), 1, len(password))\n\
                      control.sendall(b'\\0' + head + password)\n\
                      sys.exit(struct.unpack('>2I', control.recv(8, socket.MSG_WAITALL))[1])";
        let socket = world.runtime().join("keyring/control");
        let args = ["-I", "-c", script, text(&socket), PASSWORD];
        world.program(Path::new("/usr/bin/python3"), &args).ok();
        assert!(!Self::is_locked(world));
    }

    pub fn kill(self) {
        self.process.signal(Signal::KILL);
        self.process.output();
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }
}

/// Makes the keyring, which is locked, show a prompt, as whoever stores something does: what no daemon of ours
/// may do.
pub fn spring_the_prompter(world: &World) {
    let address = format!("unix:path={}", text(&world.runtime().join("bus")));
    let store = ["store", "--label", "trap", "is", "trap"];
    let storing = world.program(Path::new("/usr/bin/secret-tool"), &store);
    let _storing = storing.env("DBUS_SESSION_BUS_ADDRESS", address).stdin("value").start();
    assert!(wait_until(|| sprung(world).contains(PROMPTER), SOON), "the prompter's trap works");
}

/// Makes the bus start a keyring, where there is none.
pub fn spring_the_service(world: &World) {
    let address = format!("unix:path={}", text(&world.runtime().join("bus")));
    let (ping, any) = ("org.freedesktop.DBus.Peer.Ping", ROOT);
    let call = ["call", "--timeout", "2", "--address", &address, "-d", SECRETS, "-o", any, "-m", ping];
    assert_ne!(world.program(Path::new("/usr/bin/gdbus"), &call).output().code, 0);
    assert!(wait_until(|| sprung(world).contains(SECRETS), SOON), "the service's trap works");
}
