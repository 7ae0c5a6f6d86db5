//! Which sealed rules are about a program: its files beside those that the rules name.
//!
//! Files are compared as files. The executable is the one that the rule's path leads to in the
//! daemon's own view of the file system, by device and inode number; the path that the kernel prints
//! for a process decides nothing. A script must lie at the rule's path, be the file that lies there,
//! and hold the bytes that were allowed: a copy elsewhere would bring other modules along.
//!
//! All of this blocks: see [`super::program`].

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Exe;
use super::lineage::Member;
use super::program::{self, FileFacts, Program, Want};
use super::unit::Unit;
use crate::policy::rule::{Pinned, Rule};
use glassdome_proto::policy::Condition;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The rules that are about it.
    pub rules: Vec<Arc<Rule>>,
    /// A rule that would be, if a file had not changed since it was sealed.
    pub changed: Option<Arc<Rule>>,
    /// The program, as far as it could be read.
    pub program: Option<Program>,
    /// Whether the first line of its script leads to the interpreter that runs it: a rule for the script
    /// need not name that then. Looked at only where no rule is about it.
    pub by_first_line: bool,
}

/// Which files lay at the paths of rules, a moment ago.
#[derive(Debug)]
pub struct Files {
    at: Instant,
    seen: HashMap<String, Option<FileFacts>>,
}

/// For how long that is taken to be so.
const FRESH: Duration = Duration::from_secs(1);

impl Files {
    /// Nothing is known.
    pub fn none(now: Instant) -> Self {
        Self { at: now, seen: HashMap::new() }
    }

    /// The rules about an executable, where that takes no look at any file: they pin no bytes and name
    /// no script. `None` where it does, or where there are none.
    pub fn rules_at_once(&self, exe: &Exe, rules: &[Arc<Rule>], now: Instant) -> Option<Vec<Arc<Rule>>> {
        if now.saturating_duration_since(self.at) > FRESH {
            return None;
        }
        // One that was sealed meanwhile may be about it by another path.
        if rules.iter().filter_map(|rule| rule.exe.as_ref()).any(|exe| !self.seen.contains_key(&exe.path)) {
            return None;
        }
        let seen = |pinned: &Pinned| self.seen.get(&pinned.path).and_then(Option::as_ref);
        // Which process it is, and where it runs, is not known from its file.
        if rules.iter().any(|rule| rule.process.is_some() || rule.unit.is_some()) {
            return None;
        }
        let about = |rule: &&Arc<Rule>| match &rule.exe {
            Some(pinned) => seen(pinned).is_some_and(|file| (file.dev, file.ino) == (exe.dev, exe.ino)),
            None => true,
        };
        let candidates: Vec<&Arc<Rule>> = rules.iter().filter(about).collect();
        let plain = |rule: &Rule| {
            let bare = |exe: &Pinned| exe.sha256.is_none() && seen(exe).is_some_and(|file| !file.writable);
            rule.script.is_none() && rule.exe.as_ref().is_none_or(bare)
        };
        let at_once = candidates.iter().any(|rule| rule.exe.is_some())
            && program::known_interpreter(&exe.path).is_none()
            && candidates.iter().all(|rule| plain(rule));
        at_once.then(|| candidates.into_iter().cloned().collect())
    }

    /// An executable that lay at a rule's path, as it was found there.
    pub fn facts(&self, exe: &Exe) -> Option<FileFacts> {
        let mut found =
            self.seen.values().flatten().filter(|file| (file.dev, file.ino) == (exe.dev, exe.ino));
        found.next().cloned()
    }

    fn of(&mut self, path: &str, until: Instant) -> Option<(u64, u64)> {
        self.at(path, until).map(|facts| (facts.dev, facts.ino))
    }

    fn at(&mut self, path: &str, until: Instant) -> Option<&FileFacts> {
        let known = self.seen.entry(path.to_owned());
        let facts = known.or_insert_with(|| {
            let mut facts = program::file(Path::new(path), false, until).ok()?;
            // A rule names its file without links: somebody has put one there since.
            facts.writable |= facts.path != path;
            Some(facts)
        });
        facts.as_ref()
    }
}

/// Compares a process with the rules; and which files lay at their paths. `unit` is the one that whoever
/// connected is in, and `expected` the executable that it must still show, where that is known already.
pub fn find(
    member: &Member,
    unit: Option<&Unit>,
    expected: Option<(u64, u64)>,
    rules: &[Arc<Rule>],
    until: Instant,
) -> (Found, Files) {
    let mut files = Files::none(Instant::now());
    let there = |rule: &&Arc<Rule>| rule.unit.as_ref().is_none_or(|own| Some(own) == unit);
    let (plain, about_files): (Vec<&Arc<Rule>>, Vec<&Arc<Rule>>) =
        rules.iter().filter(there).partition(|rule| rule.exe.is_none());
    let candidates: Vec<(&Arc<Rule>, &Pinned)> = match member.exe() {
        Some(exe) => {
            let named = about_files.iter().filter_map(|rule| Some((*rule, rule.exe.as_ref()?)));
            named.filter(|(_, own)| files.of(&own.path, until) == Some((exe.dev, exe.ino))).collect()
        }
        None => Vec::new(),
    };
    // Where no rule comes into question the script is still read: a refusal names it.
    let want = Want { exe_digest: candidates.iter().any(|(_, exe)| exe.sha256.is_some()), script: true };
    let mut found = Found::default();
    // Whatever cannot be read of it: what is about anyone is about it, too.
    let is_it =
        |rule: &&&Arc<Rule>| rule.process.as_ref().is_none_or(|process| process.0.is_still(&member.stat));
    found.rules.extend(plain.iter().filter(is_it).map(|rule| Arc::clone(rule)));
    let read = told(member, want, until);
    match read.filter(|program| expected.is_none_or(|exe| exe == (program.exe.dev, program.exe.ino))) {
        Some(program) => {
            for (rule, exe) in candidates {
                match judge(rule, exe, &program, &mut files, until) {
                    Ok(()) => found.rules.push(rule.clone()),
                    Err(Condition::ExeBytes | Condition::ScriptBytes) => found.changed = Some(rule.clone()),
                    Err(_) => {}
                }
            }
            found.by_first_line =
                !found.rules.iter().any(|rule| rule.exe.is_some()) && by_first_line(&program, until);
            found.program = Some(program);
        }
        // It may be any that a rule keeps back.
        None => found.rules.extend(about_files.into_iter().filter(|rule| rule.keeps_back()).cloned()),
    }
    (found, files)
}

/// The program of a process, if it can be told.
pub(super) fn told(member: &Member, want: Want, until: Instant) -> Option<Program> {
    match program::read(member.dir.as_fd(), want, until) {
        // Last: whoever left our namespaces to show another executable cannot come back.
        Ok(program) => Some(program).filter(|_| member.is_in_our_namespaces()),
        Err(error) => {
            tracing::debug!("the program of pid {} cannot be told: {error}", member.stat.pid);
            None
        }
    }
}

fn by_first_line(program: &Program, until: Instant) -> bool {
    let Some(script) = &program.script else { return false };
    let named = program::interpreter_of(Path::new(&script.path), until);
    let named = named.and_then(|exe| program::file(&exe, false, until));
    named.is_ok_and(|exe| (exe.dev, exe.ino) == (program.exe.dev, program.exe.ino))
}

/// What of a rule about this executable keeps it from being about a program, if anything.
pub(super) fn judge(
    rule: &Rule,
    exe: &Pinned,
    program: &Program,
    files: &mut Files,
    until: Instant,
) -> Result<(), Condition> {
    let there = files
        .at(&exe.path, until)
        .filter(|there| (there.dev, there.ino) == (program.exe.dev, program.exe.ino));
    let there = there.ok_or(Condition::Exe)?;
    // What the rule's path leads to is to be the file that was sealed, not one that somebody has it lead to.
    let exe = holds(exe, &program.exe) && (exe.sha256.is_some() || !there.writable);
    let script = match (&rule.script, &program.script, program.interpreter) {
        (None, _, None) => true,
        // What keeps back an interpreter keeps back whatever that runs.
        (None, _, Some(_)) if rule.keeps_back() => true,
        (None, _, Some(_)) => return Err(Condition::Interpreter),
        (Some(pinned), Some(script), Some(_)) => {
            // The path says in which directory the script looks for its modules.
            // Its own file is looked at only then: one that hangs holds up nobody else's rules.
            if pinned.path != script.path || files.of(&pinned.path, until) != Some((script.dev, script.ino)) {
                return Err(Condition::Script);
            }
            pinned.sha256.is_some() && holds(pinned, script)
        }
        (Some(_), _, _) => return Err(Condition::Script),
    };
    match (exe, script) {
        // What keeps back holds whatever became of the bytes.
        _ if rule.keeps_back() => Ok(()),
        (true, true) => Ok(()),
        (false, _) => Err(Condition::ExeBytes),
        (true, false) => Err(Condition::ScriptBytes),
    }
}

/// A file without a digest in the rule was one that root alone could change, and must still be.
fn holds(pinned: &Pinned, file: &FileFacts) -> bool {
    pinned.sha256.map_or(!file.writable, |sha256| file.sha256 == Some(sha256))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::lineage::tests::begun;
    use glassdome_proto::policy::Decision;
    use std::fs;
    use std::process::{Child, Command, Stdio};

    fn until() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn pinned(path: &Path, digest: bool) -> Pinned {
        let facts = program::file(path, digest, until()).unwrap();
        Pinned { path: facts.path, sha256: facts.sha256 }
    }

    fn rule(exe: Pinned, script: Option<Pinned>) -> Arc<Rule> {
        Arc::new(Rule { exe: Some(exe), script, ..Rule::any() })
    }

    /// A shell script that waits to be ended.
    fn run(script: &Path) -> (Child, Member) {
        let mut child = Command::new("bash").arg(script).stdout(Stdio::piped()).spawn().unwrap();
        // It says so once it runs.
        let mut byte = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).unwrap();
        let member = Member::of(child.id().cast_signed()).unwrap();
        (child, member)
    }

    fn found(script: &Path, rules: &[Arc<Rule>]) -> (usize, bool) {
        let (mut child, member) = run(script);
        let (found, _) = find(&member, None, None, rules, until());
        child.kill().unwrap();
        child.wait().unwrap();
        (found.rules.len(), found.changed.is_some())
    }

    const SCRIPT: &str = "echo\nread -r _ < <(sleep 100)\n";

    #[test]
    fn a_script_is_its_path_its_file_and_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (script, copy, link) =
            (dir.path().join("a.sh"), dir.path().join("b.sh"), dir.path().join("c.sh"));
        fs::write(&script, SCRIPT).unwrap();
        fs::copy(&script, &copy).unwrap();
        std::os::unix::fs::symlink(&script, &link).unwrap();
        let bash = pinned(Path::new("/bin/bash"), false);
        let rules = [rule(bash.clone(), Some(pinned(&script, true)))];
        assert_eq!(found(&script, &rules), (1, false), "control");
        assert_eq!(found(&link, &rules), (1, false), "a link leads to the same file");
        assert_eq!(found(&copy, &rules), (0, false), "a copy is another script");
        fs::remove_file(&copy).unwrap();
        fs::hard_link(&script, &copy).unwrap();
        assert_eq!(found(&copy, &rules), (0, false), "another name lies in another place");
        fs::write(&script, format!("{SCRIPT}#")).unwrap();
        assert_eq!(found(&script, &rules), (0, true), "changed bytes");

        let other = pinned(Path::new("/bin/sleep"), false);
        let rules = [rule(other, Some(pinned(&script, true))), rule(bash, None)];
        assert_eq!(found(&script, &rules), (0, false), "another interpreter, and one without its script");
        let denied = Arc::new(Rule { decision: Decision::Deny, ..(*rules[1]).clone() });
        assert_eq!(found(&script, &[denied]), (1, false), "what keeps an interpreter back");
    }

    #[test]
    fn a_program_is_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("sleep");
        // By programs of their own: a descriptor that another test's child inherits would keep the
        // file from being executed (ETXTBSY).
        let sh = |script: &str| {
            let status = Command::new("sh").args(["-c", script]).arg(&copy).status().unwrap();
            assert!(status.success());
        };
        sh("cp /bin/sleep $0");
        let rules = [rule(pinned(Path::new("/bin/sleep"), false), None)];
        let count = |program: &Path, rules: &[Arc<Rule>]| {
            let mut child = Command::new(program).arg("100").spawn().unwrap();
            let member = begun(child.id().cast_signed());
            let (found, _) = find(&member, None, None, rules, until());
            child.kill().unwrap();
            child.wait().unwrap();
            (found.rules.len(), found.changed.is_some())
        };
        assert_eq!(count(Path::new("/bin/sleep"), &rules), (1, false), "control");
        assert_eq!(count(&copy, &rules), (0, false));
        let own = [rule(pinned(&copy, true), None)];
        assert_eq!(count(&copy, &own), (1, false), "control");
        sh("printf x >> $0");
        assert_eq!(count(&copy, &own), (0, true), "its bytes were pinned");
        // A rule that pins nothing, about a path that somebody has lead to that program since.
        sh("ln -sf /bin/sleep $0");
        let linked = [rule(Pinned { path: copy.to_str().unwrap().into(), sha256: None }, None)];
        assert_eq!(count(Path::new("/bin/sleep"), &linked), (0, true));
    }

    #[test]
    fn at_once_only_what_takes_no_look() {
        let sleep = pinned(Path::new("/bin/sleep"), false);
        let bash = pinned(Path::new("/bin/bash"), false);
        let plain = rule(sleep.clone(), None);
        let mut child = Command::new("/bin/sleep").arg("100").spawn().unwrap();
        let member = begun(child.id().cast_signed());
        let exe = member.exe().unwrap();
        let all = [plain.clone(), rule(bash, None)];
        let (_, files) = find(&member, None, None, &all, until());
        child.kill().unwrap();
        child.wait().unwrap();
        let now = Instant::now();
        let count =
            |files: &Files, rules: &[Arc<Rule>], now| files.rules_at_once(&exe, rules, now).map(|r| r.len());
        assert_eq!(count(&files, &all, now), Some(1), "control");
        assert_eq!(count(&files, &all, now + 2 * FRESH), None, "it was a while ago");
        assert_eq!(count(&Files::none(now), &all, now), None, "nothing is known");
        let pin = rule(Pinned { sha256: Some([0; 32]), ..sleep.clone() }, None);
        assert_eq!(count(&files, &[plain.clone(), pin], now), None, "bytes must be read");
        let script = rule(sleep, Some(Pinned { path: "/s".into(), sha256: Some([0; 32]) }));
        assert_eq!(count(&files, &[plain.clone(), script], now), None, "a script must be read");
        let shell = Exe { path: "/bin/bash".into(), ..exe.clone() };
        assert!(files.rules_at_once(&shell, &all, now).is_none(), "an interpreter needs its script");
        let unseen = rule(Pinned { path: "/usr/bin/sleep-by-another-name".into(), sha256: None }, None);
        assert_eq!(count(&files, &[plain.clone(), unseen], now), None, "its file was not looked at");
        let other = Exe { ino: exe.ino ^ 1, ..exe.clone() };
        assert!(files.rules_at_once(&other, &all, now).is_none(), "another file");
    }
}
