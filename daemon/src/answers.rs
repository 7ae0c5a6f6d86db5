//! What a person said yes to and wants remembered: for a process, or for a program for a while. Each is
//! a rule like the sealed ones, but lives in memory, names its secrets one by one, and ends with the
//! session at the latest.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use glassdome_proto::policy::Scope;
use glassdome_proto::{Glob, Name, limits};

use crate::attest::program::Program;
use crate::attest::subject::Subject;
use crate::clock::Now;
use crate::policy::rule::{self, Origin, Pinned, Process, Rule};
use crate::policy::{Asked, Decision};

/// All of a session.
#[derive(Debug, Default)]
pub struct Answers {
    list: RefCell<Vec<Rc<Answer>>>,
    rests: Cell<bool>,
}

/// One of them.
#[derive(Debug)]
pub struct Answer {
    /// Names it.
    pub id: u32,
    /// To what.
    pub asked: Asked,
    /// As the policy reads it.
    pub rule: Arc<Rule>,
    /// Until when it holds, by `CLOCK_BOOTTIME`; `None`: until the session ends.
    pub until: Option<Duration>,
    /// The process that asked.
    pub pid: i32,
    /// Its name.
    pub name: String,
}

/// Why a yes is not remembered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unremembered {
    /// An interpreter without a script file is whatever it is given.
    #[error(
        "its program runs no script file, so it could not be told again: say yes once, or for this process"
    )]
    NoProgram,
    /// Nothing can name what it runs.
    #[error("the path of its program or script is too long, or not UTF-8: say yes once, or for this process")]
    Unnamed,
    /// Its files were deleted, or others put in their place.
    #[error(
        "what it runs does not lie where it was started from, so it could not be told again: \
         say yes once, or for this process"
    )]
    Misplaced,
    /// The process hides itself, so its end would not be seen.
    #[error("the process hides itself, so its end would not be seen: say yes once")]
    Unwatchable,
    /// It asks by running a program of ours, and runs others as well: a yes to it is one to all of them.
    #[error("that process stands for whatever it runs: say yes once")]
    Anybody,
    /// A rule wants a person asked each time.
    #[error("the sealed rule {0} wants you to be asked each time: say yes once")]
    Rule(String),
    /// It ended while it was asked about.
    #[error("it has ended, or became another program")]
    Gone,
    /// There are enough.
    #[error("{} answers are remembered already. End some: ctl grants, ctl revoke ID", limits::ANSWERS)]
    TooMany,
}

/// What a yes to its program would be remembered for.
///
/// # Errors
/// [`Unremembered`]: it could not be told again.
pub fn program(subject: &Subject) -> Result<&Arc<Program>, Unremembered> {
    let program = subject.named_program().ok_or(Unremembered::NoProgram)?;
    let paths = [Some(&program.exe), program.script.as_ref()].into_iter().flatten().map(|file| &file.path);
    if !paths.into_iter().all(|path| rule::is_path(path)) {
        return Err(Unremembered::Unnamed);
    }
    subject.in_place.then_some(program).ok_or(Unremembered::Misplaced)
}

impl Answers {
    /// Remembers a yes as number `id`; once is not remembered.
    ///
    /// # Errors
    /// [`Unremembered`].
    pub fn give(
        &self,
        id: u32,
        subject: &Subject,
        asked: Asked,
        scope: Scope,
        now: Now,
    ) -> Result<(), Unremembered> {
        self.prune(now.boot);
        if self.list.borrow().len() >= limits::ANSWERS {
            return Err(Unremembered::TooMany);
        }
        let mut rule = Rule {
            // No sealed rule can have such a name.
            id: format!("answer:{id}"),
            origin: Origin::Answer(id),
            decision: Decision::Allow,
            secrets: match asked.names.as_slice() {
                [] => Glob::parse("**").into_iter().collect(),
                // Each was a name when it was asked about.
                names => names
                    .iter()
                    .filter_map(|name| Name::parse(name.as_str()).ok())
                    .map(|name| Glob::exact(&name))
                    .collect(),
            },
            actions: vec![asked.action],
            exe: None,
            script: None,
            unit: None,
            process: None,
            rate: None,
            expires: None,
            made: now.wall.as_secs(),
        };
        let until = match scope {
            Scope::Once => return Ok(()),
            Scope::Process if subject.stands_for_others() => return Err(Unremembered::Anybody),
            Scope::Process => {
                let held = subject.held.clone().ok_or(Unremembered::Unwatchable)?;
                if !held.alive() {
                    return Err(Unremembered::Gone);
                }
                rule.process = Some(Process(held));
                None
            }
            Scope::Program { for_s } => {
                let program = program(subject)?;
                let exe = &program.exe;
                let sha256 = exe.sha256.filter(|_| exe.writable);
                rule.exe = Some(Pinned { path: exe.path.clone(), sha256 });
                rule.script = program
                    .script
                    .as_ref()
                    .map(|script| Pinned { path: script.path.clone(), sha256: script.sha256 });
                for_s.map(|s| now.boot + Duration::from_secs(s.into()))
            }
        };
        let (pid, name) = (subject.member.stat.pid, subject.member.stat.name.clone());
        self.list.borrow_mut().push(Rc::new(Answer { id, asked, rule: Arc::new(rule), until, pid, name }));
        Ok(())
    }

    /// Whether all of them rest from now on.
    pub fn rest(&self, rests: bool) {
        self.rests.set(rests);
    }

    /// All that hold, or rest.
    pub fn all(&self, boot: Duration) -> Vec<Rc<Answer>> {
        self.prune(boot);
        self.list.borrow().clone()
    }

    /// Whether one holds, and does not rest.
    pub fn holds(&self, id: u32, boot: Duration) -> bool {
        !self.rests.get() && self.holds_or_rests(id, boot)
    }

    /// Whether one would hold if none rested.
    pub fn holds_or_rests(&self, id: u32, boot: Duration) -> bool {
        self.list.borrow().iter().any(|answer| answer.id == id && answer.holds(boot))
    }

    /// Ends one; `false` if there is none of that number.
    pub fn revoke(&self, id: u32) -> bool {
        let mut list = self.list.borrow_mut();
        let before = list.len();
        list.retain(|answer| answer.id != id);
        list.len() < before
    }

    /// Ends all.
    pub fn clear(&self) {
        self.list.borrow_mut().clear();
    }

    fn prune(&self, boot: Duration) {
        self.list.borrow_mut().retain(|answer| answer.holds(boot));
    }
}

impl Answer {
    fn holds(&self, boot: Duration) -> bool {
        self.until.is_none_or(|until| boot < until)
            && self.rule.process.as_ref().is_none_or(|process| process.0.alive_at(boot))
    }

    /// For how much longer it holds.
    pub fn left(&self, boot: Duration) -> Option<Duration> {
        self.until.map(|until| until.saturating_sub(boot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::subject::tests::running;
    use crate::policy::Action;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Child;
    use std::time::Instant;

    fn at(boot: u64) -> Now {
        Now { boot: Duration::from_secs(boot), wall: Duration::from_secs(1_795_305_600 + boot) }
    }

    fn asked() -> Asked {
        Asked { action: Action::Get, names: vec!["aws/*".into(), "db".into()] }
    }

    fn started(program: impl AsRef<OsStr>) -> (Child, Subject) {
        let child = running(program);
        let until = Instant::now() + Duration::from_secs(10);
        let subject = Subject::look(child.id().cast_signed(), false, until).unwrap();
        (child, subject)
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn for_a_program_until_its_time_is_over() {
        let answers = Answers::default();
        let (child, subject) = started("/bin/cat");
        answers.give(1, &subject, asked(), Scope::Program { for_s: Some(900) }, at(100)).unwrap();
        answers.give(2, &subject, asked(), Scope::Program { for_s: None }, at(100)).unwrap();
        end(child);
        let rule = answers.all(at(100).boot)[0].rule.clone();
        assert_eq!(rule.exe.as_ref().unwrap().path, subject.program.as_ref().unwrap().exe.path);
        assert!(rule.covers(Action::Get, "aws/*") && rule.covers(Action::Get, "db"));
        assert!(!rule.covers(Action::Get, "aws/key"), "a name is no glob");
        assert!(!rule.covers(Action::Set, "db"));
        assert!(answers.holds(1, at(999).boot) && !answers.holds(1, at(1000).boot));
        assert!(answers.holds(2, at(1_000_000).boot));
        assert_eq!(answers.all(at(1000).boot).len(), 1);
        answers.rest(true);
        assert!(!answers.holds(2, at(0).boot) && answers.holds_or_rests(2, at(0).boot));
        assert_eq!(answers.all(at(1000).boot).len(), 1, "what rests is shown");
        answers.rest(false);
        assert!(answers.holds(2, at(0).boot));
        assert!(answers.revoke(2) && !answers.revoke(2));
    }

    #[test]
    fn for_a_process_until_it_ends() {
        let answers = Answers::default();
        let (child, subject) = started("/bin/cat");
        answers.give(1, &subject, asked(), Scope::Process, at(0)).unwrap();
        assert!(answers.holds(1, at(0).boot));
        end(child);
        assert!(!answers.holds(1, at(0).boot));
        let again = answers.give(2, &subject, asked(), Scope::Process, at(0));
        assert_eq!(again, Err(Unremembered::Gone));
    }

    #[test]
    fn an_interpreter_without_a_script_is_not_remembered() {
        let answers = Answers::default();
        let (child, subject) = started("/bin/bash");
        let program = answers.give(1, &subject, asked(), Scope::Program { for_s: None }, at(0));
        assert_eq!(program, Err(Unremembered::NoProgram));
        answers.give(1, &subject, asked(), Scope::Process, at(0)).unwrap();
        answers.give(2, &subject, asked(), Scope::Once, at(0)).unwrap();
        assert_eq!(answers.all(at(0).boot).len(), 1, "once is not remembered");
        end(child);
    }

    #[test]
    fn what_no_rule_could_find_again_is_not_remembered() {
        let answers = Answers::default();
        let dir = tempfile::tempdir().unwrap();
        let remembered = |name: &[u8], deleted: bool| {
            let path = dir.path().join(OsStr::from_bytes(name));
            std::fs::copy("/bin/cat", &path).unwrap();
            let child = running(&path);
            if deleted {
                std::fs::remove_file(&path).unwrap();
            }
            let until = Instant::now() + Duration::from_secs(10);
            let subject = Subject::look(child.id().cast_signed(), false, until).unwrap();
            let given = answers.give(1, &subject, asked(), Scope::Program { for_s: None }, at(0));
            answers.give(2, &subject, asked(), Scope::Process, at(0)).unwrap();
            end(child);
            given
        };
        assert_eq!(remembered(b"caf\xe9", false), Err(Unremembered::Unnamed));
        assert_eq!(remembered(b"tool", true), Err(Unremembered::Misplaced));
        assert_eq!(remembered(b"tool", false), Ok(()), "control");
    }

    #[test]
    fn there_are_only_so_many() {
        let answers = Answers::default();
        let (child, subject) = started("/bin/cat");
        let scope = Scope::Program { for_s: Some(10) };
        for id in 0..limits::ANSWERS as u32 {
            answers.give(id, &subject, asked(), scope, at(0)).unwrap();
        }
        assert_eq!(answers.give(99, &subject, asked(), scope, at(0)), Err(Unremembered::TooMany));
        answers.give(99, &subject, asked(), scope, at(10)).unwrap();
        end(child);
    }
}
