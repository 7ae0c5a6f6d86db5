//! What the keys of a hidden line do: erase a character, a word or all; arrow keys and the like do
//! nothing. It never shows what it holds, and its one buffer never grows and is wiped.

use zeroize::Zeroizing;

/// A line that is being typed.
pub(crate) struct Editor {
    line: Zeroizing<Vec<u8>>,
    max: usize,
    over: bool,
    escape: Escape,
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The line is whole.
    Enter,
    /// The input ends before it began.
    Nothing,
}

/// Where in an escape sequence (ECMA-48, 5.4) the input is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Introduced,
    Inside,
}

impl Editor {
    /// Of a line of at most `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self { line: Zeroizing::new(Vec::with_capacity(max)), max, over: false, escape: Escape::None }
    }

    /// Takes one byte of what is typed.
    pub(crate) fn feed(&mut self, byte: u8) -> Option<End> {
        match (self.escape, byte) {
            (Escape::Introduced, b'[' | b'O') => self.escape = Escape::Inside,
            (Escape::Introduced, _) => self.escape = Escape::None,
            (Escape::Inside, 0x40..=0x7e) => self.escape = Escape::None,
            (Escape::Inside, _) => {}
            (Escape::None, b'\n' | b'\r') => return Some(End::Enter),
            (Escape::None, 0x04) if self.line.is_empty() => return Some(End::Nothing),
            (Escape::None, 0x08 | 0x7f) => self.erase_character(),
            (Escape::None, 0x15) => self.line.clear(),
            (Escape::None, 0x17) => self.erase_word(),
            (Escape::None, 0x1b) => self.escape = Escape::Introduced,
            (Escape::None, 0..=0x1f) => {}
            (Escape::None, _) if self.line.len() == self.max => self.over = true,
            (Escape::None, _) => self.line.push(byte),
        }
        None
    }

    /// The line; `None` if more was typed than fits.
    pub(crate) fn finish(self) -> Option<Zeroizing<Vec<u8>>> {
        (!self.over).then_some(self.line)
    }

    fn erase_character(&mut self) {
        // The continuation bytes of UTF-8 go with the byte that they continue.
        while self.line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
    }

    fn erase_word(&mut self) {
        while self.line.last() == Some(&b' ') {
            self.line.pop();
        }
        while self.line.last().is_some_and(|byte| *byte != b' ') {
            self.line.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> (Vec<u8>, Option<End>) {
        let mut editor = Editor::new(16);
        let end = keys.iter().find_map(|&key| editor.feed(key));
        (editor.line.to_vec(), end)
    }

    #[test]
    fn keys_edit_the_line() {
        assert_eq!(typed(b"abc\n"), (b"abc".to_vec(), Some(End::Enter)));
        assert_eq!(typed("aé\x7f\x08b\r".as_bytes()), (b"b".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"one two \x17\n"), (b"one ".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"wrong\x15right\n"), (b"right".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"a\x1b[1;5Cb\x1bOAc\x1bxd\x01\n"), (b"abcd".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"a\x04b\n"), (b"ab".to_vec(), Some(End::Enter)));
        assert_eq!(typed(b"\x04").1, Some(End::Nothing));
        assert_eq!(typed(b"\x7f\x7fa").0, b"a");
    }

    #[test]
    fn a_line_over_its_limit_is_refused_not_cut() {
        let mut editor = Editor::new(3);
        assert!(b"abcd".iter().all(|&key| editor.feed(key).is_none()));
        assert!(editor.finish().is_none());
        let mut editor = Editor::new(3);
        assert!(b"abc".iter().all(|&key| editor.feed(key).is_none()));
        assert!(editor.finish().is_some_and(|line| *line == b"abc"));
    }
}
