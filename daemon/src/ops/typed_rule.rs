//! The files that a typed rule names: what it pins, and what the bytes are by now of what it pinned before.
//! A digest that somebody left, or typed, is never replaced: whoever wants other bytes pinned takes it away.
//!
//! Looks block: see [`crate::attest::program`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Instant;

use glassdome_proto::policy::{Change, Decision};

use crate::attest::program::{self, FileFacts, Interpreter, Unreadable};
use crate::attest::unit::{self, Manager};
use crate::policy::edit::{Edit, Unsound, Why};
use crate::policy::rule::{self, Pinned};
use crate::policy::warn::Warning;

/// Looks at files, each once.
pub struct Files {
    until: Instant,
    seen: HashMap<String, Result<FileFacts, Unreadable>>,
}

impl Files {
    /// Looks until then.
    pub fn new(until: Instant) -> Self {
        Self { until, seen: HashMap::new() }
    }

    /// Finds out what a rule that was typed names, pins what it must pin, and warns of what is odd.
    ///
    /// # Errors
    /// [`Unsound`].
    pub fn settle(&mut self, edit: &mut Edit) -> Result<(), Unsound> {
        let unsound = |why| Unsound { line: edit.line, id: edit.rule.id.clone(), why };
        for file in [&mut edit.rule.exe, &mut edit.rule.script].into_iter().flatten() {
            self.follow(file).map_err(unsound)?;
        }
        let allows = edit.rule.decision == Decision::Allow;
        if let Some(exe) = &edit.rule.exe {
            let interpreter = program::known_interpreter(&exe.path);
            match (interpreter, &edit.rule.script) {
                (Some(_), None) if allows => return Err(unsound(Why::EveryProgram)),
                (interpreter, Some(_)) if !interpreter.is_some_and(Interpreter::tells_script) => {
                    return Err(unsound(Why::Interpreter));
                }
                _ => {}
            }
            // What cannot be read is looked at where it matters.
            if program::is_script(Path::new(&exe.path), self.until).unwrap_or(false) {
                return Err(unsound(Why::Script));
            }
        }
        if allows {
            // As whoever makes a rule of files: what root alone can change may be upgraded.
            for (file, always) in [(&mut edit.rule.exe, false), (&mut edit.rule.script, true)] {
                let Some(file) = file else { continue };
                match self.facts(&file.path) {
                    Ok(_) if file.sha256.is_some() => {}
                    Ok(facts) => file.sha256 = facts.sha256.filter(|_| always || facts.writable),
                    Err(error) if is_missing(error) => {
                        return Err(unsound(Why::NoFile { reason: error.to_string() }));
                    }
                    Err(error) => {
                        let why = Why::Unread { path: file.path.clone(), reason: told(error) };
                        return Err(unsound(why));
                    }
                }
            }
        }
        self.warn(edit);
        Ok(())
    }

    /// Warns of what is odd about the files and the unit of a rule.
    pub fn warn(&mut self, edit: &mut Edit) {
        let allows = edit.rule.decision == Decision::Allow;
        let files = [("exe_sha256", &edit.rule.exe), ("script_sha256", &edit.rule.script)];
        let files = files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)));
        let mut warnings: Vec<Warning> =
            files.filter_map(|(key, file)| self.odd(key, file, allows)).collect();
        if let Some(unit) = edit.rule.unit.as_ref().filter(|unit| unit.manager == Manager::System)
            && !unit::is_installed(&unit.name)
        {
            warnings.push(Warning::NoUnit { name: unit.name.clone() });
        }
        edit.warnings.extend(warnings);
    }

    fn odd(&mut self, key: &'static str, file: &Pinned, allows: bool) -> Option<Warning> {
        let path = || file.path.clone();
        match (self.facts(&file.path), file.sha256) {
            (Err(error), _) if is_missing(error) => Some(Warning::NoFile { path: path() }),
            (Err(_), _) => Some(Warning::Unread { path: path() }),
            (Ok(facts), Some(pinned)) if facts.sha256 != Some(pinned) => {
                Some(Warning::OtherBytes { path: path(), key })
            }
            (Ok(facts), None) if allows && facts.writable => Some(Warning::Unpinned { path: path() }),
            (Ok(_), _) => None,
        }
    }

    /// To the file itself, if links lead there.
    fn follow(&mut self, file: &mut Pinned) -> Result<(), Why> {
        let Ok(facts) = self.facts(&file.path) else { return Ok(()) };
        if !rule::is_path(&facts.path) {
            return Err(Why::Path);
        }
        file.path = facts.path.clone();
        Ok(())
    }

    fn facts(&mut self, path: &str) -> Result<&FileFacts, &Unreadable> {
        let facts = match self.seen.entry(path.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(program::file(Path::new(path), true, self.until)),
        };
        facts.as_ref()
    }
}

/// A rule whose files could not be looked at in time.
pub fn unseen(edit: &mut Edit) {
    let files = [&edit.rule.exe, &edit.rule.script].into_iter().flatten();
    let unread: Vec<Warning> = files.map(|file| Warning::Unread { path: file.path.clone() }).collect();
    edit.warnings.extend(unread);
}

/// Whether the text says it: then a refusal is for whoever typed it.
pub fn is_typed(edit: &Edit) -> bool {
    matches!(edit.change, Change::New | Change::Changed)
}

fn is_missing(error: &Unreadable) -> bool {
    match error {
        Unreadable::NoFile { .. } | Unreadable::Irregular { .. } => true,
        Unreadable::Io { source, .. } => {
            matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        }
        _ => false,
    }
}

fn told(error: &Unreadable) -> String {
    let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{cause}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::rule::Rule;
    use std::fs;
    use std::time::Duration;

    fn edit(decision: Decision, exe: &str, script: Option<&Path>) -> Edit {
        let file = |path: &str| Pinned { path: path.into(), sha256: None };
        let rule = Rule {
            decision,
            exe: Some(file(exe)),
            script: script.map(|path| file(path.to_str().unwrap())),
            ..Rule::any()
        };
        Edit { change: Change::New, rule, was: None, line: 3, warnings: Vec::new() }
    }

    fn settled(mut edit: Edit) -> Result<Edit, Why> {
        let until = Instant::now() + Duration::from_secs(10);
        Files::new(until).settle(&mut edit).map_err(|unsound| unsound.why)?;
        Ok(edit)
    }

    #[test]
    fn what_is_not_pinned_is_and_what_is_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (script, link) = (dir.path().join("a.sh"), dir.path().join("link"));
        fs::write(&script, "echo").unwrap();
        std::os::unix::fs::symlink(&script, &link).unwrap();
        let made = settled(edit(Decision::Allow, "/bin/bash", Some(&link))).unwrap();
        let pinned = made.rule.script.clone().unwrap();
        assert_eq!(Path::new(&pinned.path), fs::canonicalize(&script).unwrap(), "where the link leads");
        assert!(pinned.sha256.is_some() && made.rule.exe.as_ref().unwrap().sha256.is_none());
        assert_eq!(made.warnings, []);

        fs::write(&script, "echo other").unwrap();
        let left = settled(made.clone()).unwrap();
        assert_eq!(left.rule, made.rule, "never pinned anew");
        assert!(matches!(&left.warnings[..], [Warning::OtherBytes { key: "script_sha256", .. }]));
        let mut bare = made.clone();
        bare.rule.script.as_mut().unwrap().sha256 = None;
        let anew = settled(bare).unwrap();
        assert_ne!(anew.rule.script, made.rule.script);
        assert_eq!(anew.warnings, []);

        fs::remove_file(&script).unwrap();
        let path = made.rule.script.as_ref().unwrap().path.clone();
        let reason = format!("there is no file {path}");
        assert_eq!(settled(made.clone()), Err(Why::NoFile { reason: reason.clone() }), "pinned before");
        let mut bare = made;
        bare.rule.script.as_mut().unwrap().sha256 = None;
        assert_eq!(settled(bare), Err(Why::NoFile { reason }), "nothing to pin");
    }

    #[test]
    fn what_keeps_back_pins_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("a.sh");
        fs::write(&script, "echo").unwrap();
        let made = settled(edit(Decision::Deny, "/bin/bash", Some(&script))).unwrap();
        assert!(made.rule.script.unwrap().sha256.is_none());
        assert!(settled(edit(Decision::Ask, "/bin/bash", None)).is_ok());
    }

    #[test]
    fn what_would_be_a_rule_for_anything_or_nothing_is_refused() {
        assert_eq!(settled(edit(Decision::Allow, "/bin/bash", None)), Err(Why::EveryProgram));
        for decision in Decision::ALL {
            let script = settled(edit(decision, "/bin/sleep", Some(Path::new("/bin/ls"))));
            assert_eq!(script, Err(Why::Interpreter));
        }
        assert!(settled(edit(Decision::Allow, "/bin/sleep", None)).is_ok(), "control");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.sh");
        fs::write(&file, "#!/bin/sh\necho").unwrap();
        let path = file.to_str().unwrap();
        for decision in Decision::ALL {
            assert_eq!(settled(edit(decision, path, None)), Err(Why::Script));
        }
        assert!(settled(edit(Decision::Allow, "/bin/sh", Some(&file))).is_ok(), "control");
        fs::write(&file, "#").unwrap();
        assert!(settled(edit(Decision::Allow, path, None)).is_ok(), "shorter than what a script begins with");
    }

    #[test]
    fn what_is_allowed_is_a_file_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let file = dir.path().join("a.sh");
        fs::write(&file, "echo").unwrap();
        let irregular = [socket.to_str().unwrap(), "/dev/zero", "/proc/self/mem", "/etc"];
        let absent = ["/nowhere/x"];
        let reasons = irregular.iter().map(|path| (*path, format!("{path} is no regular file")));
        let reasons = reasons.chain(absent.iter().map(|path| (*path, format!("there is no file {path}"))));
        for (path, reason) in reasons {
            for sha256 in [None, Some([7; 32])] {
                let mut exe = edit(Decision::Allow, path, None);
                exe.rule.exe.as_mut().unwrap().sha256 = sha256;
                assert_eq!(settled(exe), Err(Why::NoFile { reason: reason.clone() }));
                let mut script = edit(Decision::Allow, "/bin/bash", Some(Path::new(path)));
                script.rule.script.as_mut().unwrap().sha256 = sha256;
                assert_eq!(settled(script), Err(Why::NoFile { reason: reason.clone() }));
            }
            // What keeps back may name what is not there yet.
            let kept = settled(edit(Decision::Deny, path, None)).unwrap();
            assert_eq!(kept.warnings, [Warning::NoFile { path: path.into() }]);
        }
        assert!(settled(edit(Decision::Allow, "/bin/bash", Some(&file))).is_ok(), "control");
    }
}
