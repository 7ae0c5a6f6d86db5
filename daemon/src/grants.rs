//! Granted terminals. Whoever types the master password is trusted where it was typed: in that shell,
//! for what is typed there. A grant ends with the shell, with whatever the shell becomes by `exec`,
//! when it is revoked, and with the session.
//!
//! What a shell's own forks run was typed (or stands in the shell's own code); what another program
//! runs was not. So a command is covered when everything between it and the shell is a fork that never
//! executed anything. A program that replaces itself by the command, or poses as the shell's child by
//! a clone, leaves the same line behind: only the shell's token tells those apart.

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use glassdome_proto::limits;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::attest::lineage::{self, Held, Member};

/// Terminal multiplexers: one server process starts all their panes.
const MULTIPLEXERS: [&str; 5] = ["tmux", "screen", "SCREEN", "zellij", "dtach"];

/// What a password typed in a terminal opens there: the sealed setting `terminals`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Terminals {
    /// The shell that it was typed in.
    #[default]
    Own,
    /// All panes of the multiplexer that it was typed in.
    Tree,
    /// Nothing: programs are served by rule only.
    None,
}

/// The token that a shell keeps.
pub type Token = Zeroizing<Vec<u8>>;

/// All grants of a session.
#[derive(Debug, Default)]
pub struct Grants {
    mode: Cell<Terminals>,
    rests: Cell<bool>,
    last: Cell<u32>,
    list: RefCell<Vec<Grant>>,
}

#[derive(Debug)]
struct Grant {
    id: u32,
    shell: Held,
    multiplexer: Option<Held>,
    token: Option<Token>,
    since: u64,
}

/// A grant, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Names it.
    pub id: u32,
    /// The shell.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Its terminal.
    pub tty: String,
    /// When the password was typed, in seconds since the epoch.
    pub since: u64,
    /// Whether it asks for a token.
    pub token: bool,
}

/// Why a terminal was not granted.
#[derive(Debug, thiserror::Error)]
pub enum Ungranted {
    /// The sealed setting says so.
    #[error("the sealed setting 'terminals' is 'none'")]
    Off,
    /// Nobody ran it who can be seen.
    #[error("what ran it is not to be seen")]
    Nobody,
    /// Whoever ran it lives in another terminal or session: the password was not typed to it.
    #[error("{name} (pid {pid}) ran it in another terminal than its own")]
    Elsewhere {
        /// Whoever ran it.
        name: String,
        /// Its process.
        pid: i32,
    },
    /// It cannot be watched, so its end would not be seen.
    #[error("{name} (pid {pid}) cannot be watched")]
    Unwatchable {
        /// Whoever ran it.
        name: String,
        /// Its process.
        pid: i32,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It runs without address space randomisation, so its forks could not be told from others'.
    #[error("{name} (pid {pid}) runs without address space randomisation")]
    Unrandomised {
        /// Whoever ran it.
        name: String,
        /// Its process.
        pid: i32,
    },
    /// There are too many.
    #[error("{} terminals are granted already", limits::GRANTS)]
    TooMany,
}

/// Why no grant covers a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uncovered {
    /// It is none of the installed programs: grants are for what people type, rules for programs.
    Program,
    /// No terminal is granted: the sealed setting says so.
    Off,
    /// Whoever ran it was not granted.
    NotGranted,
    /// This launcher ran it, which a granted shell ran: a program between them, like any other.
    Launched(String),
    /// It was run by a granted shell, but in another terminal or session.
    Elsewhere,
    /// It was run by a granted shell, but did not bring the shell's token.
    Token,
    /// A granted shell ran it, and grants rest.
    Paused,
}

/// A shell that can be granted, and the multiplexer whose panes go with it.
#[derive(Debug)]
pub struct Grantable {
    shell: Held,
    multiplexer: Option<Held>,
}

impl Grantable {
    /// Finds the shell in which the password was typed to `client`. Blocks: on a process that is just
    /// executing something.
    ///
    /// # Errors
    /// [`Ungranted`].
    pub fn find(client: &Member, mode: Terminals) -> Result<Self, Ungranted> {
        if mode == Terminals::None {
            return Err(Ungranted::Off);
        }
        let shell = lineage::ran(client).ok_or(Ungranted::Nobody)?;
        let (name, pid) = (shell.stat.name.clone(), shell.stat.pid);
        if (shell.stat.session, shell.stat.tty) != (client.stat.session, client.stat.tty) {
            return Err(Ungranted::Elsewhere { name, pid });
        }
        if shell.stat.is_unrandomised() {
            return Err(Ungranted::Unrandomised { name, pid });
        }
        let held = Held::take(&shell).map_err(|source| Ungranted::Unwatchable { name, pid, source })?;
        let multiplexer = match mode {
            Terminals::Tree => {
                shell.parent().filter(is_multiplexer).and_then(|member| Held::take(&member).ok())
            }
            _ => None,
        };
        Ok(Self { shell: held, multiplexer })
    }
}

impl Grants {
    /// The setting that holds from now on: what was granted before is cut down to what it allows.
    pub fn set_mode(&self, mode: Terminals) {
        self.mode.set(mode);
        match mode {
            Terminals::None => self.clear(),
            Terminals::Own => self.list.borrow_mut().iter_mut().for_each(|grant| grant.multiplexer = None),
            Terminals::Tree => {}
        }
    }

    /// Grants a terminal. A former grant of the same shell is replaced, its token with it.
    ///
    /// # Errors
    /// [`Ungranted::TooMany`]; what was granted before stays.
    pub fn give(&self, found: Grantable, token: Option<Token>, now: u64) -> Result<u32, Ungranted> {
        let Grantable { shell, multiplexer } = found;
        self.prune();
        let mut list = self.list.borrow_mut();
        list.retain(|grant| !grant.shell.is(shell.stat()));
        if list.len() >= limits::GRANTS {
            return Err(Ungranted::TooMany);
        }
        let id = self.number();
        list.push(Grant { id, shell, multiplexer, token, since: now });
        Ok(id)
    }

    /// A number that nothing else has: whatever `ctl revoke` can end is numbered here.
    pub fn number(&self) -> u32 {
        self.last.set(self.last.get().wrapping_add(1));
        self.last.get()
    }

    /// The grant that covers a command; `boot` is the time since the machine started.
    ///
    /// # Errors
    /// [`Uncovered`]: what is missing.
    pub fn covering(&self, client: &Member, token: Option<&Token>, boot: Duration) -> Result<u32, Uncovered> {
        if self.mode.get() == Terminals::None {
            return Err(Uncovered::Off);
        }
        let mut missing = Uncovered::NotGranted;
        let mut launcher = None;
        let list = self.list.borrow();
        if list.is_empty() {
            return Err(missing);
        }
        if let Ok(Some(parent)) = client.parent_at_once()
            && let Some(grant) = list.iter().find(|grant| grant.is_of_parent(parent, client, token, boot))
            && !self.rests.get()
        {
            return Ok(grant.id);
        }
        let mut at = client.parent();
        for _ in 0..lineage::DEPTH {
            let Some(member) = at else { break };
            let here = (member.stat.session, member.stat.tty) == (client.stat.session, client.stat.tty);
            for grant in list.iter().filter(|grant| grant.reaches(&member, boot)) {
                match (here, grant.takes(token), &launcher) {
                    (true, true, None) if self.rests.get() => return Err(Uncovered::Paused),
                    (true, true, None) => return Ok(grant.id),
                    (false, _, _) => missing = Uncovered::Elsewhere,
                    (true, false, _) => missing = Uncovered::Token,
                    (true, true, Some(name)) => missing = Uncovered::Launched(String::clone(name)),
                }
            }
            at = match member.forked_from() {
                Some(above) => Some(above),
                None if member.is_launcher() => {
                    let above = member.parent();
                    launcher = Some(member.stat.name);
                    above
                }
                None => break,
            };
        }
        Err(missing)
    }

    /// Whether a grant still holds at `boot`, the time since the machine started: its shell is there, and has
    /// executed nothing since; and none rests.
    pub fn holds(&self, id: u32, boot: Duration) -> bool {
        !self.rests.get()
            && self.list.borrow().iter().any(|grant| grant.id == id && grant.shell.alive_at(boot))
    }

    /// Whether all of them rest from now on; whether that is a change.
    pub fn rest(&self, rests: bool) -> bool {
        self.rests.replace(rests) != rests
    }

    /// All that hold, or rest.
    pub fn shown(&self) -> Vec<Shown> {
        self.prune();
        self.list.borrow().iter().map(Grant::show).collect()
    }

    /// Ends one; `false` if there is none of that number.
    pub fn revoke(&self, id: u32) -> bool {
        let mut list = self.list.borrow_mut();
        let before = list.len();
        list.retain(|grant| grant.id != id);
        list.len() < before
    }

    /// Ends all.
    pub fn clear(&self) {
        self.list.borrow_mut().clear();
    }

    fn prune(&self) {
        self.list.borrow_mut().retain(|grant| grant.shell.alive());
    }
}

impl Grant {
    /// Whether what this process runs is run by whom was granted.
    fn reaches(&self, member: &Member, boot: Duration) -> bool {
        // Of the multiplexer's children only those are panes that lead a session on a terminal.
        let is_pane = member.stat.session == member.stat.pid && member.stat.tty != 0 && !member.stat.forked;
        let is_it = self.shell.is_still(&member.stat)
            || is_pane
                && self.multiplexer.as_ref().is_some_and(|held| {
                    held.alive() && member.parent().is_some_and(|parent| held.is_still(&parent.stat))
                });
        // Last: alive now, it was the shell in all of that.
        is_it && self.shell.alive_now(boot)
    }

    /// Whether the shell itself is the parent of a command in its terminal, which brings what it has to. `parent` was
    /// read before: while the shell lives, its number is nobody else's.
    fn is_of_parent(&self, parent: i32, client: &Member, token: Option<&Token>, boot: Duration) -> bool {
        let shell = self.shell.stat();
        (shell.pid, shell.session, shell.tty) == (parent, client.stat.session, client.stat.tty)
            && self.takes(token)
            && self.shell.alive_now(boot)
    }

    fn takes(&self, token: Option<&Token>) -> bool {
        match (&self.token, token) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(token)) => own.ct_eq(token).into(),
        }
    }

    fn show(&self) -> Shown {
        let stat = self.shell.stat();
        Shown {
            id: self.id,
            pid: stat.pid,
            name: stat.name.clone(),
            tty: stat.tty_name(),
            since: self.since,
            token: self.token.is_some(),
        }
    }
}

fn is_multiplexer(member: &Member) -> bool {
    member.exe().is_some_and(|exe| MULTIPLEXERS.contains(&lineage::file_name(&exe.path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::lineage::tests::begun;
    use std::process::{Child, Command};

    /// A child of this process, which plays the shell: a command that it ran.
    fn typed() -> (Child, Member) {
        let child = Command::new("sleep").arg("100").spawn().unwrap();
        let member = begun(child.id().cast_signed());
        (child, member)
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A program, and what it runs.
    fn run_by(command: &mut Command) -> (Child, Member) {
        let runner = command.spawn().unwrap();
        let children = format!("/proc/{0}/task/{0}/children", runner.id());
        let started = || std::fs::read_to_string(&children).unwrap().trim().parse().ok();
        let pid = std::iter::repeat_with(started).find_map(|pid| pid).unwrap();
        (runner, begun(pid))
    }

    fn end_both(mut runner: Child, grandchild: &Member) {
        let pid = rustix::process::Pid::from_raw(grandchild.stat.pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        runner.wait().unwrap();
    }

    /// The password was typed to it.
    fn give(
        grants: &Grants,
        client: &Member,
        token: Option<Token>,
        mode: Terminals,
    ) -> Result<u32, Ungranted> {
        let found = Grantable::find(client, mode);
        grants.set_mode(mode);
        grants.give(found?, token, 7)
    }

    fn token(text: &str) -> Token {
        Zeroizing::new(text.as_bytes().to_vec())
    }

    #[test]
    fn what_the_shell_runs_is_covered_and_nothing_else() {
        let grants = Grants::default();
        let (child, client) = typed();
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Err(Uncovered::NotGranted), "control");
        let id = give(&grants, &client, None, Terminals::Own).unwrap();
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Ok(id));
        assert!(grants.holds(id, Duration::ZERO));
        let shown = grants.shown();
        assert_eq!((shown[0].pid, shown[0].since), (std::process::id().cast_signed(), 7));

        // What that child runs has an executed program between it and the shell.
        let (runner, grandchild) = run_by(Command::new("sh").args(["-c", "sleep 100; :"]));
        assert_eq!(grants.covering(&grandchild, None, Duration::ZERO), Err(Uncovered::NotGranted));
        end_both(runner, &grandchild);
        let (runner, grandchild) = run_by(Command::new("timeout").args(["100", "sleep", "100"]));
        assert_eq!(
            grants.covering(&grandchild, None, Duration::ZERO),
            Err(Uncovered::Launched("timeout".into()))
        );
        end_both(runner, &grandchild);

        assert!(grants.revoke(id) && !grants.revoke(id));
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Err(Uncovered::NotGranted));
        end(child);
    }

    #[test]
    fn a_token_is_required_once_it_was_given_with_the_password() {
        let grants = Grants::default();
        let (child, client) = typed();
        let id = give(&grants, &client, Some(token("the shell's own")), Terminals::Own).unwrap();
        assert_eq!(grants.covering(&client, Some(&token("the shell's own")), Duration::ZERO), Ok(id));
        assert_eq!(grants.covering(&client, Some(&token("another")), Duration::ZERO), Err(Uncovered::Token));
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Err(Uncovered::Token));
        // Nothing but the password changes it.
        let next = give(&grants, &client, None, Terminals::Own).unwrap();
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Ok(next));
        assert_eq!(grants.shown().len(), 1, "the former is replaced");
        end(child);
    }

    #[test]
    fn what_rests_covers_nothing_and_covers_it_again() {
        let grants = Grants::default();
        let (child, client) = typed();
        let id = give(&grants, &client, None, Terminals::Own).unwrap();
        assert!(grants.rest(true) && !grants.rest(true));
        assert!(!grants.holds(id, Duration::ZERO));
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Err(Uncovered::Paused));
        assert_eq!(grants.shown().len(), 1);
        assert!(grants.rest(false));
        assert!(grants.holds(id, Duration::ZERO));
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Ok(id));
        end(child);
    }

    #[test]
    fn another_session_is_not_covered() {
        let grants = Grants::default();
        let (child, mut client) = typed();
        give(&grants, &client, None, Terminals::Own).unwrap();
        client.stat.session = client.stat.pid;
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Err(Uncovered::Elsewhere));
        assert!(matches!(give(&grants, &client, None, Terminals::Own), Err(Ungranted::Elsewhere { .. })));
        end(child);
    }

    #[test]
    fn a_command_of_the_shells_own_is_covered_alike_where_the_kernel_tells_its_parent_at_once() {
        let grants = Grants::default();
        let (child, slow) = typed();
        let pidfd = rustix::process::pidfd_open(
            rustix::process::Pid::from_child(&child),
            rustix::process::PidfdFlags::empty(),
        );
        let (dir, stat) = (slow.dir.try_clone().unwrap(), slow.stat.clone());
        let mut quick = Member::held(dir, stat, pidfd.unwrap().into());
        let own = std::process::id().cast_signed();
        assert_eq!(quick.parent_at_once().unwrap(), Some(own), "tests need Linux 6.13");
        assert_eq!(slow.parent_at_once().unwrap(), None, "control");
        // It is not looked at: what stands there instead is not found to be wrong.
        quick.dir = crate::attest::process::directory(1).unwrap();
        let id = give(&grants, &slow, Some(token("own")), Terminals::Own).unwrap();
        assert_eq!(grants.covering(&quick, Some(&token("own")), Duration::ZERO), Ok(id));
        for member in [&slow, &quick] {
            let covering = |token: Option<&Token>| grants.covering(member, token, Duration::ZERO);
            assert_eq!(covering(Some(&token("another"))), Err(Uncovered::Token));
            assert_eq!(covering(None), Err(Uncovered::Token));
            grants.rest(true);
            assert_eq!(covering(Some(&token("own"))), Err(Uncovered::Paused));
            grants.rest(false);
        }
        quick.stat.session = quick.stat.pid;
        assert_eq!(grants.covering(&quick, Some(&token("own")), Duration::ZERO), Err(Uncovered::Elsewhere));
        end(child);
        assert!(quick.parent_at_once().is_err());
    }

    #[test]
    fn the_setting_none_grants_nothing_and_ends_what_was_granted() {
        let grants = Grants::default();
        let (child, client) = typed();
        let id = give(&grants, &client, None, Terminals::Own).unwrap();
        assert!(grants.holds(id, Duration::ZERO), "control");
        assert!(matches!(give(&grants, &client, None, Terminals::None), Err(Ungranted::Off)));
        assert!(!grants.holds(id, Duration::ZERO));
        assert_eq!(grants.covering(&client, None, Duration::ZERO), Err(Uncovered::Off));
        end(child);
    }
}
