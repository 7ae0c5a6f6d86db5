//! Which characters never reach a person as they are. Names and words of other processes are shown by
//! the daemon and by the clients: both go by this one list, so that neither lets through what the
//! other would not.

use unicode_normalization::char::is_combining_mark;

/// Whether this character steers a terminal, shows nothing, or turns the text around it: control
/// characters, line and paragraph separators, the bidirectional controls (UAX #9), interlinear
/// annotation, whatever is `Default_Ignorable_Code_Point` (UAX #44), and the blank of Braille.
///
/// Spaces are none of these: they show, as spaces.
pub fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{fff9}'..='\u{fffb}' | '\u{2800}')
        || is_default_ignorable(c)
}

/// Whether this character shows as what it is: it does not deceive, and is no blank but the space, nor
/// one of private use, which is whatever a font makes of it.
pub fn shows_as_itself(c: char) -> bool {
    let private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..);
    let blank = c != ' ' && c.is_whitespace();
    !(deceives(c) || private || blank)
}

/// Quotation marks, and what looks like them.
pub fn is_quotation_mark(c: char) -> bool {
    matches!(c,
        '"' | '«' | '»' | '\u{2ba}' | '\u{2dd}' | '\u{2ee}' | '\u{2f5}'..='\u{2f6}' | '\u{5f2}' | '\u{5f4}'
        | '\u{1cd3}' | '\u{201c}'..='\u{201f}' | '\u{2033}'..='\u{2037}' | '\u{2057}' | '\u{275d}'..='\u{2760}'
        | '\u{2e42}' | '\u{3003}' | '\u{301d}'..='\u{301f}' | '\u{ff02}' | '\u{1f676}'..='\u{1f678}')
}

/// Whether `c` may stand in a quotation as it is, behind `before`, or first in it: it shows as itself, and where it
/// is. No mark in it can pass for its end, or be drawn over that; no letter of a script that is written from right to
/// left turns the line around it; and no run of blanks shifts what follows to where something else seems to begin.
pub fn stands_in_quotes(before: Option<char>, c: char) -> bool {
    let run_of_blanks = c == ' ' && before == Some(' ');
    let on_a_letter = before.is_some_and(|before| before.is_alphabetic() || is_combining_mark(before));
    shows_as_itself(c)
        && !is_quotation_mark(c)
        && !is_right_to_left(c)
        && !run_of_blanks
        && (!is_combining_mark(c) || on_a_letter && !is_of_no_script(c))
}

/// Combining marks for whatever letter, and none; a name in normal form C needs them for hardly any.
fn is_of_no_script(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

/// The blocks whose characters are R or AL where nothing else is said (DerivedBidiClass.txt of Unicode 16).
fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// DerivedCoreProperties.txt of Unicode 16.
fn is_default_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_hides_or_turns_around_is_known() {
        let hidden = "\0\t\n\x1b\x7f\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\
                      \u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{206f}\u{2800}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\
                      \u{fff9}\u{fffa}\u{fffb}\u{1d173}\u{e0000}\u{e0001}\u{e0020}\u{e007f}\u{e01ef}";
        for c in hidden.chars() {
            assert!(deceives(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn what_shows_is_left() {
        for c in (' '..='~').chain("é ß ключ データ שלום हिन्दी → … “ ” \u{a0} \u{3000} \u{fffd} 🔑".chars())
        {
            assert!(!deceives(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn nothing_in_a_quotation_ends_it_turns_it_around_or_moves_what_follows() {
        let first = |c| stands_in_quotes(None, c);
        for c in "\"“\u{201f}〃˵˶᳓⁗אعܐߊࠀ\u{fb2a}\u{fdf2}𐤀𞤀\u{336}\u{20e6}\u{93f}\u{e31}\u{202e}\t".chars()
        {
            assert!(!first(c), "U+{:04X}", u32::from(c));
        }
        for (before, c) in
            [(' ', '\u{30e}'), (' ', '\u{93f}'), (' ', ' '), ('x', '\u{30b}'), ('x', '\u{20e6}')]
        {
            assert!(!stands_in_quotes(Some(before), c), "U+{:04X}", u32::from(c));
        }
        for text in ["npm install", "é ключ データ हिन्दी ไทย 한국어 🔑", "a (1): b, → c"]
        {
            let mut before = None;
            for c in text.chars() {
                assert!(stands_in_quotes(before.replace(c), c), "U+{:04X} of {text}", u32::from(c));
            }
        }
    }

    #[test]
    fn what_may_be_taken_for_something_else_does_not_show_as_itself() {
        for c in "\t\u{a0}\u{3000}\u{2003}\u{e0a0}\u{fdd0}\u{100000}\u{202e}".chars() {
            assert!(!shows_as_itself(c), "U+{:04X}", u32::from(c));
        }
        for c in (' '..='~').chain("éклюデ🔑".chars()) {
            assert!(shows_as_itself(c), "U+{:04X}", u32::from(c));
            assert_eq!(is_quotation_mark(c), c == '"');
        }
        for c in "“”„‟″‶＂«»🙶🙷🙸〝❝".chars() {
            assert!(is_quotation_mark(c), "U+{:04X}", u32::from(c));
        }
    }
}
