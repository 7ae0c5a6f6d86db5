//! `ctl policy edit`: all rules in the person's editor, or from a file.
//!
//! ```text
//! rules ─► editor ─► looked at ─┬─► what would change ─► password ─► sealed
//!            ▲                  └─ no rules ─┐
//!            └───────────────────────────────┘
//! ```
//! What a person typed is never lost by an error that is not theirs: it is kept in a file, and said where.

use std::fs::File;
use std::io::{Read, stderr, stdin, stdout};
use std::path::{Path, PathBuf};

use glassdome_proto::policy::Change;
use glassdome_proto::{Code, limits};

use crate::cli::{connect, print};
use crate::connection::Connection;
use crate::editor::{Editor, keep};
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::policy::{Edits, too_long};
use crate::proof::{with_password, with_password_elsewhere};
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

/// What a person wants done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Seal,
    Again,
    GiveUp,
}

impl Edit {
    pub(super) fn run(self) -> Result<Exit, Error> {
        match &self.file {
            Some(file) => self.replace(file),
            None if self.password.any() => {
                Err(Error::Usage("a password from elsewhere than the terminal is for --file".into()))
            }
            None => self.by_hand(),
        }
    }

    fn by_hand(&self) -> Result<Exit, Error> {
        let terminal = Terminal::open().ok_or(Error::NoInput(
            "there is no terminal to edit at: ctl policy edit --file FILE --password-fd N",
        ))?;
        let editor = Editor::find()?;
        let mut connection = connect()?;
        let (rules, sealed) =
            with_password_elsewhere(&mut connection, &self.password, |connection, proof| {
                let rules = connection.rules(proof)?;
                // The daemon reads them as they are shown, or nobody is shown anything.
                let sealed = connection.edit(sheet(&rules, &[]).as_bytes(), None, proof)?;
                Ok((rules, sealed))
            })?;
        if sealed.is_change() {
            let message = "the rules changed while they were read. Try again".to_owned();
            return Err(Error::Refused { code: Code::Conflict, message, retry_after: None });
        }
        let mut text = sheet(&rules, &sealed.all).into_bytes();
        loop {
            text = editor.edit(&text)?;
            match self.settle(&mut connection, &terminal, &sealed, &text) {
                Ok(Wish::Seal) => return Ok(Exit::Ok),
                Ok(Wish::Again) => {}
                Ok(Wish::GiveUp) => return Ok(Exit::Ok),
                Err(error) => return Err(kept(&text, error)),
            }
        }
    }

    /// Has the text looked at, and seals it if that is what the person wants then.
    fn settle(
        &self,
        connection: &mut Connection,
        terminal: &Terminal,
        sealed: &Edits,
        text: &[u8],
    ) -> Result<Wish, Error> {
        let looked = with_password_elsewhere(connection, &self.password, |connection, proof| {
            connection.edit(text, Some(sealed.base), proof)
        });
        let style = Style::of(&stderr());
        let mut edits = match looked {
            Err(Error::Refused { code: Code::Usage, message, .. }) => {
                terminal.say(&style.bad(&message))?;
                return ask(terminal, "Edit again [e], give up [q]? ", &[Wish::Again, Wish::GiveUp]);
            }
            looked => looked?,
        };
        // What was odd before stood in the text already.
        edits.all.retain(|edit| edit.change != Change::None || !sealed.all.contains(edit));
        if !edits.all.is_empty() {
            terminal.say(diff(&edits.all, style).trim_end())?;
        }
        if !edits.is_change() {
            notice::say(UNCHANGED);
            return Ok(Wish::GiveUp);
        }
        let wishes = [Wish::Seal, Wish::Again, Wish::GiveUp];
        let wish = ask(terminal, "Seal it [s], edit again [e], give up [q]? ", &wishes)?;
        if wish == Wish::Seal {
            with_password(&mut Source::open(&self.password)?, |password| connection.seal_edits(password))?;
            told_sealed(&edits);
        }
        Ok(wish)
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
            print(&diff(&edits.all, Style::of(&stdout())))?;
            if edits.is_change() {
                connection.seal_edits(password.wire())?;
            }
        } else {
            edits = with_password_elsewhere(&mut connection, &self.password, |connection, proof| {
                connection.edit(&text, None, proof)
            })?;
            print(&diff(&edits.all, Style::of(&stdout())))?;
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

/// Asks until one of these is answered.
fn ask(terminal: &Terminal, prompt: &str, wishes: &[Wish]) -> Result<Wish, Error> {
    loop {
        let wish = match terminal.ask(prompt)?.trim() {
            "s" => Wish::Seal,
            "e" => Wish::Again,
            "q" => Wish::GiveUp,
            _ => continue,
        };
        if wishes.contains(&wish) {
            if wish == Wish::GiveUp {
                notice::say("nothing was sealed");
            }
            return Ok(wish);
        }
    }
}

/// The error, and where the text is that it would have lost.
fn kept(text: &[u8], error: Error) -> Error {
    match keep(text) {
        Ok(path) => {
            let path = path.display();
            notice::say(&format!("your text is kept: ctl policy edit --file {path}"));
        }
        Err(lost) => notice::say(&format!("your text could not be kept: {lost}")),
    }
    error
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
