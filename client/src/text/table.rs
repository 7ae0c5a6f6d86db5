//! Columns of equal width, for listings on a terminal.

/// One line a row, columns padded to their widest cell with two blanks between; the last column is
/// not padded. Widths are counted in characters.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    Columns::any().lines(rows)
}

/// Columns of a listing that comes in parts: a later part is at least as wide.
pub(crate) struct Columns {
    widths: Vec<usize>,
    widest: usize,
}

impl Columns {
    /// Columns of any width.
    pub(crate) fn any() -> Self {
        Self::up_to(usize::MAX)
    }

    /// Columns that a cell of more characters than `widest` does not widen.
    pub(crate) fn up_to(widest: usize) -> Self {
        Self { widths: Vec::new(), widest }
    }

    /// The next part, as [`columns`] has it.
    pub(crate) fn lines(&mut self, rows: &[Vec<String>]) -> String {
        for row in rows {
            for (column, cell) in row.iter().enumerate() {
                let width = width(cell).min(self.widest);
                match self.widths.get_mut(column) {
                    Some(widest) => *widest = width.max(*widest),
                    None => self.widths.push(width),
                }
            }
        }
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for (cell, widest) in row.iter().zip(&self.widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', (widest + 2).saturating_sub(width(cell)).max(2)));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Characters of `cell` that take room: all but colours (ECMA-48, SGR).
fn width(cell: &str) -> usize {
    let mut inside = false;
    let takes_room = |c: &char| {
        let room = !inside && *c != '\x1b';
        inside = *c == '\x1b' || (inside && *c != 'm');
        room
    };
    cell.chars().filter(takes_room).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "ключ", "x"]), row(["long", "b", ""])];
        assert_eq!(columns(&rows), "a     ключ  x\nlong  b\n");
        assert_eq!(columns(&[]), "");
        let mut parts = Columns::any();
        assert_eq!(parts.lines(&rows[1..]) + &parts.lines(&rows[..1]), "long  b\na     ключ  x\n");
        let long = [row(["much too long", "b", ""]), row(["c", "d", ""])];
        assert_eq!(Columns::up_to(4).lines(&long), "much too long  b\nc     d\n");
        let coloured = [row(["\x1b[2ma\x1b[0m", "b", ""]), row(["long", "b", ""])];
        assert_eq!(columns(&coloured), "\x1b[2ma\x1b[0m     b\nlong  b\n");
    }
}
