//! What is to be read before something is sealed, a screenful at a time: what was shown was on the screen. No
//! program of the person's does it, such as `$PAGER`: it would be asked what they see.

use crate::error::Error;
use crate::terminal::{Size, Terminal};
use crate::text::rows::{rows, width};

/// Asks whether that is enough, and offers nothing else.
pub(crate) const ENOUGH: &str = "-- Enter: more, [q] enough ";

/// Shows rows, and asks whenever the next one would push the first one off the screen.
pub(crate) struct Pager<'t> {
    terminal: &'t Terminal,
    prompt: &'static str,
    size: Size,
    used: usize,
}

/// What a person wants who was asked between two screenfuls, by its letter.
pub(crate) type Letter = char;

impl<'t> Pager<'t> {
    /// Asks with `prompt`: Enter goes on, and whatever other letters it offers are told.
    pub(crate) fn new(terminal: &'t Terminal, prompt: &'static str) -> Self {
        Self { terminal, prompt, size: terminal.size(), used: 0 }
    }

    /// The cells of a row: one less than there are, for terminals that begin a row when one is full.
    pub(crate) fn columns(&self) -> usize {
        self.size.columns - 1
    }

    /// Shows a text; a letter if the person wants no more of it.
    ///
    /// # Errors
    /// As [`Terminal::ask`].
    pub(crate) fn show(&mut self, text: &str) -> Result<Option<Letter>, Error> {
        for row in rows(text, self.columns()) {
            if self.used >= self.room()
                && let Some(letter) = self.turn()?
            {
                return Ok(Some(letter));
            }
            self.terminal.say(&row)?;
            self.used += 1;
        }
        Ok(None)
    }

    /// Shows what belongs together, on a screen of its own if there is no room below what was shown.
    ///
    /// # Errors
    /// As [`Terminal::ask`].
    pub(crate) fn show_together(&mut self, lines: &[String]) -> Result<Option<Letter>, Error> {
        if self.used > 0
            && self.used + lines.len() > self.room()
            && let Some(letter) = self.turn()?
        {
            return Ok(Some(letter));
        }
        self.show(&lines.join("\n"))
    }

    /// How many rows there are above a question.
    fn room(&self) -> usize {
        // The longest question that follows is no longer than this.
        const QUESTION: usize = 60;
        let prompt = width(self.prompt).max(QUESTION).div_ceil(self.size.columns);
        self.size.rows.saturating_sub(prompt).max(1)
    }

    fn turn(&mut self) -> Result<Option<Letter>, Error> {
        let letter = loop {
            let typed = self.terminal.ask(self.prompt)?;
            let mut letters = typed.trim().chars();
            match (letters.next(), letters.next()) {
                (None, _) => break None,
                (Some(letter), None) if self.prompt.contains(&format!("[{letter}]")) => break Some(letter),
                _ => {}
            }
        };
        self.used = 0;
        self.size = self.terminal.size();
        Ok(letter)
    }
}
