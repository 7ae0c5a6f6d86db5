//! `docs/recovery.md`, followed as a person does it: its commands, typed at a terminal.

use glassdome_tests::{Pty, World};

const PAGE: &str = include_str!("../../../docs/recovery.md");

/// The blocks of commands below that heading, each as its lines.
pub fn blocks(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) =
        PAGE.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().lines().collect()).collect()
}

/// Types a line, and each answer behind its prompt, until it is done.
pub fn typed_at(world: &World, line: &str, answers: &[(&str, &str)]) -> Pty {
    let mut terminal = world.terminal(line);
    for (prompt, answer) in answers {
        terminal.expect(prompt);
        terminal.send_line(answer);
    }
    terminal.expect("✓");
    terminal
}
