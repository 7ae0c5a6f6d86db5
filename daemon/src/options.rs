//! The daemon's few options. It is started by `glassdome_start` or a service manager, so there is
//! no need for a command line library here.

use std::ffi::OsString;

use crate::recover::Recovery;

/// What the daemon is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Options {
    /// Serve; diagnostics go to stderr.
    Foreground,
    /// Serve; say `ready` on stdout, then let go of the terminal: diagnostics go to a file.
    Background,
    /// Be the helper that runs the notification command: the daemon starts it.
    Notifier,
    /// Make the vault out of a backup, and end.
    Recover(Recovery),
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// What `--help` prints.
pub const HELP: &str = "\
glassdomed holds the key of your vault and serves your programs while it is unlocked.

Usage: glassdomed [--foreground | --background | --recover FILE | --check-backup FILE]

  --foreground   serve, with diagnostics on stderr (the default)
  --background   serve, say `ready` on stdout, then detach; diagnostics go to
                 $XDG_STATE_HOME/glassdome/daemon.log
  --recover FILE, --check-backup FILE
                 make the vault out of a backup, or see whether one can be made:
                 ctl storage recover runs it
  --version      print the version
  --help         print this

Example: glassdome_start    (starts it in the background, and unlocks)
";

/// Reads the options.
///
/// # Errors
/// The option that is not known.
pub fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Options, OsString> {
    let mut options = Options::Foreground;
    while let Some(arg) = args.next() {
        options = match arg.to_str() {
            Some("--foreground") => Options::Foreground,
            Some("--background") => Options::Background,
            Some("--notifier") => return Ok(Options::Notifier),
            Some("--recover" | "--check-backup") => {
                let check = arg == "--check-backup";
                let backup = args.next().ok_or(arg)?.into();
                return args.next().map_or(Ok(Options::Recover(Recovery { backup, check })), Err);
            }
            Some("--version" | "-V") => return Ok(Options::Version),
            Some("--help" | "-h") => return Ok(Options::Help),
            _ => return Err(arg),
        };
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Options, OsString> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn options_are_read_and_others_refused() {
        assert_eq!(of(&[]), Ok(Options::Foreground));
        assert_eq!(of(&["--background"]), Ok(Options::Background));
        assert_eq!(of(&["--background", "-h"]), Ok(Options::Help));
        assert_eq!(of(&["--password=x"]), Err("--password=x".into()));
        let recovery = |check| Options::Recover(Recovery { backup: "--a file".into(), check });
        assert_eq!(of(&["--recover", "--a file"]), Ok(recovery(false)));
        assert_eq!(of(&["--check-backup", "--a file"]), Ok(recovery(true)));
        assert_eq!(of(&["--recover"]), Err("--recover".into()));
        assert_eq!(of(&["--recover", "a", "b"]), Err("b".into()));
    }
}
