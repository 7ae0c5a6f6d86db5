//! One home with its daemon: made for a test, owned by an ordinary user, ended and removed with it.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use crate::daemon_process::DaemonProcess;
use crate::programs::programs;
use crate::run::{Out, Run};
use crate::terminal::Pty;
use crate::typist::Typist;
use crate::user::User;
use crate::vault_file::vault_file;

/// A master password that is strong enough.
pub const PASSWORD: &str = "seven otters juggle plums";

/// The directories of a home, each private.
const DIRECTORIES: [&str; 5] = ["home", "data", "state", "config", "run"];

/// One home.
pub struct World {
    top: TempDir,
    typist: Arc<Typist>,
    mounts: Mutex<Vec<PathBuf>>,
}

impl World {
    /// Makes a home in which nothing has happened yet.
    #[expect(clippy::new_without_default, reason = "it makes directories, and may fail")]
    pub fn new() -> Self {
        let top = tempfile::Builder::new().prefix("glassdome-").tempdir().expect("a directory can be made");
        fs::set_permissions(top.path(), Permissions::from_mode(0o755)).expect("it is ours");
        User::A.own(top.path()).expect("it can be given away");
        for name in DIRECTORIES {
            let path = top.path().join(name);
            DirBuilder::new().mode(0o700).create(&path).expect("a directory can be made");
            User::A.own(&path).expect("it can be given away");
        }
        Self { top, typist: Arc::new(Typist::new()), mounts: Mutex::new(Vec::new()) }
    }

    /// A home with a vault, sealed with [`PASSWORD`], that was never opened.
    pub fn with_vault() -> Self {
        let world = Self::new();
        world.put_vault();
        world
    }

    /// The same on a file system of so many KiB, and opened. Needs root.
    pub fn unlocked_on_small_disk(kib: u32) -> Self {
        let world = Self::new();
        world.mount_tmpfs(&world.data(), kib);
        world.put_vault();
        world.start(PASSWORD);
        world
    }

    fn put_vault(&self) {
        let directory = self.data().join("glassdome");
        DirBuilder::new().mode(0o700).create(&directory).expect("a directory can be made");
        fs::write(self.vault(), vault_file()).expect("the directory takes a file");
        fs::set_permissions(self.vault(), Permissions::from_mode(0o600)).expect("it is ours");
        for path in [directory, self.vault()] {
            User::A.own(&path).expect("it can be given away");
        }
    }

    /// A home with an open vault, sealed with [`PASSWORD`].
    pub fn unlocked() -> Self {
        let world = Self::with_vault();
        world.start(PASSWORD);
        world
    }

    // Places.

    /// A path in the home directory.
    pub fn home(&self, name: &str) -> PathBuf {
        self.top.path().join("home").join(name)
    }

    /// The directory that holds all others; every user may pass it.
    pub fn top(&self) -> &Path {
        self.top.path()
    }

    /// What `XDG_DATA_HOME` names.
    pub fn data(&self) -> PathBuf {
        self.top.path().join("data")
    }

    /// What `XDG_STATE_HOME` names.
    pub fn state(&self) -> PathBuf {
        self.top.path().join("state")
    }

    /// Puts the configuration in its place.
    pub fn configure(&self, content: &str) {
        let directory = self.top.path().join("config/glassdome");
        fs::create_dir_all(&directory).expect("the directory takes another");
        User::A.own(&directory).expect("it can be given away");
        let path = directory.join("config.toml");
        fs::write(&path, content).expect("the directory takes a file");
        User::A.own(&path).expect("it can be given away");
    }

    /// What `XDG_RUNTIME_DIR` names.
    pub fn runtime(&self) -> PathBuf {
        self.top.path().join("run")
    }

    /// The vault's file.
    pub fn vault(&self) -> PathBuf {
        self.data().join("glassdome/vault")
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.runtime().join("glassdome/daemon.sock")
    }

    /// Makes a file of the owner's in the home directory.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home(name);
        fs::write(&path, content).expect("the home directory takes a file");
        User::A.own(&path).expect("it can be given away");
        path
    }

    /// Puts a file system of so many KiB, in memory, over a directory; it goes with the home. Needs
    /// root.
    pub fn mount_tmpfs(&self, directory: &Path, kib: u32) {
        let (uid, gid) = (User::A.uid(), User::A.gid());
        let options = format!("size={kib}k,mode=0700,uid={uid},gid={gid}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(directory)
            .output()
            .expect("mount is there");
        assert!(mounted.status.success(), "mount: {}", String::from_utf8_lossy(&mounted.stderr));
        self.mounts.lock().expect("no thread panicked here").push(directory.to_owned());
    }

    // Programs.

    /// `ctl` with these arguments.
    pub fn ctl(&self, args: &[&str]) -> Run {
        self.program(&programs().join("ctl"), args)
    }

    /// `glassdome_start` with these arguments.
    pub fn glassdome_start(&self, args: &[&str]) -> Run {
        self.program(&programs().join("glassdome_start"), args)
    }

    /// `glassdomed` with these arguments.
    pub fn glassdomed(&self, args: &[&str]) -> Run {
        self.program(&programs().join("glassdomed"), args)
    }

    /// A script for `sh`, in the home directory, with our programs in its `PATH`.
    pub fn shell(&self, script: &str) -> Run {
        self.program(Path::new("/bin/sh"), &["-c", script])
    }

    /// A script for a shell to which the master password was given, so that what stands there is typed
    /// as far as the daemon can tell. The last command must not replace the shell: let more follow it.
    pub fn granted_shell(&self, shell: &str, script: &str) -> Run {
        let script =
            format!("glassdome_start --quiet --password-fd 3 3<<'.' || exit\n{PASSWORD}\n.\n{script}");
        self.program(Path::new(shell), &["-c", &script])
    }

    /// Any program, with the environment of this home.
    pub fn program(&self, program: &Path, args: &[&str]) -> Run {
        Run::new(self.command(program, args), self.typist.clone())
    }

    /// A Python script.
    pub fn python(&self, script: &Path, args: &[&str]) -> Run {
        self.program(&self.interpreter(), &[&[text(script)], args].concat())
    }

    /// The Python that `GLASSDOME_PYTHON` names, or the system's where the home's owner cannot reach
    /// that one.
    fn interpreter(&self) -> PathBuf {
        let named = std::env::var_os("GLASSDOME_PYTHON").map(PathBuf::from);
        let runs = |python: &PathBuf| {
            let mut command = self.command(python, &["-c", ""]);
            User::A.put_on(&mut command);
            command.output().is_ok_and(|out| out.status.success())
        };
        let python = named.into_iter().chain([PathBuf::from("/usr/bin/python3")]).find(runs);
        python.expect("a Python that ordinary users can run")
    }

    /// A line of `sh` at a terminal.
    pub fn terminal(&self, line: &str) -> Pty {
        Pty::start(self.command(Path::new("/bin/sh"), &["-c", line]), User::A)
    }

    /// An interactive shell at a terminal, ready for a command. Its prompt is the last exit code in
    /// brackets, and what is typed is shown.
    pub fn shell_at_terminal(&self) -> Pty {
        let mut terminal = self.terminal("PS1='[$?] ' exec bash --noprofile --norc --noediting -i");
        terminal.expect("[0] ");
        terminal
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs().display());
        command
            .args(args)
            .current_dir(self.home(""))
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home(""));
        command.env("XDG_DATA_HOME", self.data()).env("XDG_STATE_HOME", self.state());
        command.env("XDG_CONFIG_HOME", self.top.path().join("config"));
        command.env("XDG_RUNTIME_DIR", self.runtime());
        // Nobody is there to answer, but where a test says so.
        command.env("GLASSDOME_WAIT", "0");
        command.env("LANG", "C.UTF-8").env("TERM", "xterm").env("NO_COLOR", "1").env("TZ", "UTC");
        command
    }

    // The daemon.

    /// Starts the daemon if none runs, makes the vault if there is none, and unlocks it.
    #[track_caller]
    pub fn start(&self, password: &str) {
        let out = self.unlock(password, &[]);
        assert_eq!(out.code, 0, "{}", out.stderr);
    }

    /// `glassdome_start` with this password and further arguments.
    pub fn unlock(&self, password: &str, args: &[&str]) -> Out {
        let args = [&["--password-stdin", "--accept-weak"], args].concat();
        self.glassdome_start(&args).stdin(format!("{password}\n")).output()
    }

    /// Seals a rule: [`World::python`] may do anything with every secret when it runs this script as it
    /// is now.
    #[track_caller]
    pub fn allow_python(&self, script: &Path) {
        self.allow(&["--script", text(script), "--exe", text(&self.interpreter())]);
    }

    /// Seals a rule: a program may do anything with every secret. `whom` says which, as
    /// `ctl policy allow` is told.
    #[track_caller]
    pub fn allow(&self, whom: &[&str]) {
        let everything =
            ["--secrets", "**", "--actions", "get,list,set,remove,encrypt,decrypt", "--password-stdin"];
        let args = [&["policy", "allow"], &everything[..], whom].concat();
        self.ctl(&args).stdin(format!("{PASSWORD}\n")).ok();
    }

    /// The daemon that runs, if one does.
    pub fn daemon(&self) -> Option<DaemonProcess> {
        DaemonProcess::holding(&self.data().join("glassdome"))
    }

    /// The process id of the daemon.
    #[track_caller]
    pub fn daemon_pid(&self) -> i32 {
        self.daemon().expect("a daemon runs").pid()
    }

    /// `ctl status --json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        serde_json::from_slice(&self.ctl(&["status", "--json"]).ok()).expect("the status is JSON")
    }

    /// Stores a value.
    #[track_caller]
    pub fn set(&self, name: &str, value: impl Into<Vec<u8>>) {
        self.ctl(&["set", name, "--stdin"]).stdin(value).ok();
    }

    /// The audit log, a record each line.
    #[track_caller]
    pub fn audit(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.state().join("glassdome/audit.jsonl")).expect("there is a log");
        log.lines().map(|line| serde_json::from_str(line).expect("a line of the log is JSON")).collect()
    }

    /// The daemon's diagnostics; empty before its first start.
    pub fn daemon_log(&self) -> String {
        fs::read_to_string(self.state().join("glassdome/daemon.log")).unwrap_or_default()
    }
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are text")
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon() {
            daemon.kill();
        }
        for directory in self.mounts.lock().expect("no thread panicked here").drain(..).rev() {
            // Lazily: what a failed test left running in it must not keep the directory.
            Command::new("umount").arg("-l").arg(directory).status().ok();
        }
    }
}
