//! `ctl status`: is it open, for how long, and if not, why; for people, programs and prompts.

use std::time::Duration;

use glassdome_proto::session::{State, Status as Told};

use crate::cli::{Command, print, print_json};
use crate::connection::{Connection, HANDSHAKE};
use crate::error::Error;
use crate::exit::Exit;
use crate::socket_path::SocketPath;
use crate::text::prompt::segment;
use crate::text::{notice, rotation, status_template, status_text};

/// A shell's prompt waits for this long and no longer.
const SHORT: Duration = Duration::from_millis(50);

/// What can be typed behind `ctl status`.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Status {
    /// Print a JSON object for programs; times are seconds since the epoch
    #[arg(long, group = "form")]
    json: bool,
    /// Print a few characters for a prompt, or nothing; takes 50 ms at most and always exits 0
    #[arg(long, group = "form")]
    short: bool,
    /// Print TEXT with {state} {left} {left_s} {until} {reason} {icon} filled in; {{ is a brace
    #[arg(long, value_name = "TEXT", group = "form")]
    format: Option<String>,
    /// Print nothing; exit 0 unlocked, 3 locked, 6 no daemon
    #[arg(short, group = "form")]
    quiet: bool,
    /// Letters instead of symbols: U unlocked, ! about to lock, L locked
    #[arg(long)]
    ascii: bool,
    /// Print it again whenever the session begins, is renewed, is about to end, or ends; exit 6 when the daemon does
    #[arg(long, conflicts_with = "quiet")]
    watch: bool,
    /// With tmux's colours
    #[arg(long, requires = "short")]
    tmux: bool,
}

impl Command for Status {
    const NAME: &'static str = "status";
    const ABOUT: &'static str = "Show whether it is unlocked, for how long, and how it is protected";
    const EXAMPLES: &'static str = "ctl status\nctl status --short\n\
                                    ctl status --format '{icon} {left}'\nctl status -q && ctl get name\n\
                                    ctl status --watch --json";

    fn at_once(words: &[&str]) -> Option<Self> {
        (words == ["--short"]).then(|| Self { short: true, ..Self::default() })
    }

    fn run(self) -> Result<Exit, Error> {
        if self.watch {
            return self.watch();
        }
        if self.short {
            // Trouble of any kind leaves the prompt as it is; plain `ctl status` tells it.
            with_status(SHORT, |status| match status {
                Some(_) => self.show(status),
                None => Ok(()),
            })
            .ok();
            return Ok(Exit::Ok);
        }
        if self == Self::default() {
            return plainly();
        }
        with_status(HANDSHAKE, |status| {
            self.show(status)?;
            Ok(if self.quiet { quietly(status) } else { Exit::Ok })
        })
    }
}

impl Status {
    /// For status bars that read lines. Whoever started it starts it again when there is a daemon.
    fn watch(&self) -> Result<Exit, Error> {
        let ended = match Connection::open(&SocketPath::find()?.path) {
            Ok(mut connection) => connection.watch(|status| self.show(Some(status))),
            Err(error) => error,
        };
        match ended {
            Error::NoDaemon { .. } | Error::Closed => {
                self.show(None)?;
                Ok(Exit::Unreachable)
            }
            error => Err(error),
        }
    }

    fn show(&self, status: Option<&Told<'_>>) -> Result<(), Error> {
        if self.quiet {
            return Ok(());
        }
        if self.short {
            let segment = status.map(|status| segment(status, self.ascii, self.tmux));
            return print(&format!("{}\n", segment.unwrap_or_default()));
        }
        if self.json {
            print_json(&status_text::document(status))?;
        } else if let Some(template) = &self.format {
            let mut line = status_template::fill(template, status, self.ascii)?;
            line.push('\n');
            print(&line)?;
        } else {
            print(&status_text::describe(status))?;
        }
        Ok(())
    }
}

/// For a person, who is also told of what is unfinished.
fn plainly() -> Result<Exit, Error> {
    let mut connection = match Connection::open_within(&SocketPath::find()?.path, HANDSHAKE) {
        Err(Error::NoDaemon { .. }) => return print(&status_text::describe(None)).map(|()| Exit::Ok),
        opened => opened?,
    };
    let rotation = rotation::describe(&connection.rotation()?);
    print(&status_text::describe(Some(&connection.status()?)))?;
    if let Some(rotation) = rotation {
        notice::remind(&format!("the rotation of the master key is {rotation}"));
    }
    Ok(Exit::Ok)
}

fn quietly(status: Option<&Told<'_>>) -> Exit {
    match status.map(|status| status.state) {
        Some(State::Unlocked { .. }) => Exit::Ok,
        Some(State::Locked | State::Paused { .. }) => Exit::Locked,
        None => Exit::Unreachable,
    }
}

/// Asks for the status; no daemon is an answer too.
fn with_status<T>(
    patience: Duration,
    show: impl FnOnce(Option<&Told<'_>>) -> Result<T, Error>,
) -> Result<T, Error> {
    match Connection::open_within(&SocketPath::find()?.path, patience) {
        Ok(mut connection) => show(Some(&connection.status()?)),
        Err(Error::NoDaemon { .. }) => show(None),
        Err(error) => Err(error),
    }
}
