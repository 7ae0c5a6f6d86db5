//! `ctl audit summary`: who used which secret how often.

use std::io::{IsTerminal, stdout};

use glassdome_audit::Lines;
use jiff::tz::TimeZone;
use rustix::termios::tcgetwinsize;

use crate::audit_log::filter::{FilterArgs, moment};
use crate::audit_log::forwards::Forwards;
use crate::audit_log::place::{Files, Place};
use crate::audit_log::record;
use crate::audit_log::tail::Start;
use crate::audit_log::tally::{Span, Tally};
use crate::cli::{print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::pager::{ENOUGH, Pager};
use crate::terminal::Terminal;
use crate::text::style::Style;
use crate::text::timeline::Bars;
use crate::text::{notice, summary, time};

/// What can be typed behind `ctl audit summary`.
#[derive(clap::Args)]
pub(crate) struct Summary {
    #[command(flatten)]
    filter: FilterArgs,
    /// Print a JSON object for programs; times are seconds since the epoch
    #[arg(long)]
    json: bool,
}

impl Summary {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let files = Place::find()?.files()?;
        let filter = self.filter.read(&files)?;
        let now = i64::try_from(time::now()).unwrap_or(i64::MAX);
        let begins = begins(&files)?.unwrap_or(now);
        let from = filter.since().map_or(begins, |since| since.as_second());
        let span = Span::new(from, now + 1, columns());
        let mut tally = Tally::new(&filter, TimeZone::system(), span, begins);
        // All of the log, whatever is asked for: what is usual was before.
        Forwards::from(files, Start::OLDEST)?.read(|line| {
            if let Some(record) = record(line) {
                tally.take(&record);
            }
            Ok(())
        })?;
        if self.json {
            print_json(&summary::document(&tally, span))?;
        } else if tally.used().next().is_none() {
            notice::say("no secret was used");
        } else {
            show(&summary::draw(&tally, span, Bars::of_terminal(), Style::of(&stdout())))?;
        }
        Ok(Exit::Ok)
    }
}

/// When the log begins, in seconds since the epoch.
fn begins(files: &Files) -> Result<Option<i64>, Error> {
    for nth in 0..files.len() {
        let Some(file) = files.open(nth)? else { continue };
        let failed = |source| Error::ReadFile { path: files.path(nth), source };
        let mut lines = Lines::of(file);
        while let Some(line) = lines.next().map_err(failed)? {
            if let Some(at) = record(line.bytes).as_ref().and_then(moment) {
                return Ok(Some(at.as_second()));
            }
        }
    }
    Ok(None)
}

/// Columns of a timeline: what a row has room for.
fn columns() -> usize {
    const INDENT: usize = 3;
    const WIDTH: usize = 80;
    let size = tcgetwinsize(stdout()).ok().filter(|size| size.ws_col >= 20);
    size.map_or(WIDTH, |size| usize::from(size.ws_col)) - INDENT
}

/// On a terminal a screenful at a time.
fn show(text: &str) -> Result<(), Error> {
    let Some(terminal) = stdout().is_terminal().then(Terminal::open).flatten() else { return print(text) };
    Pager::new(&terminal, ENOUGH).show(text).map(drop)
}
