//! Which records somebody wants.

use glassdome_audit::{Event, Exe, Outcome, Record};
use glassdome_proto::{Glob, GlobError, Name};
use jiff::Timestamp;

use super::place::Files;
use super::session;
use crate::error::Error;
use crate::text::time;

/// What can be typed to say since when.
#[derive(Debug, Default, Clone, Copy, clap::Args)]
pub(crate) struct SinceArg {
    /// Only since then: 2h ago, yesterday, or 2026-11-22, with 09:30 behind it if you like
    #[arg(long, value_name = "2h|yesterday|DATE", value_parser = since)]
    pub(crate) since: Option<Timestamp>,
}

/// What can be typed to say which.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct FilterArgs {
    /// Only about secrets that match: * stops at /, ** crosses it, ? is one character
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    secret: Option<Glob>,
    /// Only by this program or script: its name, or its whole path; or what a client calls itself
    #[arg(long, value_name = "NAME|PATH")]
    program: Option<String>,
    /// Only what was refused
    #[arg(long)]
    denied: bool,
    #[command(flatten)]
    since: SinceArg,
    /// Only of one session, by the number of the record that began it, or the last one, or the one that is open
    #[arg(long, value_name = "N|last|current")]
    session: Option<String>,
}

/// Which records.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    secret: Option<Glob>,
    program: Option<String>,
    denied: bool,
    since: Option<Timestamp>,
    session: Option<u64>,
}

impl FilterArgs {
    /// What it means, in the log of these files.
    ///
    /// # Errors
    /// [`Error::Usage`] for a session that is not there; [`Error::ReadFile`].
    pub(crate) fn read(&self, files: &Files) -> Result<Filter, Error> {
        Ok(Filter {
            secret: self.secret.clone(),
            program: self.program.clone(),
            denied: self.denied,
            since: self.since.since,
            session: self.session.as_deref().map(|text| session::named(text, files)).transpose()?,
        })
    }
}

impl Filter {
    /// Everything about one secret.
    pub(crate) fn about(name: &Name<'_>, SinceArg { since }: SinceArg) -> Self {
        Self { secret: Some(Glob::exact(name)), since, ..Self::default() }
    }

    /// Whether nothing is left out: then what is no record is shown, too.
    pub(crate) fn takes_all(&self) -> bool {
        let Self { secret, program, denied, since, session } = self;
        secret.is_none() && program.is_none() && !denied && since.is_none() && session.is_none()
    }

    /// Since when.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether this record is wanted.
    pub(crate) fn takes(&self, record: &Record<'_>) -> bool {
        self.takes_whenever(record)
            && self.since.is_none_or(|since| moment(record).is_some_and(|at| at >= since))
    }

    /// Whether it is, but for when it was.
    pub(crate) fn takes_whenever(&self, record: &Record<'_>) -> bool {
        let refused = || record.outcome == Outcome::Denied || record.event == Event::Canary;
        let of = |session| record.session == Some(session) || record.seq == session;
        (!self.denied || refused())
            && self.session.is_none_or(of)
            && self.secret.as_ref().is_none_or(|glob| is_about(record, glob))
            && self.program.as_ref().is_none_or(|program| is_by(record, program))
    }

    /// Whether none of the records before this one is wanted. A clock that was set back by up to a day hides nothing.
    pub(crate) fn ends_at(&self, record: &Record<'_>) -> bool {
        const SET_BACK_S: i64 = 86_400;
        let older = |since: Timestamp| {
            moment(record).is_some_and(|at| at.as_second() < since.as_second() - SET_BACK_S)
        };
        self.session.is_some_and(|session| record.seq <= session) || self.since.is_some_and(older)
    }
}

/// When it was written, by the daemon's clock.
pub(crate) fn moment(record: &Record<'_>) -> Option<Timestamp> {
    record.time.parse().ok()
}

/// When `text` was: a time that has passed.
fn since(text: &str) -> Result<Timestamp, &'static str> {
    time::past(text).ok_or("write 2h, yesterday, 2026-11-22 or '2026-11-22 09:30'")
}

fn glob(text: &str) -> Result<Glob, GlobError> {
    Glob::parse(text)
}

fn is_about(record: &Record<'_>, glob: &Glob) -> bool {
    let Some(name) = record.secret.as_deref() else { return false };
    // A renaming is about both names, a handle about several, by comma.
    glob.matches(name)
        || record.to.as_deref().is_some_and(|to| glob.matches(to))
        || record.event == Event::Handle && name.split(',').any(|part| glob.matches(part))
}

/// Whether this program, or this script, is who asked: the client that asked, or whoever ran it.
fn is_by(record: &Record<'_>, program: &str) -> bool {
    let is = |path: &str| path == program || Exe::name_in(path) == program;
    let peer = record.peer.as_ref();
    let exe = peer.and_then(|peer| peer.kernel.exe.as_ref());
    let claims = peer.and_then(|peer| peer.claims.as_ref());
    let judged = record.judged.as_ref();
    claims.is_some_and(|claims| claims.client == program)
        || judged.is_some_and(|judged| is(&judged.name) || judged.script.as_deref().is_some_and(is))
        || exe.is_some_and(|exe| is(&exe.path))
}

#[cfg(test)]
mod tests {
    use glassdome_audit::{Judged, Kernel, Peer};

    use super::*;

    fn record() -> Record<'static> {
        let exe = Exe { path: "/usr/bin/ctl".into(), dev: 1, ino: 2 };
        let kernel = Kernel { pid: Some(4), uid: 1000, gid: None, exe: Some(exe) };
        Record {
            seq: 12,
            time: "2026-11-22T12:00:00.500Z".into(),
            session: Some(7),
            secret: Some("aws/prod/key".into()),
            judged: Some(Judged { pid: 5, name: "python3".into(), script: Some("/srv/deploy.py".into()) }),
            peer: Some(Peer { kernel, claims: None }),
            ..Record::new(Event::Get, Outcome::Allowed)
        }
    }

    #[test]
    fn each_filter_takes_what_it_says() {
        let takes = |filter: Filter| filter.takes(&record());
        assert!(takes(Filter::default()) && Filter::default().takes_all());
        for (glob, expected) in [("aws/**", true), ("aws/*", false), ("aws/prod/key", true), ("db", false)] {
            assert_eq!(
                takes(Filter { secret: Glob::parse(glob).ok(), ..Filter::default() }),
                expected,
                "{glob}"
            );
        }
        for (program, expected) in [
            ("python3", true),
            ("deploy.py", true),
            ("/srv/deploy.py", true),
            ("ctl", true),
            ("/usr/bin/ctl", true),
            ("deploy", false),
            ("srv", false),
            ("", false),
        ] {
            let filter = Filter { program: Some(program.into()), ..Filter::default() };
            assert_eq!(takes(filter), expected, "{program}");
        }
        for (since, expected) in [("2026-11-22T12:00:00.5Z", true), ("2026-11-22T12:00:00.501Z", false)] {
            let filter = Filter { since: since.parse().ok(), ..Filter::default() };
            assert_eq!(takes(filter), expected, "{since}");
        }
        for (session, expected) in [(7, true), (12, true), (8, false)] {
            assert_eq!(takes(Filter { session: Some(session), ..Filter::default() }), expected);
        }
        let denied = Filter { denied: true, ..Filter::default() };
        assert!(!denied.takes(&record()));
        assert!(denied.takes(&Record { outcome: Outcome::Denied, ..record() }));
        assert!(denied.takes(&Record { event: Event::Canary, outcome: Outcome::Failed, ..record() }));
        let moved = Record { event: Event::Move, to: Some("two/new".into()), ..record() };
        for (glob, expected) in [("aws/**", true), ("two/*", true), ("two", false)] {
            let filter = Filter { secret: Glob::parse(glob).ok(), ..Filter::default() };
            assert_eq!(filter.takes(&moved), expected, "{glob}");
        }
        let handle = Record { event: Event::Handle, secret: Some("a/b,c/*".into()), ..record() };
        assert!(Filter { secret: Glob::parse("a/b").ok(), ..Filter::default() }.takes(&handle));
    }

    #[test]
    fn going_back_ends_where_nothing_more_is_wanted() {
        let at = |since: &str| Filter { since: since.parse().ok(), ..Filter::default() };
        assert!(!at("2026-11-23T11:00:00Z").ends_at(&record()), "the clock may have been set");
        assert!(at("2026-11-23T13:00:00Z").ends_at(&record()));
        assert!(Filter { session: Some(12), ..Filter::default() }.ends_at(&record()));
        assert!(!Filter { session: Some(11), ..Filter::default() }.ends_at(&record()));
        assert!(!at("2026-11-23T13:00:00Z").ends_at(&Record { time: "never".into(), ..record() }));
    }
}
