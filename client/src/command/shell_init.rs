//! `ctl shell-init`: what a shell evaluates when it starts, so that what is typed in it can be told from
//! what its programs run.
//!
//! The shell keeps a random token in a variable that is never exported, and functions in place of the
//! programs hand it over by descriptor: `/dev/fd/N` of a process substitution in bash and zsh, stdin in
//! fish. It is in no argument, no environment and no file. Whoever starts `ctl` otherwise has no token.
//!
//! On request the prompt shows the session, too: with the files that are installed for shells without a token.

use super::completions;
use crate::cli::{Command, print};
use crate::error::Error;
use crate::exit::Exit;

/// What can be typed behind `ctl shell-init`.
#[derive(clap::Args)]
pub(crate) struct ShellInit {
    /// For which shell
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
    /// Show the session in the prompt, too; config.toml must say state_file = true
    #[arg(long)]
    prompt: bool,
}

impl Command for ShellInit {
    const NAME: &'static str = "shell-init";
    const ABOUT: &'static str =
        "Print what a shell's start-up file evaluates: a token for this terminal, completions, a prompt";
    const EXAMPLES: &'static str = "eval \"$(ctl shell-init bash)\"    # in ~/.bashrc\n\
                                    eval \"$(ctl shell-init zsh --prompt)\"    # in ~/.zshrc, after compinit\n\
                                    ctl shell-init fish | source     # in ~/.config/fish/config.fish";

    fn run(self) -> Result<Exit, Error> {
        print(&script(&self.shell)?)?;
        if self.prompt {
            print(prompt(&self.shell))?;
        }
        Ok(Exit::Ok)
    }
}

/// The session in the prompt, read without a process.
fn prompt(shell: &str) -> &'static str {
    match shell {
        "bash" => include_str!("../../../packaging/prompt/glassdome.bash"),
        "fish" => include_str!("../../../packaging/prompt/glassdome.fish"),
        _ => include_str!("../../../packaging/prompt/glassdome.zsh"),
    }
}

fn script(shell: &str) -> Result<String, Error> {
    let completions = completions::script(shell)?;
    Ok(match shell {
        "bash" => format!("{}\n{completions}", include_str!("shell_init/init.bash")),
        "fish" => format!("{}\n{completions}", include_str!("shell_init/init.fish")),
        // compdef is there once compinit has run.
        _ => format!(
            "{}\nif (( $+functions[compdef] )); then\n{completions}\nfi\n",
            include_str!("shell_init/init.zsh")
        ),
    })
}
