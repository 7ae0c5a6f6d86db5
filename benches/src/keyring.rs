//! A gnome-keyring on a bus of its own: what the Python package is compared with. Our daemon does not know that bus:
//! what joining one costs has nothing to do with it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::home::Home;

/// What opens its collection.
const PASSWORD: &[u8] = b"of the keyring";

/// Bus and keyring end with this.
pub(crate) struct Keyring {
    socket: PathBuf,
    processes: Vec<Child>,
}

impl Keyring {
    /// Starts them; `None` where one of the two programs is not there.
    pub(crate) fn start(home: &Home) -> Result<Option<Self>, Error> {
        let socket = home.path().join("bus");
        let config = home.path().join("bus.conf");
        fs::write(&config, bus(&socket)).map_err(Error::system("write a file"))?;
        let mut keyring = Self { socket, processes: Vec::new() };
        let mut bus = home.command(Path::new("dbus-daemon"));
        bus.args(["--nofork", "--nopidfile", "--config-file"]).arg(&config);
        if !keyring.add(bus)? {
            return Ok(None);
        }
        let until = Instant::now() + Duration::from_secs(10);
        while let Err(error) = UnixStream::connect(&keyring.socket) {
            if Instant::now() > until {
                return Err(Error::system("reach a bus")(error));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut daemon = home.command(Path::new("gnome-keyring-daemon"));
        daemon.args(["--foreground", "--unlock", "--components=secrets"]);
        keyring.shown_to(&mut daemon);
        Ok(keyring.add(daemon)?.then_some(keyring))
    }

    /// Has a program find them.
    pub(crate) fn shown_to(&self, command: &mut Command) {
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.socket.display()));
    }

    /// Starts one of them, which may read the password; false if there is no such program.
    fn add(&mut self, mut command: Command) -> Result<bool, Error> {
        // The keyring tells of what it would like to have on a desktop.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            spawned => spawned.map_err(Error::system("start a keyring"))?,
        };
        let stdin = process.stdin.take();
        self.processes.push(process);
        match stdin.map(|mut stdin| stdin.write_all(PASSWORD)) {
            Some(Err(error)) => Err(Error::system("open a keyring")(error)),
            _ => Ok(true),
        }
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            // It may have ended by itself.
            process.kill().ok();
            process.wait().ok();
        }
    }
}

/// A bus that starts nothing by itself.
fn bus(socket: &Path) -> String {
    format!(
        "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/>\
         </policy></busconfig>",
        socket.display()
    )
}
