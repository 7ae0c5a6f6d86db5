//! `ctl completions`: what a shell loads to complete commands, options and, while a session is open,
//! the names of secrets.
//!
//! A name may hold `$(…)` or blanks: it is only ever compared and quoted, never expanded.

use clap_complete::Shell;

use crate::cli::{Command, ctl_parser, glassdome_start_parser, print};
use crate::error::Error;
use crate::exit::Exit;

/// What can be typed behind `ctl completions`.
#[derive(clap::Args)]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

impl Command for Completions {
    const NAME: &'static str = "completions";
    const ABOUT: &'static str = "Print the completions of ctl and glassdome_start for a shell to load";
    const EXAMPLES: &'static str = "source <(ctl completions bash)\n\
                                    ctl completions zsh > ~/.zfunc/_ctl\n\
                                    ctl completions fish > ~/.config/fish/completions/ctl.fish";

    fn run(self) -> Result<Exit, Error> {
        print(&script(&self.shell)?)?;
        Ok(Exit::Ok)
    }
}

fn script(shell: &str) -> Result<String, Error> {
    let (shell, names) = match shell {
        "bash" => (Shell::Bash, include_str!("completions/names.bash")),
        "zsh" => (Shell::Zsh, include_str!("completions/names.zsh")),
        _ => (Shell::Fish, include_str!("completions/names.fish")),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut ctl_parser(), "ctl", &mut script);
    clap_complete::generate(shell, &mut glassdome_start_parser(), "glassdome_start", &mut script);
    let script = String::from_utf8(script).map_err(|error| Error::Output(std::io::Error::other(error)))?;
    Ok(format!("{script}\n{names}"))
}
