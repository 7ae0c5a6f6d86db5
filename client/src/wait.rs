//! For how long a request waits for a person's answer, how whoever started it is told that it does, and what
//! answers in the person's place.

use std::time::Duration;

use glassdome_proto::pin::Proof;
use glassdome_proto::{limits, span};

use crate::connection::Connection;
use crate::descriptor::keep_from_others;
use crate::error::Error;
use crate::password::{PasswordArgs, Source};
use crate::pin::Pin;
use crate::text::notice;

/// For how long people are waited for who said nothing else.
const DEFAULT: Duration = Duration::from_secs(60);

/// Where scripts say it once for all commands: nothing secret.
const VARIABLE: &str = "GLASSDOME_WAIT";

/// Waiting for a person's answer.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// For how long: whole seconds, up to [`limits::WAIT`]; not at all if zero.
    pub at_most: Duration,
    /// Is told the question's number, and for how long it stays open.
    pub told: fn(u32, Duration),
}

impl Wait {
    /// Not at all: what nothing speaks about is refused at once.
    pub const NOT: Self = Self { at_most: Duration::ZERO, told: |_, _| {} };

    /// For how long people are waited for who said nothing else: what the environment says
    /// (`GLASSDOME_WAIT`), or a minute.
    ///
    /// # Errors
    /// [`Error::Usage`] of a variable that is no span of time, or a longer one than [`limits::WAIT`].
    pub fn usual() -> Result<Duration, Error> {
        match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            Some(value) => parse(VARIABLE, &value.to_string_lossy()),
            None => Ok(DEFAULT),
        }
    }

    /// The line for the person who is waited for.
    pub fn line(question: u32, left: Duration) -> String {
        let left = left.as_millis().div_ceil(1000);
        format!("waiting for you: type 'ctl approve {question}' in an unlocked terminal ({left} s)")
    }

    /// As the daemon is told it.
    pub(crate) fn seconds(self) -> u16 {
        u16::try_from(self.at_most.as_secs()).unwrap_or(limits::WAIT).min(limits::WAIT)
    }
}

/// The option of every command that a person may be asked about.
#[derive(Debug, Default, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct WaitArgs {
    /// If you have to be asked, wait for your answer this long; 0: be refused at once [default: 1m, or
    /// what GLASSDOME_WAIT says]
    #[arg(long, value_name = "DURATION")]
    wait: Option<String>,
    /// If you have to be asked, say yes once by the approval PIN in the first line of descriptor N
    #[arg(long, value_name = "N", conflicts_with = "own_password_fd")]
    pin_fd: Option<u32>,
    /// As --pin-fd, by the master password, for machines without a person
    #[arg(id = "own_password_fd", long = "password-fd", value_name = "N")]
    password_fd: Option<u32>,
}

impl WaitArgs {
    /// What was typed, or what the environment says, or a minute.
    pub(crate) fn wait(&self) -> Result<Wait, Error> {
        let at_most = match self.wait.as_deref() {
            Some(typed) => parse("--wait", typed)?,
            None => Wait::usual()?,
        };
        Ok(Wait { at_most, told: |question, left| notice::say(&Wait::line(question, left)) })
    }

    /// Whether the command is to answer its own question.
    pub(crate) fn answers(&self) -> bool {
        self.pin_fd.is_some() || self.password_fd.is_some()
    }

    /// Shows the daemon what speaks for a person, if the options name it.
    ///
    /// # Errors
    /// The daemon's refusal; [`Error::NoInput`], [`Error::Usage`] of a descriptor with nothing in it.
    pub(crate) fn prove(&self, connection: &mut Connection) -> Result<(), Error> {
        if !self.answers() {
            return Ok(());
        }
        // Greets the daemon before anything is read; see `unlock`.
        connection.require_session()?;
        if let Some(number) = self.pin_fd {
            connection.prove(Proof::Pin(Pin::by_descriptor(number)?.wire()))?;
        }
        if let Some(number) = self.password_fd {
            let options = PasswordArgs { password_stdin: false, password_fd: Some(number) };
            let password = Source::open(&options)?.present("")?;
            keep_from_others(number)?;
            connection.prove(Proof::Password(password.wire()))?;
        }
        Ok(())
    }
}

fn parse(whose: &str, text: &str) -> Result<Duration, Error> {
    let seconds = if text == "0" { Some(0) } else { span::parse(text) };
    let seconds = seconds.filter(|seconds| *seconds <= u32::from(limits::WAIT));
    let seconds = seconds.ok_or_else(|| {
        Error::Usage(format!("{whose} is a span of time up to {}, or 0", span::write(limits::WAIT.into())))
    })?;
    Ok(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Result<u16, Error> {
        Ok(WaitArgs { wait: Some(text.to_owned()), ..WaitArgs::default() }.wait()?.seconds())
    }

    #[test]
    fn spans_are_whole_seconds_up_to_the_limit() {
        assert_eq!(typed("0").unwrap(), 0);
        assert_eq!(typed("90s").unwrap(), 90);
        assert_eq!(typed("10m").unwrap(), limits::WAIT);
        for bad in ["", "11m", "5", "-1s", "soon"] {
            assert_eq!(
                typed(bad).unwrap_err().to_string(),
                "--wait is a span of time up to 10m, or 0",
                "{bad}"
            );
        }
    }
}
