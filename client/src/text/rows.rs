//! How much of a terminal a text takes: what is to be read before something is sealed must not push itself off
//! the screen.
//!
//! A character that is not ASCII counts as two cells, which is the most that any takes: a row never becomes two.

/// What stands before the rest of a line: no line that begins so says what becomes of a rule.
const FURTHER: &str = "        ";

const CUT: &str = "…";

/// The lines of a text, each as the rows of at most `columns` cells that it takes. Its colour goes on.
pub(crate) fn rows(text: &str, columns: usize) -> Vec<String> {
    text.lines().flat_map(|line| folded(line, columns)).collect()
}

/// As much of its start as fits `columns` cells.
pub(crate) fn start(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let kept = within(text.chars(), columns.saturating_sub(width(CUT)));
    text.chars().take(kept).chain(CUT.chars()).collect()
}

/// As much of its end as fits `columns` cells.
pub(crate) fn end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let kept = within(text.chars().rev(), columns.saturating_sub(width(CUT)));
    let left_out = text.chars().count() - kept;
    CUT.chars().chain(text.chars().skip(left_out)).collect()
}

/// The cells that it takes at most.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

fn cells(c: char) -> usize {
    if c.is_ascii() { 1 } else { 2 }
}

/// How many of these fit.
fn within(chars: impl Iterator<Item = char>, columns: usize) -> usize {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += cells(*c);
            used <= columns
        })
        .count()
}

fn folded(line: &str, columns: usize) -> Vec<String> {
    let mut all = Vec::new();
    let (mut row, mut used, mut colour) = (String::new(), 0, String::new());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\x1b' {
            // Ours: words of others hold none.
            let sequence: String =
                std::iter::once(c).chain(rest.by_ref().take_while(|c| *c != 'm')).collect();
            colour = if sequence.ends_with("[0") { String::new() } else { format!("{sequence}m") };
            row.push_str(&sequence);
            row.push('m');
            continue;
        }
        if used + cells(c) > columns {
            if !colour.is_empty() {
                row.push_str("\x1b[0m");
            }
            all.push(std::mem::replace(&mut row, format!("{FURTHER}{colour}")));
            used = FURTHER.len();
        }
        row.push(c);
        used += cells(c);
    }
    all.push(row);
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::style::Style;

    #[test]
    fn a_long_line_is_many_rows_and_none_of_them_looks_like_another_line() {
        let line = format!("+secrets = [\"{}\n-x", "a".repeat(20));
        assert_eq!(rows(&line, 20), ["+secrets = [\"aaaaaaa", "        aaaaaaaaaaaa", "        a", "-x"]);
        assert_eq!(rows("", 20), [""; 0]);
        assert_eq!(rows("ab", 2), ["ab"]);
        assert_eq!(rows("データ", 20), ["データ"]);
    }

    #[test]
    fn colour_takes_no_room_and_ends_with_its_row() {
        let red = "\x1b[31m";
        let text = format!("{red}{}\x1b[0mb", "a".repeat(12));
        let expected = [format!("{red}{}\x1b[0m", "a".repeat(10)), format!("{FURTHER}{red}aa\x1b[0m")];
        let rows = rows(&text, 10);
        assert_eq!(rows[..2], expected);
        assert_eq!(rows[2], format!("{FURTHER}b"));
        assert_eq!(super::rows(&Style::plain().bad("x"), 1), ["x"]);
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!((start("abcdef", 6), start("abcdef", 5)), ("abcdef".into(), "abc…".into()));
        assert_eq!((end("abcdef", 6), end("abcdef", 5)), ("abcdef".into(), "…def".into()));
        assert_eq!(end("データ", 5), "…タ");
        assert_eq!((start("abc", 0), end("abc", 0)), ("…".into(), "…".into()));
    }

    proptest! {
        #[test]
        fn no_row_is_longer_than_the_screen(text in "\\PC{0,200}", columns in 12usize..100) {
            let all = rows(&text, columns);
            prop_assert!(all.iter().all(|row| width(row) <= columns), "{all:?}");
            let joined: String = all.iter().enumerate().map(|(n, row)| &row[if n > 0 { 8 } else { 0 }..]).collect();
            prop_assert_eq!(joined, text.lines().collect::<String>());
            prop_assert!(width(&start(&text, columns)) <= columns && width(&end(&text, columns)) <= columns);
        }
    }
}
