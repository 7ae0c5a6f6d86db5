//! `ctl encrypt` and `ctl decrypt`: data outside the vault, through the daemon, of any size.

use std::fs::File;
use std::io::{IsTerminal, stdin, stdout};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use glassdome_proto::{Code, Name};

use crate::cli::{Command, connect_for_values};
use crate::connection::Connection;
use crate::descriptor::{read_some, write_all};
use crate::error::Error;
use crate::exit::Exit;
use crate::private_file::write_private_by;
use crate::text::harmless::Harmless;
use crate::wait::WaitArgs;

/// What can be typed behind `ctl encrypt` and `ctl decrypt`.
#[derive(Debug, clap::Args)]
struct Streamed {
    /// What it is for, named like a secret (backups, photos/2026): only the same context decrypts it
    #[arg(long, value_name = "TEXT")]
    context: String,
    /// Read FILE; the standard input if there is none, or for `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write to FILE, private (0600), whole or not at all, never through a symbolic link
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    wait: WaitArgs,
}

/// `ctl encrypt`.
#[derive(Debug, clap::Args)]
pub(crate) struct Encrypt {
    #[command(flatten)]
    streamed: Streamed,
}

/// `ctl decrypt`.
#[derive(Debug, clap::Args)]
pub(crate) struct Decrypt {
    #[command(flatten)]
    streamed: Streamed,
}

impl Command for Encrypt {
    const NAME: &'static str = "encrypt";
    const ABOUT: &'static str = "Encrypt data of any size with a key that stays in the daemon";
    const EXAMPLES: &'static str = "tar c ~/photos | ctl encrypt --context backups > photos.tar.enc\n\
                                    ctl encrypt --context backups db.dump --out db.dump.enc";

    fn run(self) -> Result<Exit, Error> {
        self.streamed.run(true)
    }
}

impl Command for Decrypt {
    const NAME: &'static str = "decrypt";
    const ABOUT: &'static str = "Decrypt what ctl encrypt wrote; stdout gets only what was found unaltered";
    const EXAMPLES: &'static str = "ctl decrypt --context backups < photos.tar.enc | tar x\n\
                                    ctl decrypt --context backups db.dump.enc --out db.dump";

    fn run(self) -> Result<Exit, Error> {
        self.streamed.run(false)
    }
}

impl Streamed {
    fn run(&self, encrypts: bool) -> Result<Exit, Error> {
        let context = Name::typed(&self.context)?;
        if encrypts && self.out.is_none() && stdout().is_terminal() {
            return Err(Error::Usage(
                "what is encrypted is not for a terminal: use --out FILE or a pipe".into(),
            ));
        }
        let mut input = Input::open(self.file.as_deref())?;
        let mut connection = connect_for_values(&self.wait)?;
        let mut through = |write: &mut dyn FnMut(&[u8]) -> Result<(), Error>| {
            let read = |buffer: &mut [u8]| input.read(buffer);
            let mut came_out = false;
            let mut write = |part: &[u8]| {
                came_out = true;
                write(part)
            };
            let done = passed(&mut connection, encrypts, context.by_ref(), read, &mut write);
            done.map_err(|error| told(error, self.out.is_some(), came_out))
        };
        match &self.out {
            Some(path) => {
                let failed = |source| Error::WriteFile { path: path.clone(), source };
                write_private_by(path, |out| through(&mut |part| write_all(out, part).map_err(failed)))?;
            }
            // The input's first byte is read after a terminal was seen: what is harmless there is not known before.
            None if stdout().is_terminal() => {
                let mut text = Harmless::default();
                through(&mut |part| {
                    let part = text.take(part).ok_or_else(not_for_a_terminal)?;
                    write_all(stdout(), &part).map_err(Error::Output)
                })?;
                if !text.is_done() {
                    return Err(not_for_a_terminal());
                }
            }
            None => through(&mut |part| write_all(stdout(), part).map_err(Error::Output))?,
        }
        Ok(Exit::Ok)
    }
}

/// What became of what was decrypted, which the daemon does not know, behind its word on what is broken.
fn told(error: Error, to_file: bool, came_out: bool) -> Error {
    match error {
        Error::Refused { code: Code::Corrupt, message, retry_after }
            if !message.contains("nothing was decrypted") =>
        {
            let what = match (to_file, came_out) {
                (true, _) => "nothing was written",
                (false, true) => "what came out is its beginning and no more",
                (false, false) => "nothing came out",
            };
            Error::Refused { code: Code::Corrupt, message: format!("{message}: {what}"), retry_after }
        }
        other => other,
    }
}

fn not_for_a_terminal() -> Error {
    Error::Usage(
        "this is binary or would steer your terminal: no more of it is printed. Use --out FILE or a pipe"
            .into(),
    )
}

fn passed(
    connection: &mut Connection,
    encrypts: bool,
    context: Name<'_>,
    read: impl FnMut(&mut [u8]) -> Result<usize, Error>,
    write: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    match encrypts {
        true => connection.encrypt(context, read, write),
        false => connection.decrypt(context, read, write),
    }
    .map(drop)
}

/// What is read.
enum Input {
    Standard,
    File(OwnedFd, PathBuf),
}

impl Input {
    fn open(file: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            if stdin().is_terminal() {
                return Err(Error::NoInput("nothing to read: name a FILE, or use a pipe or < FILE"));
            }
            return Ok(Self::Standard);
        };
        let file = File::open(path);
        let file = file.map_err(|source| Error::ReadFile { path: path.to_owned(), source })?;
        Ok(Self::File(file.into(), path.to_owned()))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        match self {
            Self::Standard => read_some(stdin(), buffer).map_err(Error::ReadInput),
            Self::File(file, path) => {
                read_some(file, buffer).map_err(|source| Error::ReadFile { path: path.clone(), source })
            }
        }
    }
}
