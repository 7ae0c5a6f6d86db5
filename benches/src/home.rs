//! A home that is thrown away, with the real daemon in it.
//!
//! The whole measurement runs under the client's own name from a directory with copies of the
//! programs: a client hides itself from its owner's other processes, and the daemon believes that
//! only of the programs that lie beside it. It also keeps a build that goes on meanwhile from
//! exchanging a program between two rounds.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use glassdome_audit::auditor::Auditor;
use glassdome_audit::seal;
use glassdome_client::{Connection, Error as ClientError};
use glassdome_proto::policy::{self, Action, NewRule, PathText, Whom};
use glassdome_proto::session::{self, Lifetime};
use glassdome_proto::{Answer, Body, Bytes, Glob, List, Text, settings};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::error::Error;

/// The master password of the vault: strong enough to be taken.
pub(crate) const PASSWORD: &str = "seven otters juggle plums";

/// The daemon keeps a line for prompts.
const CONFIG: &str = "state_file = true\n";

/// Under this name a client is known to the daemon beside it.
const CLIENT: &str = "glassdome";
/// And under this one, which is an interpreter's, by the script that it is given.
const INTERPRETER: &str = "dash";
const PROGRAMS: [&str; 3] = ["ctl", "glassdome_start", "glassdomed"];
const FLOORS: [&str; 3] = ["floor_nothing", "floor_ask", "floor_echo"];
const DIRECTORIES: [&str; 4] = ["data", "state", "config", "run"];

/// Copies the programs and this one, and runs the copy; `None` if this is the copy.
pub(crate) fn staged(programs: &Path) -> Result<Option<ExitStatus>, Error> {
    let own = own_program()?;
    if own.file_name().is_some_and(|name| name == CLIENT) {
        return Ok(None);
    }
    let stage = private_dir("glassdome-bench-")?;
    let beside = own.parent().unwrap_or(Path::new("/"));
    let copies = PROGRAMS.map(|name| (programs.join(name), name));
    let floors = FLOORS.map(|name| (beside.join(name), name));
    for (from, name) in
        copies.into_iter().chain(floors).chain([(own.clone(), CLIENT), (own.clone(), INTERPRETER)])
    {
        if !from.is_file() {
            return Err(Error::NotBuilt(from));
        }
        fs::copy(&from, stage.path().join(name)).map_err(Error::system("copy the programs"))?;
    }
    let mut command = Command::new(stage.path().join(CLIENT));
    let mut args: Vec<_> = std::env::args_os().skip(1).collect();
    for arg in &mut args {
        if Path::new(arg) == programs {
            *arg = stage.path().into();
        }
    }
    Ok(Some(command.args(args).status().map_err(Error::system("start the measurement"))?))
}

/// Whether this is the copy that stands for an interpreter.
pub(crate) fn is_interpreter() -> Result<bool, Error> {
    Ok(own_program()?.file_name().is_some_and(|name| name == INTERPRETER))
}

/// Where the floors lie: beside this program.
pub(crate) fn floors() -> PathBuf {
    own_program().map(|own| own.with_file_name("")).unwrap_or_default()
}

/// A home and its daemon.
pub(crate) struct Home {
    top: TempDir,
    programs: PathBuf,
    daemon: Option<Child>,
}

impl Home {
    /// An empty home; the daemon is started.
    pub(crate) fn new(programs: &Path) -> Result<Self, Error> {
        let top = private_dir("glassdome-bench-home-")?;
        for name in DIRECTORIES {
            let made = DirBuilder::new().mode(0o700).create(top.path().join(name));
            made.map_err(Error::system("make a directory"))?;
        }
        let config = top.path().join("config/glassdome");
        let made = DirBuilder::new().mode(0o700).create(&config);
        made.and_then(|()| fs::write(config.join("config.toml"), CONFIG))
            .map_err(Error::system("write a file"))?;
        let mut home = Self { top, programs: programs.to_owned(), daemon: None };
        home.start()?;
        Ok(home)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.top.path()
    }

    /// The vault's file.
    pub(crate) fn vault(&self) -> PathBuf {
        self.path().join("data/glassdome/vault")
    }

    /// The daemon's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("run/glassdome/daemon.sock")
    }

    /// A place for another socket.
    pub(crate) fn other_socket(&self, name: &str) -> PathBuf {
        self.path().join("run").join(name)
    }

    /// A program of ours in this home.
    pub(crate) fn program(&self, name: &str) -> Command {
        self.command(&self.programs.join(name))
    }

    /// Any program in this home.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.path());
        command.env("XDG_DATA_HOME", self.path().join("data"));
        command.env("XDG_STATE_HOME", self.path().join("state"));
        command.env("XDG_CONFIG_HOME", self.path().join("config"));
        command.env("XDG_RUNTIME_DIR", self.path().join("run"));
        command
    }

    /// Starts the daemon, and waits until it serves.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        let log = File::create(self.log()).map_err(Error::system("make a log"))?;
        let mut command = self.program("glassdomed");
        command.arg("--foreground").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.daemon = Some(command.spawn().map_err(Error::system("start the daemon"))?);
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match self.connect() {
                Ok(_) => return Ok(()),
                Err(Error::Client(ClientError::NoDaemon { .. })) if Instant::now() < until => {}
                Err(Error::Client(ClientError::NoDaemon { .. })) => return Err(self.last_words()),
                Err(error) => return Err(error),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the daemon.
    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        let mut connection = self.connect()?;
        connection.call(Body::Session(session::Request::Stop))?;
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait().map_err(Error::system("wait for the daemon's end"))?;
        }
        Ok(())
    }

    /// The daemon's process id.
    pub(crate) fn daemon(&self) -> Result<u32, Error> {
        self.daemon.as_ref().map(Child::id).ok_or_else(|| self.last_words())
    }

    /// A connection of the client library.
    pub(crate) fn connect(&self) -> Result<Connection, Error> {
        self.show_ourselves()?;
        Ok(Connection::open(&self.socket())?)
    }

    /// Lets the daemon look at this process once more: the connection before has hidden it.
    pub(crate) fn show_ourselves(&self) -> Result<(), Error> {
        set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(Error::system("show ourselves"))
    }

    /// Opens a session.
    pub(crate) fn unlock(&self) -> Result<(), Error> {
        unlock(&mut self.connect()?)
    }

    /// Seals a rule by which what this program starts may read values, encrypt and decrypt: nobody types a password for it.
    pub(crate) fn allow_what_we_start(&self) -> Result<(), Error> {
        let own = own_program()?;
        self.allow(Whom::Exe { exe: words(&own)? })
    }

    /// Seals a rule: what that interpreter runs by that script may read values.
    pub(crate) fn allow_script(&self, script: &Path, interpreter: &Path) -> Result<(), Error> {
        self.allow(Whom::Script { script: words(script)?, exe: Some(words(interpreter)?) })
    }

    /// The copy of this program that stands for an interpreter.
    pub(crate) fn interpreter(&self) -> PathBuf {
        self.programs.join(INTERPRETER)
    }

    fn allow(&self, whom: Whom<'_>) -> Result<(), Error> {
        let unfit = || Error::Wrong("the rule");
        let rule = NewRule {
            id: None,
            decision: policy::Decision::Allow,
            secrets: List::new(vec![Glob::parse("**").map_err(|_| unfit())?]).ok_or_else(unfit)?,
            actions: List::new(vec![Action::Get, Action::Encrypt, Action::Decrypt]).ok_or_else(unfit)?,
            whom,
            unit: None,
            rate: None,
            expires: None,
        };
        let password = Bytes::new(PASSWORD.as_bytes()).ok_or(Error::Wrong("the password"))?;
        match self.connect()?.call(Body::Policy(policy::Request::Allow {
            password,
            rule: rule.into(),
            shown: None,
        }))? {
            Answer::Policy(policy::Answer::Allowed(_)) => Ok(()),
            _ => Err(unfit()),
        }
    }

    /// Has the audit log sealed to an auditor, so that each record costs all that it can.
    pub(crate) fn seal_the_log(&self) -> Result<(), Error> {
        let auditor = Auditor::new(Zeroizing::new([7; seal::KEY]));
        let unfit = || Error::Wrong("the auditor");
        let password = Bytes::new(PASSWORD.as_bytes()).ok_or_else(unfit)?;
        let origin = seal::origin(auditor.expose());
        let origin = Bytes::new(origin.as_slice()).ok_or_else(unfit)?;
        let request = settings::Request::SetAuditor { password, public: auditor.public(), origin };
        match self.connect()?.call(Body::Settings(request))? {
            Answer::Settings(settings::Answer::AuditorSet) => Ok(()),
            _ => Err(unfit()),
        }
    }

    /// A new file where the audit log is; it goes with the home.
    pub(crate) fn beside_the_log(&self, name: &str) -> Result<File, Error> {
        File::create(self.path().join("state/glassdome").join(name)).map_err(Error::system("make a file"))
    }

    /// Waits until the daemon has nothing left to do: after an unlock it reads the whole vault once.
    pub(crate) fn settle(&self) -> Result<(), Error> {
        const QUIET: Duration = Duration::from_millis(150);
        let until = Instant::now() + Duration::from_secs(60);
        let mut before = self.daemon_ticks()?;
        let mut still = 0;
        while still < 3 {
            std::thread::sleep(QUIET);
            let now = self.daemon_ticks()?;
            still = if now == before { still + 1 } else { 0 };
            before = now;
            if Instant::now() > until {
                return Err(Error::Busy);
            }
        }
        Ok(())
    }

    /// Processor time that the daemon has used (proc_pid_stat(5), utime and stime).
    fn daemon_ticks(&self) -> Result<u64, Error> {
        let unreadable = || Error::Unreadable("/proc/PID/stat");
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.daemon()?))
            .map_err(Error::system("look at the daemon"))?;
        let behind_name = stat.rsplit_once(") ").ok_or_else(unreadable)?.1;
        let mut fields = behind_name.split(' ').skip(14 - 3);
        let mut field = || fields.next()?.parse::<u64>().ok();
        Ok(field().ok_or_else(unreadable)? + field().ok_or_else(unreadable)?)
    }

    fn log(&self) -> PathBuf {
        self.path().join("daemon.log")
    }

    fn last_words(&self) -> Error {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        Error::NoDaemon(log.lines().last().unwrap_or("none").to_owned())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // It may have ended by itself.
            daemon.kill().ok();
            daemon.wait().ok();
        }
    }
}

/// Opens a session.
pub(crate) fn unlock(connection: &mut Connection) -> Result<(), Error> {
    let password = Bytes::new(PASSWORD.as_bytes()).ok_or(Error::Wrong("the password"))?;
    let request = session::Request::Unlock { password, lifetime: Lifetime::default() };
    match connection.call(Body::Session(request))? {
        Answer::Session(session::Answer::Unlocked { opened: true, .. }) => Ok(()),
        _ => Err(Error::Wrong("unlocking")),
    }
}

/// A path as a rule names it.
fn words(path: &Path) -> Result<PathText<'_>, Error> {
    path.to_str().and_then(Text::new).ok_or(Error::Wrong("the rule"))
}

fn own_program() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(Error::system("find this program"))
}

fn private_dir(prefix: &str) -> Result<TempDir, Error> {
    let made: io::Result<TempDir> = tempfile::Builder::new().prefix(prefix).tempdir();
    made.map_err(Error::system("make a directory"))
}
