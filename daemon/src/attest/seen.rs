//! Whoever asked, as it was seen when it did: what rules can be compared with once it is gone.
//!
//! Comparing blocks: see [`super::program`].

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use glassdome_proto::policy::Condition;

use super::lineage::Member;
use super::matching::{self, Files};
use super::process::Stat;
use super::program::{self, FileFacts, Program, Want};
use super::unit::Unit;
use crate::policy::rule::Rule;

/// Whoever asked.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its program, as far as it could be told.
    program: Option<Program>,
    /// The process and the unit that whoever connected was in; nothing if these were not looked at.
    process: Option<(Stat, Option<Unit>)>,
}

/// A rule, and what keeps it from being about a process.
pub type Compared = (Arc<Rule>, Option<Condition>);

impl Seen {
    /// What was found of it. `unit` is the one that whoever connected is in.
    pub fn of(member: &Member, unit: Option<Unit>, program: Option<Program>) -> Self {
        Self { program, process: Some((member.stat.clone(), unit)) }
    }

    /// A program that is no interpreter, of which nothing but its executable was looked at.
    pub fn executable(exe: FileFacts) -> Self {
        Self { program: Some(Program { exe, script: None, interpreter: None }), process: None }
    }

    /// Looks at a process.
    pub fn look(member: &Member, unit: Option<Unit>, until: Instant) -> Self {
        let program = matching::told(member, Want { exe_digest: true, script: true }, until);
        Self::of(member, unit, program)
    }

    /// Compares it with each rule: which are about it, and what is otherwise in the others.
    pub fn compare(&self, rules: &[Arc<Rule>], until: Instant) -> Vec<Compared> {
        let pins_exe = |rule: &Arc<Rule>| rule.exe.as_ref().is_some_and(|exe| exe.sha256.is_some());
        let program = self.program.clone().map(|program| match program.exe.sha256 {
            None if rules.iter().any(pins_exe) => digested(program, until),
            _ => program,
        });
        let mut files = Files::none(Instant::now());
        let mut otherwise = |rule: &Rule| {
            match &self.process {
                None if rule.unit.is_some() || rule.process.is_some() => return Err(Condition::Unseen),
                Some((_, unit)) if rule.unit.is_some() && rule.unit != *unit => return Err(Condition::Unit),
                Some((stat, _)) if rule.process.as_ref().is_some_and(|process| !process.0.is_still(stat)) => {
                    return Err(Condition::Process);
                }
                _ => {}
            }
            match (&rule.exe, &program) {
                (None, _) => Ok(()),
                (Some(exe), Some(program)) => matching::judge(rule, exe, program, &mut files, until),
                (Some(_), None) if rule.keeps_back() => Ok(()),
                (Some(_), None) => Err(Condition::Unseen),
            }
        };
        rules.iter().map(|rule| (rule.clone(), otherwise(rule).err())).collect()
    }
}

/// With the digest of its executable, which nobody asked for when it was looked at: as that is by now, if it
/// still lies there.
fn digested(mut program: Program, until: Instant) -> Program {
    let there = program::file(Path::new(&program.exe.path), true, until).ok();
    let same = there.filter(|there| (there.dev, there.ino) == (program.exe.dev, program.exe.ino));
    program.exe.sha256 = same.and_then(|there| there.sha256);
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::lineage::tests::begun;
    use crate::attest::unit::Manager;
    use crate::policy::rule::Pinned;
    use std::time::Duration;

    fn until() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn what_has_ended_is_compared_as_it_was() {
        let sleep = program::file(Path::new("/bin/sleep"), true, until()).unwrap();
        let exe = Some(Pinned { path: sleep.path.clone(), sha256: None });
        let pin = |sha256| Some(Pinned { path: sleep.path.clone(), sha256 });
        let elsewhere = Some(Pinned { path: "/bin/bash".into(), sha256: None });
        let unit = Unit::named(Manager::User, "a.service");
        let rules: Vec<Arc<Rule>> = [
            Rule { exe: exe.clone(), ..Rule::any() },
            Rule { exe: pin(sleep.sha256), ..Rule::any() },
            Rule { exe: pin(Some([0; 32])), ..Rule::any() },
            Rule { exe: elsewhere, ..Rule::any() },
            Rule { exe, unit: unit.clone(), ..Rule::any() },
        ]
        .into_iter()
        .map(Arc::new)
        .collect();
        let unmet = |seen: &Seen| -> Vec<Option<Condition>> {
            seen.compare(&rules, until()).into_iter().map(|(_, unmet)| unmet).collect()
        };
        let (fits, bytes, other) = (None, Some(Condition::ExeBytes), Some(Condition::Exe));

        let mut child = std::process::Command::new("/bin/sleep").arg("100").spawn().unwrap();
        let member = begun(child.id().cast_signed());
        let bare = FileFacts { sha256: None, ..sleep.clone() };
        let program = Some(Program { exe: bare.clone(), script: None, interpreter: None });
        let (there, nowhere) = (Seen::of(&member, unit, program.clone()), Seen::look(&member, None, until()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(unmet(&there), [fits, fits, bytes, other, None]);
        assert_eq!(unmet(&nowhere), [fits, fits, bytes, other, Some(Condition::Unit)]);
        let unseen = Some(Condition::Unseen);
        assert_eq!(unmet(&Seen::executable(bare)), [fits, fits, bytes, other, unseen]);
        assert_eq!(unmet(&Seen::of(&member, None, None))[..4], [unseen; 4]);
    }
}
