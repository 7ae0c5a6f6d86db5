//! `ctl export`: secrets in plain text, to take them elsewhere. The daemon wants the master password for it each time.

use std::cell::RefCell;
use std::io::{IsTerminal, stdout};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use glassdome_proto::whole::Whole;
use glassdome_proto::{Code, Glob, Name};

use crate::cli::{Command, connect};
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::export::{Format, Writer};
use crate::password::{PasswordArgs, Source};
use crate::private_file::write_private_by;
use crate::proof::with_password;
use crate::text::notice;
use crate::whole::without_prefix;

/// How much of what was left out is named before the rest is only counted.
const TOLD: usize = 5;

/// What can be typed behind `ctl export`.
#[derive(clap::Args)]
pub(crate) struct Export {
    /// Only names that match one of these; * stops at /, ** crosses it. All if there is none
    #[arg(value_name = "GLOB")]
    globs: Vec<String>,
    /// What to write
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: Format,
    /// Only names below P, and P/ taken away from the front of each
    #[arg(long, value_name = "P", conflicts_with = "globs")]
    prefix: Option<String>,
    /// Write to FILE, private (0600), whole or not at all; else to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace FILE, if it is there
    #[arg(long, requires = "out")]
    replace: bool,
    /// Print on a terminal, too
    #[arg(long, conflicts_with = "out")]
    show: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

/// What came of it.
struct Done {
    written: usize,
    /// More than `ctl import` reads.
    is_too_long: bool,
    left_out: Vec<String>,
}

impl Done {
    /// `14 out, 1 left out (x: not text)`.
    fn line(&self) -> String {
        let mut line = format!("{} out", self.written);
        if !self.left_out.is_empty() {
            let mut told: Vec<&str> = self.left_out.iter().take(TOLD).map(String::as_str).collect();
            let rest = format!("{} more", self.left_out.len().saturating_sub(TOLD));
            if self.left_out.len() > TOLD {
                told.push(&rest);
            }
            line.push_str(&format!(
                ", {} left out ({}); --format json holds everything",
                self.left_out.len(),
                told.join("; ")
            ));
        }
        line
    }
}

impl Command for Export {
    const NAME: &'static str = "export";
    const ABOUT: &'static str =
        "Write secrets in plain text, as JSON or lines of KEY='value'; takes the master password";
    const EXAMPLES: &'static str = "ctl export --out all.json\nctl export 'aws/**' db/password --out some.json\n\
                                    ctl export --format env --prefix shop/dev --out .env";

    fn run(self) -> Result<Exit, Error> {
        let globs = self.globs()?;
        if self.out.is_none() && !self.show && stdout().is_terminal() {
            return Err(Error::Usage(
                "secrets are not for a terminal: name a file with --out, or say --show".into(),
            ));
        }
        if let Some(path) = self.out.as_ref().filter(|path| !self.replace && path.symlink_metadata().is_ok())
        {
            return Err(Error::FileExists { path: path.clone() });
        }
        let mut connection = connect()?;
        // Greets the daemon before anybody is asked; see `unlock`.
        connection.require_session()?;
        let mut source = Source::open(&self.password)?;
        let done = match &self.out {
            None => self.write(&mut connection, &mut source, &globs, stdout(), None)?,
            Some(path) => write_private_by(path, |file| {
                self.write(&mut connection, &mut source, &globs, file, Some(path))
            })?,
        };
        Ok(self.tell(&done))
    }
}

impl Export {
    fn globs(&self) -> Result<Vec<Glob>, Error> {
        let Some(prefix) = self.prefix() else {
            return Ok(self.globs.iter().map(|glob| Glob::parse(glob)).collect::<Result<_, _>>()?);
        };
        if prefix.contains(['*', '?']) {
            return Err(Error::Usage("a prefix is no glob: leave --prefix away, or * and ?".into()));
        }
        // In the form that names have.
        Ok(vec![Glob::parse(&format!("{}/**", Name::typed(prefix)?))?])
    }

    fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref().map(|prefix| prefix.trim_end_matches('/'))
    }

    fn write(
        &self,
        connection: &mut Connection,
        source: &mut Source,
        globs: &[Glob],
        to: impl AsFd,
        path: Option<&Path>,
    ) -> Result<Done, Error> {
        let failed = |source| match path {
            Some(path) => Error::WriteFile { path: path.to_owned(), source },
            None => Error::Output(source),
        };
        let prefix = self.prefix().map(Name::typed).transpose()?;
        let writer = RefCell::new(Writer::new(to, self.format));
        let put = |whole: &Whole<'_>| {
            let name = prefix.as_ref().and_then(|prefix| without_prefix(&whole.name, prefix));
            writer.borrow_mut().put(name.unwrap_or(&whole.name), whole).map_err(failed)
        };
        with_password(source, |password| connection.export(password, globs, put))?;
        let mut writer = writer.into_inner();
        if writer.written == 0 && writer.left_out.is_empty() {
            let message = "no secret has such a name: nothing was written. Names: ctl list".to_owned();
            return Err(Error::Refused { code: Code::NotFound, message, retry_after: None });
        }
        let left_out = writer.left_out.iter().map(|one| format!("{}: {}", one.what, one.why)).collect();
        let done = Done { written: writer.written, is_too_long: false, left_out };
        if done.written == 0 {
            return Err(Error::Usage(format!("nothing was written: {}", done.line())));
        }
        writer.end().map_err(failed)?;
        Ok(Done { is_too_long: writer.is_too_long(), ..done })
    }

    fn tell(&self, done: &Done) -> Exit {
        notice::say(&done.line());
        if let Some(path) = &self.out {
            notice::plain_text(path);
        }
        if done.is_too_long {
            notice::remind(
                "ctl import reads 64 MiB at a time, and this is more: export it in parts, by globs",
            );
        }
        // What was asked for is not all there.
        if done.left_out.is_empty() { Exit::Ok } else { Exit::Usage }
    }
}
