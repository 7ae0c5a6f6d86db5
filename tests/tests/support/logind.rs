//! A system bus of this world's own, with logind's interface on it by python-dbusmock.

use std::fs;
use std::path::{Path, PathBuf};

use glassdome_tests::{PASSWORD, Started, User, World, text, wait_until};
use rustix::process::Signal;
use serde_json::Value;

use crate::desktop::{Bus, SOON, call};

const NAME: &str = "org.freedesktop.login1";
const ROOT: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const MOCK: &str = "org.freedesktop.DBus.Mock";
const WHOLE_TEST: std::time::Duration = std::time::Duration::from_secs(600);

/// Where the bus is.
pub fn socket(world: &World) -> PathBuf {
    world.runtime().join("system-bus")
}

/// The bus.
pub fn bus(world: &World) -> Bus {
    Bus::at(world, &socket(world))
}

/// `glassdome_start`, of a daemon that looks for the system bus there.
#[track_caller]
pub fn start(world: &World) {
    let args = ["--password-stdin", "--accept-weak"];
    let start = world.glassdome_start(&args).stdin(format!("{PASSWORD}\n"));
    start.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", text(&socket(world)))).ok();
}

/// What shows in logind's place.
pub struct Logind<'w> {
    world: &'w World,
    process: Started,
}

impl<'w> Logind<'w> {
    /// Starts it; nobody has logged in.
    pub fn start(world: &'w World) -> Self {
        Self::started(world, false)
    }

    /// Starts one that refuses to be held up.
    pub fn start_refusing(world: &'w World) -> Self {
        Self::started(world, true)
    }

    fn started(world: &'w World, refuses: bool) -> Self {
        let template = world.file("logind.py", include_str!("../../python/logind.py"));
        let args = ["-m", "dbusmock", "--system", "--template", text(&template)];
        let process = world
            .program(Path::new("/usr/bin/python3"), &args)
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", text(&socket(world))))
            .env("AUDIT", world.state().join("glassdome/audit.jsonl"))
            .env("RELEASED", released_file(world))
            .env("REFUSES", if refuses { "1" } else { "" })
            .within(WHOLE_TEST)
            .start();
        let there = || {
            let (to, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
            call(world, &socket(world), to, path, "org.freedesktop.DBus.NameHasOwner", &[NAME])
                .contains("true")
        };
        assert!(wait_until(there, SOON), "logind has its name");
        Self { world, process }
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.process.pid().cast_signed()
    }

    /// Ends it at once.
    pub fn kill(self) {
        self.process.signal(Signal::KILL);
        self.process.output();
    }

    fn call(&self, path: &str, method: &str, args: &[&str]) -> String {
        call(self.world, &socket(self.world), NAME, path, method, args)
    }

    fn signal(&self, path: &str, interface: &str, name: &str, types: &str, values: &str) {
        self.call(path, &format!("{MOCK}.EmitSignal"), &[interface, name, types, values]);
    }

    /// The machine goes to sleep, or wakes.
    pub fn sleep(&self, begins: bool) {
        self.signal(ROOT, MANAGER, "PrepareForSleep", "b", &format!("[<{begins}>]"));
    }

    /// The machine ends.
    pub fn shutdown(&self) {
        self.signal(ROOT, MANAGER, "PrepareForShutdown", "b", "[<true>]");
    }

    /// What is read while the machine goes to sleep.
    pub fn preparing_for_sleep(&self, is: bool) {
        let to = format!("{{'PreparingForSleep': <{is}>}}");
        self.call(ROOT, &format!("{MOCK}.UpdateProperties"), &[MANAGER, &to]);
    }

    /// The owner logs in.
    pub fn log_in(&self, id: &str, kind: &str) {
        let uid = User::A.uid().to_string();
        self.call(ROOT, &format!("{MOCK}.AddSession"), &[id, "seat0", &uid, "owner", "true"]);
        self.set(id, "Type", &format!("'{kind}'"));
        self.signal(ROOT, MANAGER, "SessionNew", "so", &format!("[<'{id}'>, <objectpath '{}'>]", path(id)));
    }

    /// A login ends.
    pub fn log_out(&self, id: &str) {
        self.call(ROOT, &format!("{MOCK}.RemoveObject"), &[&path(id)]);
        let told = format!("[<'{id}'>, <objectpath '{}'>]", path(id));
        self.signal(ROOT, MANAGER, "SessionRemoved", "so", &told);
    }

    /// Changes a property of a login, and tells of it.
    pub fn set(&self, id: &str, property: &str, value: &str) {
        let to = format!("{{'{property}': <{value}>}}");
        self.call(&path(id), &format!("{MOCK}.UpdateProperties"), &[SESSION, &to]);
    }

    /// Somebody asks for the screen of a login to be locked, or opened: `Lock` or `Unlock`.
    pub fn ask(&self, id: &str, what: &str) {
        self.signal(&path(id), SESSION, what, "", "[]");
    }

    /// Whoever holds up the machine.
    pub fn locks(&self) -> String {
        self.call(ROOT, &format!("{MANAGER}.ListInhibitors"), &[])
    }

    /// Whether it refuses to be held up from now on. How often it did until now.
    pub fn refuse(&self, now: bool) -> u32 {
        let often = self.call(ROOT, &format!("{MANAGER}.Refuse"), &[&now.to_string()]);
        let digits: String =
            often.trim().trim_start_matches("(uint32 ").chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// Sends a descriptor to a program on the bus; what comes of it.
    pub fn send_descriptor(&self, pid: i32) -> String {
        let script = "import dbus, sys\n\
                      bus = dbus.SystemBus()\n\
                      itself = dbus.Interface(bus.get_object(dbus.BUS_DAEMON_NAME, dbus.BUS_DAEMON_PATH), \
                      dbus.BUS_DAEMON_IFACE)\n\
                      names = [name for name in itself.ListNames() if name.startswith(':')]\n\
                      of = {itself.GetConnectionUnixProcessID(name): name for name in names}\n\
                      try:\n\
                      \x20   bus.call_blocking(of[int(sys.argv[1])], '/', 'a.b', 'C', 'h', [dbus.types.UnixFd(0)])\n\
                      except dbus.DBusException as error:\n\
                      \x20   print(error.get_dbus_name())";
        let python = self.world.program(Path::new("/usr/bin/python3"), &["-c", script, &pid.to_string()]);
        python.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", text(&socket(self.world)))).text()
    }

    /// Waits until the daemon has looked twice more: the first look may have begun before what is to be seen.
    #[track_caller]
    pub fn is_looked_at(&self) {
        let looks = || self.call(ROOT, &format!("{MANAGER}.Looks"), &[]);
        for _ in 0..2 {
            let before = looks();
            // Any change makes it look.
            self.signal(ROOT, MANAGER, "SeatNew", "so", "[<'s'>, <objectpath '/'>]");
            assert!(wait_until(|| looks() != before, SOON), "it is looked at");
        }
    }
}

fn path(id: &str) -> String {
    format!("{ROOT}/session/{id}")
}

fn released_file(world: &World) -> PathBuf {
    world.home("released")
}

/// The locks that were let go of, each with the last line that the log had by then.
pub fn released(world: &World) -> Vec<Value> {
    let text = fs::read_to_string(released_file(world)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("the template writes JSON")).collect()
}
