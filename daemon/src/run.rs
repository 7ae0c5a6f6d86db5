//! From the first instruction to the last: harden, find everything, listen, serve, end.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::resume_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use glassdome_audit::{Event, Hex, Outcome};
use glassdome_proto::session::LockReason;
use glassdome_sys::{DirError, Stamp, private_dir, share_one_heap};
use glassdome_vault::{self as vault, Cleared, Vault};
use rustix::fs::{FlockOperation, flock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{LocalSet, spawn_local};

use crate::config::{Config, ConfigError, Desktop};
use crate::device::Lacking;
use crate::found::Found;
use crate::journal::{Entry, Journal, Who};
use crate::journald::{self, Journald};
use crate::notify::helper::Helper;
use crate::options::{self, HELP, Options};
use crate::recover::{self, Recovery};
use crate::server::{self, Listener, Unbindable};
use crate::settings::Unread;
use crate::state::State;
use crate::state_file::StateFile;
use crate::throttle::Backoff;
use crate::worker::Worker;
use crate::{attest, clock, harden, notify, refuse, rotations, watch};

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option that is not known.
    #[error("unknown option {0:?}. Options: glassdomed --help")]
    Usage(String),
    /// The process could not be protected.
    #[error("cannot protect the daemon's process ({0}): not starting without")]
    Harden(#[source] io::Error),
    /// The kernel cannot say who connects.
    #[error("this kernel cannot say for certain who connects ({0}): glassdomed needs Linux 6.5")]
    Kernel(#[source] io::Error),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A directory is not ours alone.
    #[error(transparent)]
    Directory(#[from] DirError),
    /// A file is not ours alone.
    #[error("{path} {what}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it, and the mend.
        what: &'static str,
    },
    /// Another daemon has this vault.
    #[error("another daemon serves the vault in {0}. Stop it: ctl stop")]
    VaultInUse(String),
    /// A backup cannot be read.
    #[error("cannot read the backup {path}: {}", match source {
        vault::Error::Storage(source) => source.to_string(),
        other => other.to_string(),
    })]
    Backup {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: vault::Error,
    },
    /// The vault that another is to take the place of cannot be looked at.
    #[error(
        "cannot look at the vault that is there, {path} ({source}): nothing was changed. Mend that, or move it away"
    )]
    Former {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: vault::Error,
    },
    /// The vault.
    #[error("{}", refuse::vault(.0).message)]
    Vault(#[source] vault::Error),
    /// There was a vault, and there is none.
    #[error(
        "the audit log knows of a vault, and there is none at {vault}: no other is made. Put it back, or recover it: ctl \
         storage recover FILE. To begin anew on purpose, move {log} away"
    )]
    Gone {
        /// Where it belongs.
        vault: String,
        /// The directory of the log that knows of it.
        log: String,
    },
    /// What is sealed in it.
    #[error("{}", refuse::unread(.0).message)]
    Unread(#[source] Unread),
    /// What the keyring has of it.
    #[error("{}", .0.refusal().message)]
    Device(#[source] Lacking),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] Unbindable),
    /// The audit log.
    #[error("cannot open the audit log {path} ({source})")]
    Journal {
        /// Its path.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused something else.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// The same codes as `ctl` exits with (`docs/commands.md`).
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Backup { .. } => 2,
            Self::VaultInUse(_) | Self::Socket(Unbindable::Running { .. }) => 9,
            Self::Unread(_) => 11,
            Self::Vault(error) | Self::Former { source: error, .. } => match error {
                vault::Error::Storage(_)
                | vault::Error::InPlace(_)
                | vault::Error::MovedBack(_)
                | vault::Error::RedoNotAFile => 12,
                vault::Error::NewerVersion { .. } => 11,
                vault::Error::InUse | vault::Error::Exists | vault::Error::OpenedAnew => 9,
                vault::Error::WrongPassword => 7,
                vault::Error::NotOverwritten(_) => 1,
                _ => 10,
            },
            Self::Device(Lacking::Locked | Lacking::Beside | Lacking::Keyring(_)) => 3,
            Self::Device(Lacking::Missing) => 5,
            Self::Gone { .. } | Self::Device(Lacking::Wrong | Lacking::Crowd(_)) => 10,
            Self::Journal { .. } | Self::File { .. } => 12,
            Self::Socket(_) | Self::Directory(_) => 6,
            Self::Harden(_)
            | Self::Kernel(_)
            | Self::Config(_)
            | Self::Io(_)
            | Self::Device(Lacking::Memory) => 1,
        }
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    // Before anything else, so that there is no way to start without.
    let begun = harden::harden().and_then(|()| Stamp::take()).map_err(Error::Harden);
    let asked = begun.and_then(|stamp| {
        let options = options::parse(std::env::args_os().skip(1))
            .map_err(|arg| Error::Usage(arg.to_string_lossy().into_owned()))?;
        Ok((options, stamp))
    });
    let ended = match asked {
        Ok((Options::Help, _)) => io::stdout().write_all(HELP.as_bytes()).map_err(Error::Io),
        Ok((Options::Version, _)) => {
            writeln!(io::stdout(), "glassdomed {}", env!("CARGO_PKG_VERSION")).map_err(Error::Io)
        }
        Ok((Options::Notifier, _)) => notify::helper::serve().map_err(Error::Io),
        Ok((Options::Recover(recovery), stamp)) => recover_alone(&recovery, stamp),
        Ok((options, stamp)) => run(&options, stamp),
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be left to read it.
            let _ = writeln!(io::stderr(), "glassdomed: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Recovers the vault. A daemon may have it until it is told to put it in its place.
fn recover_alone(recovery: &Recovery, stamp: Option<Stamp>) -> Result<(), Error> {
    stamp.map_or(Ok(()), Stamp::give_up).map_err(Error::Harden)?;
    let config = Config::resolve()?;
    private_dir(config.vault.parent().unwrap_or(Path::new("/")))?;
    private_dir(config.audit.parent().unwrap_or(Path::new("/")))?;
    for file in [&config.vault, &config.audit] {
        private_file(file)?;
    }
    recover::recover(recovery, &config)
}

fn run(options: &Options, stamp: Option<Stamp>) -> Result<(), Error> {
    // One thread does nearly everything: what the others have freed is to be of use to it.
    share_one_heap();
    attest::supported().map_err(Error::Kernel)?;
    let config = Config::resolve()?;
    let _alone = hold_vault(&config.vault)?;
    for file in [&config.audit, &config.log] {
        private_dir(file.parent().unwrap_or(Path::new("/")))?;
    }
    for file in [&config.vault, &config.audit, &config.log] {
        private_file(file)?;
    }
    let diagnostics = match options {
        Options::Background => Some(diagnostics(&config.log)?),
        _ => None,
    };
    start_log(&config, diagnostics.as_ref())?;
    // Of whoever was killed while it made a vault. It is in nobody's way, and swept again next time.
    if let Err(error) = vault::sweep(&config.vault) {
        tracing::warn!("what is left of a vault that was being made could not be removed: {error}");
    }
    // Before the vault is opened: what a rotation left that was killed at its end is overwritten.
    match vault::clear_up(&config.vault) {
        Ok(Cleared::Whole) => {}
        Ok(Cleared::Aside(path)) => {
            tracing::warn!("what no rotation leaves lay in its place, and is {} now", path.display());
        }
        Ok(Cleared::Linked(names)) => rotations::log_linked(names),
        Ok(Cleared::Kept(path)) => tracing::warn!(
            "{} is kept: what is in the vault's place is not known to have replaced it",
            path.display()
        ),
        Err(error) => tracing::warn!("what is left of a rotation could not be removed: {error}"),
    }
    let listener = Listener::bind(&config.socket, stamp)?;
    // The socket shows it from now on. With it in hand, the daemon could look at none of its peers.
    stamp.map_or(Ok(()), Stamp::give_up).map_err(Error::Harden)?;
    harden::note_descriptors(listener.refuses_descriptors());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(128)
        .thread_stack_size(256 * 1024)
        .build()?;
    let _reactor = runtime.enter();
    // While there is no key: what is started now has nothing of it.
    let helper = notify::helper::start().and_then(notify::helper::Started::watch);
    let helper = helper.inspect_err(|error| tracing::warn!("there will be no notifications: {error}")).ok();
    let state = Rc::new(State::new(find(&config, stamp, helper)?));
    // A task of its own: what is waited for here is polled again whenever any task runs.
    let serving = async { spawn_local(serve(state.clone(), listener, config.desktop, diagnostics)).await };
    LocalSet::new().block_on(&runtime, serving).unwrap_or_else(|ended| resume_unwind(ended.into_panic()))?;
    // A peer that hangs whoever looks at it must not hang the end.
    runtime.shutdown_background();
    Ok(())
}

/// The vault's directory, ours alone, and locked against a second daemon for as long as this is
/// held, whether or not there is a vault yet.
///
/// # Errors
/// [`Error::Directory`], [`Error::VaultInUse`], [`Error::Io`].
pub fn hold_vault(vault: &Path) -> Result<OwnedFd, Error> {
    let path = vault.parent().unwrap_or(Path::new("/"));
    let dir = private_dir(path)?;
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(dir),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::VaultInUse(path.display().to_string())),
        Err(error) => Err(Error::Io(error.into())),
    }
}

/// A file of ours that is there is ours alone, or nothing is done with it.
///
/// # Errors
/// [`Error::File`], [`Error::Io`].
pub fn private_file(path: &Path) -> Result<(), Error> {
    let there = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        there => there?,
    };
    let bad = |what| Error::File { path: path.display().to_string(), what };
    if !there.is_file() {
        return Err(bad("is not a regular file: look what it is, and remove it"));
    }
    if there.uid() != rustix::process::geteuid().as_raw() {
        return Err(bad("belongs to another user: look who put it there, and remove it"));
    }
    if there.mode() & 0o077 != 0 {
        return Err(bad("is open to others: look whether it was changed, then chmod 600"));
    }
    Ok(())
}

fn find(config: &Config, stamp: Option<Stamp>, helper: Option<Helper>) -> Result<Found, Error> {
    let vault = match Vault::open(&config.vault).map_err(Error::Vault)? {
        vault::Found::Present(vault) => Some(vault),
        vault::Found::Missing => None,
    };
    let (throttle, panic) = match &vault {
        Some(vault) => (vault.throttle().map_err(Error::Vault)?, vault.panic().map_err(Error::Vault)?),
        None => (vault::Throttle::default(), None),
    };
    let journald = config.journald.then(|| Journald::at(Path::new(journald::SOCKET))).transpose()?;
    let own = vault.as_ref().map(|vault| Hex(*vault.id().as_bytes()));
    let journal = Journal::open(&config.audit, own, journald, clock::now())
        .map_err(|source| Error::Journal { path: config.audit.display().to_string(), source })?;
    if vault.is_none() && journal.knows_a_vault() {
        return Err(gone(&journal, config));
    }
    let memory = match glassdome_lockmem::probe() {
        Ok(level) => Some(level),
        Err(error) => {
            tracing::warn!("no session can be opened: {error}");
            None
        }
    };
    Ok(Found {
        owner: rustix::process::geteuid().as_raw(),
        stamp: stamp.map(Stamp::gid),
        memory,
        vault,
        vault_path: config.vault.clone(),
        journal,
        store: Worker::start("store")?,
        backoff: Backoff::resume(&throttle, clock::now()),
        panic: panic.map(Duration::from_millis),
        helper,
        state_file: config.state_file.then(|| StateFile::beside(&config.socket)).transpose()?,
    })
}

/// A vault that was made here is not in its place: another one in its stead would hide that, and be what is backed up from
/// then on.
fn gone(journal: &Journal, config: &Config) -> Error {
    let entry = Entry {
        event: Event::Start,
        outcome: Outcome::Failed,
        secret: None,
        to: None,
        by: None,
        peer: Who::Nobody,
    };
    if let Err(error) = journal.record_on_disk(entry, clock::now()) {
        tracing::warn!("that the vault is gone could not be recorded: {error}");
    }
    Error::Gone { vault: config.vault.display().to_string(), log: journal.dir().display().to_string() }
}

async fn serve(
    state: Rc<State>,
    listener: Listener,
    desktop: Desktop,
    background: Option<File>,
) -> Result<(), Error> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut hung_up = signal(SignalKind::hangup())?;
    note(&state, Event::Start);
    spawn_local(watch::clock::watch(state.clone()));
    spawn_local(watch::disk::watch(state.clone()));
    spawn_local(watch::screen::watch(state.clone(), desktop.bus.clone()));
    spawn_local(watch::keyring::watch(state.clone(), desktop.bus, desktop.keyring));
    spawn_local(watch::state_file::watch(state.clone()));
    spawn_local(watch::logind::watch(state.clone(), desktop.system_bus));
    spawn_local(watch::vault::watch(state.clone()));
    spawn_local(watch::backups::watch(state.clone()));
    spawn_local(watch::kept::watch(state.clone()));
    spawn_local(watch::memory::watch(state.clone()));
    let notifying = state.clone();
    spawn_local(async move { notifying.notifier().listen().await });
    if let Some(log) = background {
        let_go(&log)?;
    }
    tracing::info!("listening");
    tokio::select! {
        broken = server::serve(state.clone(), &listener) => broken?,
        () = state.stopped() => {}
        () = watch::socket::watch(state.clone(), listener.path()) => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        _ = hung_up.recv() => {}
    }
    state.lock(LockReason::Shutdown);
    watch::state_file::end(&state);
    // Nobody is to wait in the queue of a daemon that ends.
    drop(listener);
    // The watch that does it otherwise may be in the middle of it, or not have begun.
    watch::vault::settle(&state).await;
    note(&state, Event::Stop);
    state.settle_log().await;
    watch::kept::end(&state).await;
    tracing::info!("ended");
    Ok(())
}

fn note(state: &State, event: Event) {
    let entry =
        Entry { event, outcome: Outcome::Allowed, secret: None, to: None, by: None, peer: Who::Nobody };
    // Starting and ending serve nothing: what cannot be logged then is told in the diagnostics.
    let _ = state.record(entry);
}

fn diagnostics(path: &Path) -> Result<File, Error> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let log = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(nofollow).open(path)?;
    // Diagnostics of past runs are worth little; the audit log is elsewhere.
    if log.metadata()?.len() > 1024 * 1024 {
        log.set_len(0)?;
    }
    Ok(log)
}

fn start_log(config: &Config, file: Option<&File>) -> Result<(), Error> {
    // A line that cannot be written, on a full disk for one, is lost: nothing may fail for that, and saying so on
    // standard error, which is the same file, would.
    let log = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_max_level(config.level)
        .with_ansi(false)
        .with_target(false);
    match file {
        // Each line is one write, behind what is there. Without a lock: none can be poisoned.
        Some(file) => log.with_writer(file.try_clone()?).init(),
        None => log.with_writer(io::stderr).init(),
    }
    Ok(())
}

/// Tells whoever started us that we listen, and lets go of its terminal.
fn let_go(log: &File) -> Result<(), Error> {
    let mut stdout = io::stdout();
    stdout.write_all(b"ready\n")?;
    stdout.flush()?;
    let null = File::open("/dev/null")?;
    // No mount is kept busy by a daemon that was started there.
    std::env::set_current_dir("/")?;
    let moved = rustix::stdio::dup2_stdin(null.as_fd())
        .and_then(|()| rustix::stdio::dup2_stdout(log.as_fd()))
        .and_then(|()| rustix::stdio::dup2_stderr(log.as_fd()));
    moved.map_err(|error| Error::Io(error.into()))
}
