//! `docs/recovery.md`, followed as a person does it: its commands, typed at a terminal. None of a section that is
//! followed can be left out.

use std::cell::RefCell;

use glassdome_tests::{Pty, World};

pub const PAGE: &str = include_str!("../../../docs/recovery.md");

/// What stands below a heading. Whoever follows it types all of its commands, or fails.
pub struct Section {
    heading: &'static str,
    blocks: Vec<Vec<&'static str>>,
    typed: RefCell<Vec<&'static str>>,
}

/// The section that is to be followed.
pub fn follow(heading: &'static str) -> Section {
    let (_, section) =
        PAGE.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    Section { heading, blocks: blocks_in(section), typed: RefCell::default() }
}

/// The blocks of commands there, each as its lines.
pub fn blocks_in(section: &'static str) -> Vec<Vec<&'static str>> {
    let blocks = section.split("```sh\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().lines().collect()).collect()
}

impl Section {
    /// Its commands, in their order.
    pub fn lines<const N: usize>(&self) -> [&'static str; N] {
        let lines = self.blocks.concat();
        lines.try_into().unwrap_or_else(|lines| panic!("{}: {lines:?}", self.heading))
    }

    /// That line is going to be typed.
    pub fn takes(&self, line: &'static str) -> &'static str {
        assert!(
            self.blocks.iter().flatten().any(|known| *known == line),
            "{line} is none of {}",
            self.heading
        );
        self.typed.borrow_mut().push(line);
        line
    }

    /// Types a line, and each answer behind its prompt, until it is done.
    pub fn typed_at(&self, world: &World, line: &'static str, answers: &[(&str, &str)]) -> Pty {
        let mut terminal = self.begun_at(world, line, answers);
        terminal.expect("✓");
        terminal
    }

    /// Types a line, and each answer behind its prompt.
    pub fn begun_at(&self, world: &World, line: &'static str, answers: &[(&str, &str)]) -> Pty {
        answered(world.terminal(self.takes(line)), answers)
    }

    /// As [`Self::begun_at`], in a terminal in which the master password was typed before.
    pub fn granted_at(&self, world: &World, line: &'static str, password: &str) -> Pty {
        let granted = format!("ctl unlock && {}", self.takes(line));
        answered(world.terminal(&granted), &[("Master password, to grant this terminal: ", password)])
    }
}

fn answered(mut terminal: Pty, answers: &[(&str, &str)]) -> Pty {
    for (prompt, answer) in answers {
        terminal.expect(prompt);
        terminal.send_line(answer);
    }
    terminal
}

impl Drop for Section {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let typed = self.typed.borrow();
        for line in self.blocks.iter().flatten() {
            assert!(typed.contains(line), "{}: nobody has typed {line}", self.heading);
        }
    }
}
