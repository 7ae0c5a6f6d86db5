//! How redb's tables of tables describe a table: read here because redb believes it too (redb 4.5,
//! `InternalTableDefinition`).

use crate::pages::{Extent, Shape};

/// Where a tree begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Root {
    pub extent: Extent,
    /// Rows in the whole tree.
    pub rows: u64,
}

impl Root {
    /// Reads page number, checksum and rows.
    pub fn read(bytes: &[u8; 32]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let rows = u64::from_le_bytes(*rest.last_chunk()?);
        let extent = Extent::read(u64::from_le_bytes(*number))?;
        // redb adds to it.
        (rows < 1 << 48).then_some(Self { extent, rows })
    }
}

/// A table.
#[derive(Debug)]
pub(crate) struct TableDefinition {
    pub root: Option<Root>,
    pub shape: Shape,
}

impl TableDefinition {
    /// Reads a definition: kind, rows, root, sizes of keys and values, alignments, names of their types.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        const NORMAL: u8 = 3;
        let (head, types) = bytes.split_first_chunk::<64>()?;
        let number = |at: usize| head[at..].first_chunk().map(|number| u32::from_le_bytes(*number));
        let optional = |at: usize| Some(if head[at] == 0 { None } else { Some(number(at + 1)?) });
        let rows = u64::from_le_bytes(*head[1..].first_chunk()?);
        let root = match head[9] {
            0 => None,
            _ => Some(Root::read(head[10..42].try_into().ok()?)?),
        };
        if head[0] != NORMAL || rows != root.map_or(0, |root| root.rows) {
            return None;
        }
        let (key_type, value_type) = types.split_at_checked(number(60)? as usize)?;
        type_name(key_type)?;
        type_name(value_type)?;
        let (key, value) = (optional(42)?, optional(47)?);
        let before = if key.is_none() { Shape::BYTES.before } else { |_: &[u8], _: &[u8]| true };
        Some(Self { root, shape: Shape { key, value, before } })
    }
}

/// Whose type it is, and its name.
fn type_name(bytes: &[u8]) -> Option<()> {
    let (&whose, name) = bytes.split_first()?;
    std::str::from_utf8(name).ok()?;
    (1..=4).contains(&whose).then_some(())
}
