//! Colour, and when there is any: only on a terminal, and never with `NO_COLOR`
//! (<https://no-color.org>).

use std::io::IsTerminal;

/// Whether and how to colour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// For what goes to `stream`.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: !refused && stream.is_terminal() }
    }

    /// Never any.
    pub(crate) fn plain() -> Self {
        Self { colour: false }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn careful(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_wraps_the_text_and_nothing_else_changes() {
        assert_eq!(Style { colour: true }.good("x"), "\x1b[32mx\x1b[0m");
        assert_eq!(Style::plain().bad("x"), "x");
    }

    #[test]
    fn what_is_no_terminal_has_no_colour() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(!Style::of(&file).colour);
    }
}
