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

pub(crate) fn script(shell: &str) -> Result<String, Error> {
    Ok(match shell {
        "bash" => format!("{}\n{}", generated(Shell::Bash)?, include_str!("completions/names.bash")),
        "fish" => format!("{}\n{}", generated(Shell::Fish)?, include_str!("completions/names.fish")),
        _ => zsh(&generated(Shell::Zsh)?),
    })
}

fn generated(shell: Shell) -> Result<String, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut ctl_parser(), "ctl", &mut script);
    clap_complete::generate(shell, &mut glassdome_start_parser(), "glassdome_start", &mut script);
    String::from_utf8(script).map_err(|error| Error::Output(std::io::Error::other(error)))
}

/// The file is run on the first completion, which its middle already answers: so the names come
/// first. Arguments that are names get them instead of files.
fn zsh(generated: &str) -> String {
    const NAMES: [&str; 3] = ["':name -- ", "':from -- ", "':which -- "];
    let head = "#compdef ctl glassdome\n";
    let mut script = format!("{head}\n{}", include_str!("completions/names.zsh"));
    for line in generated.lines().filter(|line| !line.starts_with("#compdef")) {
        let is_name = NAMES.iter().any(|name| line.starts_with(name));
        // A value has no place on the command line.
        if line.starts_with("'*::value -- ") {
            continue;
        }
        let line = if is_name { line.replace(":_default'", ":_glassdome_names'") } else { line.to_owned() };
        script.push_str(&line.replace("compdef _ctl ctl", "compdef _ctl ctl glassdome"));
        script.push('\n');
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_complete_where_names_are_typed() {
        let script = script("zsh").unwrap();
        // get, set, info, rm, mv, history, restore, policy test, log.
        assert_eq!(script.matches(":_glassdome_names'").count(), 9);
        assert!(script.contains("compdef _ctl ctl glassdome\n"));
        assert!(!script.contains("*::value"));
    }

    #[test]
    fn what_only_scripts_call_is_not_offered() {
        for shell in ["bash", "zsh", "fish"] {
            let script = script(shell).unwrap();
            assert!(script.contains("glassdome_start") && script.contains("ctl"), "{shell}");
            // Once: in the function that asks for names.
            assert_eq!(script.matches("complete-names").count(), 1, "{shell}");
        }
    }
}
