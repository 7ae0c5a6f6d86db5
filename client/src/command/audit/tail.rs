//! `ctl audit tail`: the last records, and those that come.

use std::time::Duration;

use glassdome_sys::HeldSignals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;

use super::show::{self, Form, Shown};
use crate::audit_log::filter::{Filter, FilterArgs};
use crate::audit_log::forwards::{Forwards, Turn};
use crate::audit_log::place::{Files, Place};
use crate::audit_log::tail::{self, Start};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::notice;

/// How long a record may stand in the log before it is shown.
const LOOK: Duration = Duration::from_millis(200);

/// What can be typed behind `ctl audit tail`.
#[derive(clap::Args)]
pub(crate) struct Tail {
    /// How many records, or all
    #[arg(short = 'n', value_name = "N|all", default_value = "20", value_parser = count)]
    count: Count,
    #[command(flatten)]
    filter: FilterArgs,
    /// Stay, and show each record as it is written, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Print the records as they stand in the log, one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy)]
enum Count {
    Last(u64),
    All,
}

fn count(text: &str) -> Result<Count, String> {
    match text {
        "all" => Ok(Count::All),
        number => number.parse().map(Count::Last).map_err(|_| "a number, or all".to_owned()),
    }
}

impl Tail {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let place = Place::find()?;
        let files = place.files()?;
        let filter = self.filter.read(&files)?;
        let start = match self.count {
            Count::All => Start::OLDEST,
            Count::Last(count) => tail::start(&files, &filter, count)?,
        };
        if self.follow {
            return self.follow(&place, files, start, &filter);
        }
        let none = files.len() == 0;
        let shown = show::all(files, start, &filter, Form::of(self.json))?;
        if shown == 0 && !self.json {
            notice::say(if none { "there is no log yet" } else { "nothing in the log is like that" });
        }
        Ok(Exit::Ok)
    }

    fn follow(&self, place: &Place, files: Files, start: Start, filter: &Filter) -> Result<Exit, Error> {
        let held = HeldSignals::hold(&[Signal::INT]).map_err(Error::Terminal)?;
        let mut reader = Forwards::from(files, start)?;
        let mut shown = Shown::new(filter, Form::of(self.json));
        loop {
            let read = reader.read(|line| shown.take(line)).and_then(|()| shown.flush());
            match read {
                // Whoever read it has seen enough.
                Err(error) if error.is_broken_pipe() => return Ok(Exit::Ok),
                other => other?,
            }
            if interrupted(&held, LOOK)? {
                return Ok(Exit::Ok);
            }
            if reader.turn(place)? == Turn::Anew {
                notice::remind("the log that was shown is not there any more: what follows is another one");
            }
        }
    }
}

/// Waits for so long, or until Ctrl-C is typed.
fn interrupted(held: &HeldSignals, time: Duration) -> Result<bool, Error> {
    let time = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
    match poll(&mut [PollFd::new(held, PollFlags::IN)], Some(&time)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(Error::Terminal(error.into())),
    }
    Ok(held.take().map_err(Error::Terminal)?.is_some())
}
