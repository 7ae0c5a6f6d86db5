//! Where things are, and what little a text file may say. Nothing that could weaken security is
//! read here: that is sealed in the vault.
//!
//! Parsing is pure; [`Config::resolve`] then asks the system.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use glassdome_proto::socket::Place;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;
use zbus::OwnedObjectPath;

use crate::watch::bus;

/// Where the system bus is if nothing else is said (D-Bus specification, "Well-known Message Bus Instances").
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// Everything the daemon needs to know before it starts.
#[derive(Debug)]
pub struct Config {
    /// The vault's file.
    pub vault: PathBuf,
    /// The audit log.
    pub audit: PathBuf,
    /// Diagnostics of a daemon in the background.
    pub log: PathBuf,
    /// The socket.
    pub socket: PathBuf,
    /// How much of what it does the daemon tells.
    pub level: LevelFilter,
    /// Whether prompts are to have a file to read.
    pub state_file: bool,
    /// Whether records go to the system's journal, too.
    pub journald: bool,
    /// What of the desktop is watched.
    pub desktop: Desktop,
}

/// Where the desktop is, with which a session ends. Who can change these when the daemon starts can
/// show it another (`SECURITY.md`).
#[derive(Debug)]
pub struct Desktop {
    /// The session bus, if one can be named.
    pub bus: Option<bus::Place>,
    /// The system bus, if one can be named.
    pub system_bus: Option<bus::Place>,
    /// The collection of the keyring that is looked at; `None` for the default one.
    pub keyring: Option<OwnedObjectPath>,
}

/// `config.toml`. Unknown keys are errors: a misspelt one must not be silently without effect.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    log: Option<Level>,
    #[serde(default)]
    state_file: bool,
    #[serde(default)]
    journald: bool,
    keyring: Option<Collection>,
}

/// A collection, by its name in the keyring or its whole path there.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Collection(OwnedObjectPath);

impl TryFrom<String> for Collection {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let path = match name.starts_with('/') {
            true => name,
            false => format!("/org/freedesktop/secrets/collection/{name}"),
        };
        let path = OwnedObjectPath::try_from(path);
        path.map(Self).map_err(|_| "keyring: a collection's name is letters, digits and _, or a whole path")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No home directory.
    #[error("no home directory: set HOME")]
    NoHome,
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not understood.
    #[error("{} is not understood: {}", path.display(), source.message())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: toml::de::Error,
    },
}

impl Config {
    /// Reads the file and asks the system for the rest.
    ///
    /// # Errors
    /// [`ConfigError`] says which file, and what is wrong with it.
    pub fn resolve() -> Result<Self, ConfigError> {
        let dirs = ProjectDirs::from("", "", "glassdome").ok_or(ConfigError::NoHome)?;
        let state = dirs.state_dir().ok_or(ConfigError::NoHome)?;
        let text = read(&dirs.config_dir().join("config.toml"))?;
        let named = env::var("DBUS_SESSION_BUS_ADDRESS").ok();
        let owner = rustix::process::geteuid().as_raw();
        let bus = bus::socket(named.as_deref(), runtime_dir().as_deref());
        let bus = bus.map(|socket| bus::Place { socket, owner });
        let system_bus = system_bus(env::var("DBUS_SYSTEM_BUS_ADDRESS").ok().as_deref(), owner);
        Ok(Self {
            vault: dirs.data_dir().join("vault"),
            audit: state.join("audit.jsonl"),
            log: state.join("daemon.log"),
            socket: socket(),
            level: text.level(),
            desktop: Desktop { bus, system_bus, keyring: text.keyring.map(|collection| collection.0) },
            state_file: text.state_file,
            journald: text.journald,
        })
    }
}

/// The system bus is root's, where nobody names another one.
fn system_bus(named: Option<&str>, owner: u32) -> Option<bus::Place> {
    match named {
        Some(_) => Some(bus::Place { socket: bus::socket(named, None)?, owner }),
        None => Some(bus::Place { socket: PathBuf::from(SYSTEM_BUS), owner: 0 }),
    }
}

impl Text {
    fn level(&self) -> LevelFilter {
        match self.log.unwrap_or(Level::Info) {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}

fn read(path: &Path) -> Result<Text, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            toml::from_str(&text).map_err(|source| ConfigError::Malformed { path: path.to_owned(), source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Text::default()),
        Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    }
}

fn var(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where systemd puts it, if it is there.
fn run_user() -> Option<PathBuf> {
    let path = PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    path.is_dir().then_some(path)
}

fn runtime_dir() -> Option<PathBuf> {
    var("XDG_RUNTIME_DIR").or_else(run_user)
}

fn socket() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let (named, runtime_dir, run_user) = (var("GLASSDOME_SOCKET"), var("XDG_RUNTIME_DIR"), run_user());
    let path = Place {
        named: named.as_deref(),
        runtime_dir: runtime_dir.as_deref(),
        run_user: run_user.as_deref(),
        uid,
    }
    .socket();
    // A daemon in the background leaves the directory it was started in.
    std::path::absolute(&path).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_bus_is_roots_unless_another_is_named() {
        let place = |named| system_bus(named, 1000).map(|place| (place.socket, place.owner));
        assert_eq!(place(None), Some((SYSTEM_BUS.into(), 0)));
        assert_eq!(place(Some("unix:path=/tmp/bus")), Some(("/tmp/bus".into(), 1000)));
        assert_eq!(place(Some("tcp:host=elsewhere,port=1")), None);
    }

    #[test]
    fn unknown_keys_and_words_are_errors() {
        assert_eq!(toml::from_str::<Text>("").unwrap(), Text::default());
        assert_eq!(toml::from_str::<Text>("log = \"debug\"").unwrap().log, Some(Level::Debug));
        for (name, path) in [("login", "/org/freedesktop/secrets/collection/login"), ("/a/b", "/a/b")] {
            let text = toml::from_str::<Text>(&format!("keyring = {name:?}")).unwrap();
            assert_eq!(text.keyring.unwrap().0.as_str(), path);
        }
        assert!(toml::from_str::<Text>("state_file = true").unwrap().state_file);
        assert!(toml::from_str::<Text>("journald = true").unwrap().journald);
        assert!(!Text::default().state_file && !Text::default().journald);
        for bad in [
            "lgo = \"debug\"",
            "state_file = \"yes\"",
            "journald = \"/tmp/socket\"",
            "log = \"loud\"",
            "log = 3",
            "ceiling = \"8h\"",
            "keyring = \"a b\"",
        ] {
            assert!(toml::from_str::<Text>(bad).is_err(), "{bad}");
        }
    }
}
