//! Who asks, as whoever counts requests tells one from another: what one program does is not to be at the cost of
//! others.

use crate::standing::Asker;

/// Who asks, as far as that can be told without looking at it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// A program, by its names and files.
    Program {
        /// Its name.
        name: String,
        /// Its executable.
        exe: Option<String>,
        /// The script that it runs.
        script: Option<String>,
    },
    /// A process, where it runs whatever it is given, or nothing is known of it.
    Process(i32),
    /// Whoever has a handle.
    Handle(u32),
    /// One of many, where no more are told apart.
    Another,
}

impl Caller {
    /// Whoever is judged; `pid` connected.
    pub fn of(asker: &Asker, pid: i32) -> Self {
        if !asker.seen || asker.interpreter && asker.script.is_none() {
            return Self::Process(if asker.pid > 0 { asker.pid } else { pid });
        }
        Self::Program { name: asker.name.clone(), exe: asker.exe.clone(), script: asker.script.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_interpreter_is_its_process() {
        let python =
            Asker { pid: 7, name: "python3".into(), seen: true, interpreter: true, ..Asker::default() };
        assert_eq!(Caller::of(&python, 9), Caller::Process(7));
        let script = Asker { script: Some("/s".into()), ..python };
        let program = |asker: &Asker| matches!(Caller::of(asker, 9), Caller::Program { .. });
        assert!(program(&script));
        assert_eq!(Caller::of(&script, 9), Caller::of(&Asker { pid: 8, ..script }, 10));
        assert_eq!(Caller::of(&Asker::default(), 9), Caller::Process(9));
    }
}
