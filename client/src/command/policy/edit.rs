//! `ctl policy edit`: all rules in the person's editor, or from a file.
//!
//! ```text
//! rules ─► editor ─► looked at ─┬─► what would change ─► password ─► sealed
//!            ▲                  └─ no rules ─┐
//!            └───────────────────────────────┘
//! ```
//! What a person typed is lost only if they say so: whatever else ends this program, a signal too, it is kept
//! in a file first, and said where.

use std::fs::File;
use std::io::{IsTerminal, Read, stderr, stdin, stdout};
use std::path::{Path, PathBuf};

use glassdome_proto::policy::Change;
use glassdome_proto::{Code, limits};
use rustix::process::{getpid, kill_process};

use super::review::{self, NOTHING, Wish};
use crate::cli::{connect, print};
use crate::connection::Connection;
use crate::editor::{Editor, keep};
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::policy::{Edits, too_long};
use crate::proof::{ProofArgs, with_password, with_proof};
use crate::terminal::Terminal;
use crate::text::notice;
use crate::text::rule_diff::diff;
use crate::text::rule_sheet::sheet;
use crate::text::style::Style;

#[derive(clap::Args)]
pub(super) struct Edit {
    /// Take all rules from this file, - for stdin, and open no editor
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordArgs,
}

const UNCHANGED: &str = "no rule would be another one: nothing was sealed";

/// What stands for stdin.
const STDIN: &str = "-";

impl Edit {
    pub(super) fn run(self) -> Result<Exit, Error> {
        match &self.file {
            Some(file) => self.replace(file),
            None if self.password.any() => {
                Err(Error::Usage("a password from elsewhere than the terminal is for --file".into()))
            }
            None => by_hand(),
        }
    }

    fn replace(&self, file: &Path) -> Result<Exit, Error> {
        if file == Path::new(STDIN) && self.password.password_stdin {
            return Err(Error::Usage(
                "stdin cannot be both the rules and the password: --password-fd N".into(),
            ));
        }
        let mut connection = connect()?;
        connection.require_session()?;
        let text = read(file)?;
        let edits;
        if self.password.any() {
            let password = Source::open(&self.password)?.present("")?;
            edits = connection.edit(&text, None, Some(password.wire()))?;
            printed(&edits)?;
            if edits.is_change() {
                connection.seal_edits(password.wire())?;
            }
        } else {
            edits = with_proof(&mut connection, &ProofArgs::default(), |connection, proof| {
                connection.edit(&text, None, proof)
            })?;
            if !seen(&edits)? {
                return Ok(Exit::Ok);
            }
            if edits.is_change() {
                with_password(&mut Source::open(&self.password)?, |password| {
                    connection.seal_edits(password)
                })?;
            }
        }
        if edits.is_change() {
            told_sealed(&edits);
        } else {
            notice::say(UNCHANGED);
        }
        Ok(Exit::Ok)
    }
}

/// Shows what changes on stdout, and on the terminal where the password is asked for; whether it was all seen.
fn seen(edits: &Edits) -> Result<bool, Error> {
    let terminal = Terminal::open();
    if terminal.is_none() || !stdout().is_terminal() {
        printed(edits)?;
    }
    // Without a terminal nobody is asked for the password either.
    terminal.map_or(Ok(true), |terminal| review::shown(&terminal, &edits.all, Style::of(&stderr())))
}

/// Whoever reads no more of it may think that what it said was done.
fn printed(edits: &Edits) -> Result<(), Error> {
    print(&diff(&edits.all, Style::of(&stdout()))).inspect_err(|_| notice::say(NOTHING))
}

fn by_hand() -> Result<Exit, Error> {
    let terminal = Terminal::open().ok_or(Error::NoInput(
        "there is no terminal to edit at: ctl policy edit --file FILE --password-fd N",
    ))?;
    let editor = Editor::find()?;
    let mut connection = connect()?;
    let (rules, sealed) = with_proof(&mut connection, &ProofArgs::default(), |connection, proof| {
        let rules = connection.rules(proof)?;
        // The daemon reads them as they are shown, or nobody is shown anything.
        let sealed = connection.edit(sheet(&rules, &[]).as_bytes(), None, proof)?;
        Ok((rules, sealed))
    })?;
    if sealed.is_change() {
        let message = "the rules changed while they were read. Try again".to_owned();
        return Err(Error::Refused { code: Code::Conflict, message, retry_after: None });
    }
    let first = sheet(&rules, &sealed.all).into_bytes();
    let mut text = first.clone();
    // Until the text is in a safe place no signal ends this program.
    let (terminal, held) = terminal.holding()?;
    let outcome = loop {
        let wish =
            editor.edit(&mut text, &held).and_then(|()| settle(&mut connection, &terminal, &sealed, &text));
        if !matches!(wish, Ok(Wish::Again)) {
            break wish;
        }
    };
    if let Err(error) = &outcome {
        if text != first {
            kept(&text);
        }
        if let Error::Interrupted { signal } = error {
            drop((terminal, held));
            kill_process(getpid(), *signal).map_err(|error| Error::Terminal(error.into()))?;
        }
    }
    outcome.map(|_| Exit::Ok)
}

/// Has the text looked at, and seals it if that is what the person wants then.
fn settle(
    connection: &mut Connection,
    terminal: &Terminal,
    sealed: &Edits,
    text: &[u8],
) -> Result<Wish, Error> {
    let style = Style::of(&stderr());
    if text.len() > limits::EDIT {
        return review::refused(terminal, &too_long().to_string(), style);
    }
    let mut edits = match connection.edit(text, Some(sealed.base), None) {
        Err(Error::Refused { code: Code::Usage, message, .. }) => {
            return review::refused(terminal, &message, style);
        }
        looked => looked?,
    };
    // What was odd before stood in the text already.
    edits.all.retain(|edit| edit.change != Change::None || !sealed.all.contains(edit));
    if !edits.is_change() {
        review::shown(terminal, &edits.all, style)?;
        notice::say(UNCHANGED);
        return Ok(Wish::GiveUp);
    }
    let wish = review::asked(terminal, &edits.all, style)?;
    if wish == Wish::Seal {
        let mut source = Source::Person(terminal.try_clone()?);
        with_password(&mut source, |password| connection.seal_edits(password))?;
        told_sealed(&edits);
    }
    Ok(wish)
}

/// Says where the text is that would have been lost.
fn kept(text: &[u8]) {
    match keep(text) {
        Ok(path) => {
            let path = path.display();
            notice::say(&format!("your text is kept: ctl policy edit --file {path}"));
        }
        Err(lost) => notice::say(&format!("your text could not be kept: {lost}")),
    }
}

fn told_sealed(edits: &Edits) {
    let count = edits.all.iter().filter(|edit| edit.change != Change::None).count();
    let what =
        if count == 1 { "the change of a rule".to_owned() } else { format!("the changes of {count} rules") };
    notice::done(&format!("sealed {what}. All: ctl policy show"));
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let input: Box<dyn Read> = if path == Path::new(STDIN) {
        Box::new(stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut text = Vec::new();
    input.take(limits::EDIT as u64 + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() > limits::EDIT { Err(too_long()) } else { Ok(text) }
}
