//! The daemon's few options. It is started by `glassdome_start` or a service manager, so there is
//! no need for a command line library here.

/// What the daemon is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Options {
    /// Serve; diagnostics go to stderr.
    Foreground,
    /// Serve; say `ready` on stdout, then let go of the terminal: diagnostics go to a file.
    Background,
    /// Be the helper that runs the notification command: the daemon starts it.
    Notifier,
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// What `--help` prints.
pub const HELP: &str = "\
glassdomed holds the key of your vault and serves your programs while it is unlocked.

Usage: glassdomed [--foreground | --background]

  --foreground   serve, with diagnostics on stderr (the default)
  --background   serve, say `ready` on stdout, then detach; diagnostics go to
                 $XDG_STATE_HOME/glassdome/daemon.log
  --version      print the version
  --help         print this

Example: glassdome_start    (starts it in the background, and unlocks)
";

/// Reads the options.
///
/// # Errors
/// The option that is not known.
pub fn parse(args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::Foreground;
    for arg in args {
        options = match &*arg {
            "--foreground" => Options::Foreground,
            "--background" => Options::Background,
            "--notifier" => return Ok(Options::Notifier),
            "--version" | "-V" => return Ok(Options::Version),
            "--help" | "-h" => return Ok(Options::Help),
            _ => return Err(arg),
        };
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Options, String> {
        parse(args.iter().map(|&arg| arg.to_owned()))
    }

    #[test]
    fn options_are_read_and_others_refused() {
        assert_eq!(of(&[]), Ok(Options::Foreground));
        assert_eq!(of(&["--background"]), Ok(Options::Background));
        assert_eq!(of(&["--background", "-h"]), Ok(Options::Help));
        assert_eq!(of(&["--password=x"]), Err("--password=x".to_owned()));
    }
}
