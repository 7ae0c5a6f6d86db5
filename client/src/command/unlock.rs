//! `glassdome_start` and `ctl unlock`: one password, and a session is open.
//!
//! ```text
//! connect, start the daemon if there is none ─► status
//!   no vault        ─► explain, ask twice ─► Create ─┬─ weak: say why, ask again
//!   locked          ─► ask ─► Unlock ────────────────┼─ wrong: wait as told, ask again
//!   panic, --end-panic ─► ask ─► EndPanic ───────────┤
//!   --accept-rollback ─► ask ─► AcceptRollback ──────┤
//!   open, --renew   ─► ask ─► Renew ─────────────────┘
//!   open            ─► whose terminal is this? ─┬─ granted, or none: say until when
//!                                               └─ not granted: ask ─► Unlock, which grants it
//! ```
//! A person is asked three times; a script's answer is taken once.

use glassdome_proto::session::{
    Answer as SessionAnswer, Audit, Lifetime, LockReason, Request, State, VaultState,
};
use glassdome_proto::{Answer, Body, Code, span};

use crate::cli::{Command, as_ourselves};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{Password, PasswordArgs, Source, TRIES};
use crate::socket_path::SocketPath;
use crate::start::connect_or_start;
use crate::terminal::Terminal;
use crate::text::escape::name;
use crate::text::status_text::LOG_ALARM;
use crate::text::{notice, time};

/// What can be typed behind `glassdome_start`.
#[derive(clap::Args)]
pub(crate) struct Unlock {
    #[command(flatten)]
    password: PasswordArgs,
    /// End the session after this long, such as 2h or 90m; it never lasts longer than the settings say
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_span)]
    total: Option<u32>,
    /// Lock when no program was served for this long, such as 30m
    #[arg(long, value_name = "DURATION", value_parser = parse_span)]
    idle: Option<u32>,
    /// Ask for the password and start the session's time again, also when one is open
    #[arg(long)]
    renew: bool,
    /// End a panic (ctl panic), and open a session
    #[arg(long, conflicts_with = "renew")]
    end_panic: bool,
    /// Go on with a vault that is older than the audit log knows: you have put it there
    #[arg(long, conflicts_with_all = ["renew", "end_panic"])]
    accept_rollback: bool,
    /// On first use: take a master password that is easy to guess
    #[arg(long)]
    accept_weak: bool,
    /// Say nothing when all went well
    #[arg(long)]
    quiet: bool,
}

impl Command for Unlock {
    const NAME: &'static str = "unlock";
    const ABOUT: &'static str = "Open a session with the master password, as glassdome_start does";
    const EXAMPLES: &'static str = "ctl unlock\nctl unlock --renew --for 2h";

    fn run(self) -> Result<Exit, Error> {
        let socket = SocketPath::find()?;
        if !socket.default {
            notice::remind(&format!("another socket is in use: {}", name(&socket.path.to_string_lossy())));
        }
        let mut connection = as_ourselves(|| connect_or_start(&socket.path))?;
        let (opened, (expires_at, left_s)) = self.open_session(&mut connection)?;
        if !self.quiet {
            let end = time::session_end(expires_at, left_s, time::now());
            let granted = match opened {
                Opened::Terminal => granted(&mut connection),
                // Where nobody is at a terminal, nobody misses it.
                Opened::Session if Terminal::open().is_some() => granted(&mut connection).filter(|yes| !yes),
                Opened::Session | Opened::Paused | Opened::Nothing => None,
            };
            let granted = words(granted);
            notice::done(&format!("unlocked {end}{granted}. Lock: ctl lock"));
        }
        // Said to whoever wants nothing else said, too. The session is open, whatever becomes of this question.
        if connection.status().is_ok_and(|status| status.audit == Audit::Alarm) {
            notice::remind(&format!("the audit log is {LOG_ALARM}"));
        }
        Ok(Exit::Ok)
    }
}

/// When a session ends, in seconds since the epoch, and in how many seconds.
type Ends = (u64, u32);

/// What a password opens.
#[derive(Clone, Copy)]
enum Door {
    New { accept_weak: bool },
    Locked,
    Panic,
    Rollback,
    Open,
    Paused,
    Terminal,
}

/// What was opened.
enum Opened {
    Session,
    Paused,
    Terminal,
    /// All of it was open already.
    Nothing,
}

impl Unlock {
    fn open_session(&self, connection: &mut Connection) -> Result<(Opened, Ends), Error> {
        // This answer is read before anybody is asked: from the greeting that it takes, the daemon
        // knows this process, and its neighbours cannot look into it any more.
        let status = connection.status()?;
        let door = match (status.state, status.vault) {
            (State::Unlocked { expires_at, left_s, .. }, _) if !self.renew => {
                if !self.could_grant(connection)? {
                    return Ok((Opened::Nothing, (expires_at, left_s)));
                }
                Door::Terminal
            }
            (State::Paused { .. }, _) if !self.renew => Door::Paused,
            (State::Unlocked { .. } | State::Paused { .. }, _) => Door::Open,
            (State::Locked, VaultState::Absent) => Door::New { accept_weak: self.accept_weak },
            (State::Locked, _) if self.end_panic => Door::Panic,
            // Nobody types a password to be refused.
            (State::Locked, _) if status.last_lock == Some(LockReason::Panic) => return Err(Error::Panic),
            (State::Locked, _) if self.accept_rollback => Door::Rollback,
            (State::Locked, _) => Door::Locked,
        };
        let lifetime = Lifetime { total_s: self.total, idle_s: self.idle };
        let mut source = Source::open(&self.password)?;
        if let Door::New { .. } = door {
            source.say(FIRST_USE)?;
        }
        for rest in (0..TRIES).rev() {
            let password = match door {
                Door::New { .. } => source.new_password()?,
                Door::Locked | Door::Open => source.present("Master password: ")?,
                Door::Panic => source.present("Master password, to end the panic: ")?,
                Door::Rollback => source.present("Master password, to go on with this vault: ")?,
                Door::Paused => source.present("Master password, since the screen is locked: ")?,
                Door::Terminal => source.present("Master password, to grant this terminal: ")?,
            };
            match ask(connection, door, &password, lifetime) {
                Err(error) if rest > 0 && source.can_ask_again() => source.retry(error)?,
                other => return Ok((door.opens(), other?)),
            }
        }
        unreachable!("the last try returns")
    }

    /// Whether a password would grant a terminal that is not granted yet, and there is one to take.
    fn could_grant(&self, connection: &mut Connection) -> Result<bool, Error> {
        let ungranted = match connection.who_am_i(None, None) {
            Ok(picture) => picture.grant.is_none() && picture.client.is_some(),
            // Others keep the daemon from looking: the password does without.
            Err(Error::Refused { code: Code::Throttled, .. }) => true,
            Err(error) => return Err(error),
        };
        Ok(ungranted && (self.password.any() || Terminal::open().is_some()))
    }
}

/// The daemon's word whether this terminal is granted, where it has one: the session is open either way.
fn granted(connection: &mut Connection) -> Option<bool> {
    connection.who_am_i(None, None).ok().map(|picture| picture.grant.is_some())
}

fn words(granted: Option<bool>) -> &'static str {
    match granted {
        Some(true) => "; this terminal is granted",
        Some(false) => "; this terminal is not granted: see ctl whoami",
        None => "",
    }
}

impl Door {
    fn opens(self) -> Opened {
        match self {
            Self::New { .. } | Self::Locked | Self::Panic | Self::Rollback | Self::Open => Opened::Session,
            Self::Paused => Opened::Paused,
            Self::Terminal => Opened::Terminal,
        }
    }
}

const FIRST_USE: &str =
    "There is no vault yet. One is made now, sealed with a master password that you choose.
The password is kept nowhere; against forgetting it, make a recovery code: ctl slots add recovery.
From then on it is typed once a session, and programs are served until the session ends.";

fn ask(
    connection: &mut Connection,
    door: Door,
    password: &Password,
    lifetime: Lifetime,
) -> Result<Ends, Error> {
    let password = password.wire();
    let request = match door {
        Door::New { accept_weak } => Request::Create { password, accept_weak, lifetime },
        Door::Locked | Door::Paused | Door::Terminal => Request::Unlock { password, lifetime },
        Door::Panic => Request::EndPanic { password, lifetime },
        Door::Rollback => Request::AcceptRollback { password, lifetime },
        Door::Open => Request::Renew { password, lifetime },
    };
    match connection.call(Body::Session(request))? {
        Answer::Session(SessionAnswer::Unlocked { expires_at, left_s, .. }) => Ok((expires_at, left_s)),
        _ => Err(Error::Unexpected),
    }
}

fn parse_span(text: &str) -> Result<u32, &'static str> {
    span::parse(text).ok_or("not a span such as 8h, 90m or 1h30m")
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::{AsRawFd, OwnedFd};

    use glassdome_proto::policy::{self, Picture};
    use glassdome_proto::session::Status;
    use glassdome_proto::{Outcome, decode};

    use super::*;
    use crate::connection_tests::{Daemon, told};
    use crate::text::picture::tests::{stranger, typed};
    use crate::text::prompt::tests::{status, unlocked};

    fn unlock() -> (Unlock, OwnedFd) {
        let (read_end, write_end) = rustix::pipe::pipe().unwrap();
        File::from(write_end).write_all(b"a password\n").unwrap();
        let number = u32::try_from(read_end.as_raw_fd()).unwrap();
        let password = PasswordArgs { password_stdin: false, password_fd: Some(number) };
        let unlock = Unlock {
            password,
            total: None,
            idle: None,
            renew: false,
            end_panic: false,
            accept_rollback: false,
            accept_weak: false,
            quiet: false,
        };
        (unlock, read_end)
    }

    /// Reads one request, which must be as `is` says, and answers it.
    fn serve(daemon: &mut Daemon, is: impl FnOnce(&Body<'_>) -> bool, answer: Answer<'_>) {
        let frame = daemon.receive();
        let request: glassdome_proto::Request<'_> = decode(&frame).unwrap();
        assert!(is(&request.body), "{:?}", request.body);
        daemon.reply(request.id, Outcome::Ok(answer));
    }

    /// A daemon with an open session that sees the client as `picture`.
    fn open(daemon: &mut Daemon, picture: Picture<'static>) {
        let status = Answer::Session(SessionAnswer::Status(unlocked(60)));
        serve(daemon, |body| matches!(body, Body::Session(Request::Status)), status);
        let oneself = |body: &Body<'_>| {
            matches!(body, Body::Policy(policy::Request::WhoAmI { pid: None, proof: None }))
        };
        serve(daemon, oneself, Answer::Policy(policy::Answer::Picture(picture)));
    }

    #[test]
    fn an_open_session_is_unlocked_for_a_terminal_that_is_not_granted() {
        let served = |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            open(&mut daemon, Picture { grant: None, ..typed() });
            let answer = SessionAnswer::Unlocked { opened: false, expires_at: 1_795_348_800, left_s: 60 };
            let with_password = |body: &Body<'_>| {
                matches!(body, Body::Session(Request::Unlock { password, .. })
                    if password.expose() == b"a password")
            };
            serve(&mut daemon, with_password, Answer::Session(answer));
        };
        let (unlock, _pipe) = unlock();
        let opened = told(served, |mut connection| unlock.open_session(&mut connection)).unwrap();
        assert!(matches!(opened, (Opened::Terminal, (1_795_348_800, 60))));
    }

    #[test]
    fn a_granted_terminal_and_another_program_are_asked_for_nothing() {
        for picture in [typed(), stranger()] {
            let served = move |accepted| open(&mut Daemon::greeted(accepted), picture);
            let (unlock, pipe) = unlock();
            let opened = told(served, |mut connection| unlock.open_session(&mut connection)).unwrap();
            assert!(matches!(opened, (Opened::Nothing, _)));
            assert_eq!(rustix::io::ioctl_fionread(&pipe).unwrap(), 11, "the password is still in the pipe");
        }
    }

    #[test]
    fn in_a_panic_no_password_is_taken_without_end_panic() {
        let in_panic = |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let panic = Status { last_lock: Some(LockReason::Panic), ..status(State::Locked) };
            let panic = Answer::Session(SessionAnswer::Status(panic));
            serve(&mut daemon, |body| matches!(body, Body::Session(Request::Status)), panic);
            daemon
        };
        let (without, pipe) = unlock();
        let refused = told(move |accepted| drop(in_panic(accepted)), |mut c| without.open_session(&mut c));
        let error = refused.err().unwrap();
        assert_eq!(error.to_string(), "locked: panic. End it: glassdome_start --end-panic");
        assert_eq!(Exit::from(&error), Exit::Locked);
        assert_eq!(rustix::io::ioctl_fionread(&pipe).unwrap(), 11, "the password is still in the pipe");
        let served = move |accepted| {
            let ends = |body: &Body<'_>| matches!(body, Body::Session(Request::EndPanic { .. }));
            let answer = SessionAnswer::Unlocked { opened: true, expires_at: 1_795_348_800, left_s: 60 };
            serve(&mut in_panic(accepted), ends, Answer::Session(answer));
        };
        let (unlock, _pipe) = unlock();
        let unlock = Unlock { end_panic: true, ..unlock };
        let opened = told(served, |mut connection| unlock.open_session(&mut connection)).unwrap();
        assert!(matches!(opened, (Opened::Session, _)));
    }

    #[test]
    fn the_line_says_whether_the_terminal_is_granted() {
        for (picture, says) in [(typed(), "is granted"), (stranger(), "is not granted")] {
            let served = move |accepted| {
                let picture = Answer::Policy(policy::Answer::Picture(picture));
                serve(&mut Daemon::greeted(accepted), |_| true, picture);
            };
            let line = words(told(served, |mut connection| Ok(granted(&mut connection))).unwrap());
            assert!(line.contains(says), "{line}");
        }
    }
}
