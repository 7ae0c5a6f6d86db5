//! Handles: the right to a few secrets, for one program. Whoever makes one gives of what it may get itself;
//! whoever holds its tap has it. It ends with the program that it was made for, when its time is over, when
//! it is revoked, and with the session; and with it every connection that came out of it.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glassdome_proto::limits;
use glassdome_sys::pidfd_alive;
use tokio::sync::watch;

use crate::attest::Unattested;
use crate::attest::lineage::Member;
use crate::attest::unit::{Manager, Unit};
use crate::clock::Now;
use crate::policy::rule::Rule;
use crate::policy::{Question, Scope, Standing, Verdict};

/// All handles of a session.
#[derive(Debug, Default)]
pub struct Handles {
    list: RefCell<Vec<Rc<Handle>>>,
}

/// One of them.
#[derive(Debug)]
pub struct Handle {
    scope: Scope,
    /// What allowed it, as the log records it.
    by: String,
    /// The program that it was made for.
    pid: i32,
    program: OwnedFd,
    /// When it was made, in seconds since the epoch.
    since: u64,
    /// When it ends by itself.
    until: Option<Now>,
    script: Option<Script>,
    /// The unit of the system's in which it was made, and outside of which nobody uses it.
    unit: Option<Unit>,
    over: watch::Sender<bool>,
}

/// What a program was started to run, by the word of whoever started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Where it was read.
    pub path: String,
    /// SHA-256 of the bytes that were read.
    pub sha256: [u8; 32],
}

impl Script {
    /// Its digest, as the log records it.
    pub fn digest(&self) -> String {
        self.sha256.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }
}

impl From<glassdome_proto::policy::ScriptCopy<'_>> for Script {
    fn from(script: glassdome_proto::policy::ScriptCopy<'_>) -> Self {
        Self { path: script.path.into_owned(), sha256: script.sha256 }
    }
}

/// A handle, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Names it.
    pub id: u32,
    /// The program that it was made for.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// What allowed it.
    pub by: String,
    /// The names that it gives.
    pub secrets: Vec<glassdome_proto::Glob>,
    /// When it was made, in seconds since the epoch.
    pub since: u64,
    /// When it ends by itself, in seconds since the epoch.
    pub ends: Option<u64>,
    /// What the program was started to run.
    pub script: Option<Script>,
    /// The unit of the system's to which it is bound.
    pub unit: Option<String>,
}

impl Handle {
    /// Of a scope, for the program behind `program`, a pidfd.
    pub fn new(
        (scope, by): (Scope, String),
        (pid, program): (i32, OwnedFd),
        lasts: Option<Duration>,
        now: Now,
    ) -> Self {
        let until = lasts.map(|lasts| Now { boot: now.boot + lasts, wall: now.wall + lasts });
        let since = now.wall.as_secs();
        // Of one that is gone by now nothing is served either way.
        let unit = system_unit(pid);
        Self { scope, by, pid, program, since, until, script: None, unit, over: watch::Sender::new(false) }
    }

    /// For a program that was started to run this.
    #[must_use]
    pub fn running(self, script: Option<Script>) -> Self {
        Self { script, ..self }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.scope.id()
    }

    /// What allowed it, as the log records it.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// The unit of the system's to which it is bound.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_ref().map(|unit| unit.name.as_str())
    }

    /// Whether a process may use it at all: any that holds its tap, or within a unit of the system's only
    /// those in it. Where nobody but root can put a process, a stolen tap is of no use; where the unit runs
    /// what users ask for, that is no more than an obstacle.
    ///
    /// # Errors
    /// [`Unattested::OtherUnit`].
    pub fn reaches(&self, pid: i32) -> Result<(), Unattested> {
        match &self.unit {
            Some(unit) if system_unit(pid).as_ref() != Some(unit) => {
                Err(Unattested::OtherUnit { pid, unit: unit.name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The names that it gives, in one line.
    pub fn names(&self) -> String {
        let names: Vec<String> = self.scope.secrets().iter().map(ToString::to_string).collect();
        names.join(",")
    }

    /// When it ends by itself.
    pub fn until(&self) -> Option<Now> {
        self.until
    }

    /// The pidfd of the program that it was made for.
    pub fn program(&self) -> &OwnedFd {
        &self.program
    }

    /// Whether it has ended. By whichever clock says so first, as sessions do.
    pub fn is_over(&self, now: Now) -> bool {
        let late = |until: Now| now.boot >= until.boot || now.wall >= until.wall;
        *self.over.borrow() || self.until.is_some_and(late) || !pidfd_alive(self.program.as_fd())
    }

    /// Ends it, and wakes whoever serves by it.
    pub fn end(&self) {
        self.over.send_replace(true);
    }

    /// Waits until somebody ended it.
    pub async fn ended(&self) {
        // The sender is ours: it lives as long as this.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// May whoever uses it? Nobody, once it is over.
    pub fn decide(
        &self,
        user: &Standing,
        question: Question<'_>,
        now: Now,
        in_force: impl Fn(&Arc<Rule>) -> bool,
    ) -> Verdict {
        if self.is_over(now) { Verdict::Deny(None) } else { self.scope.decide(user, question, in_force) }
    }

    fn show(&self) -> Shown {
        let name = Member::of(self.pid).map(|member| member.stat.name).unwrap_or_default();
        Shown {
            id: self.id(),
            pid: self.pid,
            name,
            by: self.by.clone(),
            secrets: self.scope.secrets().to_vec(),
            since: self.since,
            ends: self.until.map(|until| until.wall.as_secs()),
            script: self.script.clone(),
            unit: self.unit().map(str::to_owned),
        }
    }
}

/// The unit of the system's that a process is in. One in none, or that is gone, has none.
fn system_unit(pid: i32) -> Option<Unit> {
    let member = Member::of(pid).ok()?;
    let unit = Unit::of(member.dir.as_fd()).ok()??;
    (unit.manager == Manager::System).then_some(unit)
}

impl Handles {
    /// Adds one; `false` if there are too many.
    #[must_use]
    pub fn add(&self, handle: Rc<Handle>) -> bool {
        let mut list = self.list.borrow_mut();
        if list.len() >= limits::HANDLES {
            return false;
        }
        list.push(handle);
        true
    }

    /// All that hold.
    pub fn shown(&self, now: Now) -> Vec<Shown> {
        self.list.borrow().iter().filter(|handle| !handle.is_over(now)).map(|handle| handle.show()).collect()
    }

    /// Ends one; `false` if there is none of that number.
    pub fn revoke(&self, id: u32) -> bool {
        let mut list = self.list.borrow_mut();
        let Some(at) = list.iter().position(|handle| handle.id() == id) else { return false };
        list.remove(at).end();
        true
    }

    /// Ends all.
    pub fn clear(&self) {
        for handle in self.list.borrow_mut().drain(..) {
            handle.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use glassdome_proto::Glob;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;
    use crate::policy::Action;

    const NOW: Now = Now { boot: Duration::from_secs(1000), wall: Duration::from_secs(5000) };

    fn program() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    fn handle(program: &Child, lasts: Option<u64>) -> Handle {
        let giver = Standing { grant: Some(1), ..Standing::default() };
        let scope = Scope::of(2, vec![Glob::parse("a").unwrap()], giver).unwrap();
        let pidfd = pidfd_open(Pid::from_child(program), PidfdFlags::empty()).unwrap();
        Handle::new(scope, (program.id().cast_signed(), pidfd), lasts.map(Duration::from_secs), NOW)
    }

    fn gives(handle: &Handle, now: Now) -> bool {
        let question = Question::Secret(Action::Get, "a");
        matches!(handle.decide(&Standing::default(), question, now, |_| true), Verdict::Allow(_))
    }

    #[test]
    fn it_ends_with_its_program() {
        let mut program = program();
        let handle = handle(&program, None);
        assert!(gives(&handle, NOW));
        program.kill().unwrap();
        program.wait().unwrap();
        assert!(!gives(&handle, NOW));
    }

    #[test]
    fn it_ends_when_its_time_is_over_by_either_clock() {
        let mut program = program();
        let handle = handle(&program, Some(10));
        let at = |boot, wall| Now { boot: Duration::from_secs(boot), wall: Duration::from_secs(wall) };
        assert!(gives(&handle, at(1009, 5009)));
        // The last one with the clock set back.
        for (boot, wall) in [(1010, 5000), (1000, 5010), (1010, 4000)] {
            assert!(!gives(&handle, at(boot, wall)), "{boot} {wall}");
        }
        program.kill().unwrap();
        program.wait().unwrap();
    }

    #[test]
    fn it_ends_when_it_is_revoked_and_with_the_session() {
        let mut program = program();
        let handles = Handles::default();
        let [one, two] = [(); 2].map(|()| Rc::new(handle(&program, None)));
        assert!(handles.add(one.clone()));
        assert!(handles.revoke(2) && !handles.revoke(2));
        assert!(!gives(&one, NOW));
        assert!(handles.add(two.clone()));
        assert_eq!(handles.shown(NOW)[0].name, "sleep");
        handles.clear();
        assert!(!gives(&two, NOW) && handles.shown(NOW).is_empty());
        program.kill().unwrap();
        program.wait().unwrap();
    }
}
