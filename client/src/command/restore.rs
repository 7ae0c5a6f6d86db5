//! `ctl restore`: make a former version the current one.

use glassdome_proto::{Answer, Body, Name, secrets};

use crate::cli::{Command, connect_to_ask};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::notice;
use crate::wait::WaitArgs;

/// What can be typed behind `ctl restore`.
#[derive(clap::Args)]
pub(crate) struct Restore {
    /// Which secret, also a removed one, and which of its versions
    #[arg(value_name = "NAME@VERSION")]
    which: String,
    #[command(flatten)]
    wait: WaitArgs,
}

impl Command for Restore {
    const NAME: &'static str = "restore";
    const ABOUT: &'static str = "Make a former version of a secret the current one, also of a removed one";
    const EXAMPLES: &'static str = "ctl history aws/prod/key\nctl restore aws/prod/key@3";

    fn run(self) -> Result<Exit, Error> {
        let (name, version) = parse(&self.which)?;
        let request = secrets::Request::Restore { name: name.clone(), version };
        match connect_to_ask(&self.wait)?.call(Body::Secrets(request))? {
            Answer::Secrets(secrets::Answer::Stored { version: current }) => {
                notice::done(&format!("{name} is as in version {version} again, as version {current}"));
                Ok(Exit::Ok)
            }
            _ => Err(Error::Unexpected),
        }
    }
}

/// Splits at the last `@`, which a name may hold as well.
fn parse(which: &str) -> Result<(Name<'static>, u64), Error> {
    let parts = which.rsplit_once('@').and_then(|(name, version)| Some((name, version.parse().ok()?)));
    let (name, version) = parts
        .ok_or_else(|| Error::Usage("which version? Write NAME@VERSION; see `ctl history NAME`".into()))?;
    Ok((Name::typed(name)?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_at_sign_parts_name_and_version() {
        let parsed = |which| parse(which).map(|(name, version)| (name.to_string(), version)).unwrap();
        assert_eq!(parsed("a/b@3"), ("a/b".to_owned(), 3));
        assert_eq!(parsed("me@home@12"), ("me@home".to_owned(), 12));
        for bad in ["a", "a@", "a@x", "a@-1", "@3"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
