//! redb's pages, read strictly. redb believes a page: where a row lies in it, how long the page it points to
//! is. In a file that somebody made on purpose that means a panic or gigabytes of memory, so what a page says
//! is looked at here before redb sees it. The format is in redb's `docs/design.md`, "B+tree pages".

use std::ops::Range;

/// Size of the smallest page, in bytes.
pub(crate) const PAGE: u64 = 4096;
/// log2 of the pages of a region (4 GiB).
pub(crate) const REGION_ORDER: u8 = 20;
/// log2 of the most pages that belong together (4 MiB). A row is not much larger than
/// [`MAX_SECRET`](crate::MAX_SECRET), and the state of a region's pages takes 256 KiB.
const MAX_ORDER: u8 = 10;

const LEAF: u8 = 1;
const BRANCH: u8 = 2;

/// The pages of one allocation, which redb calls one page: a power of two of them. The first page after the
/// file's header is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    first: u64,
    order: u8,
}

impl Extent {
    /// Reads a page number: the index in units of its own size (20 bits), the region (20 bits), the order.
    pub fn read(number: u64) -> Option<Self> {
        let order = (number >> 59) as u8;
        let index = number & (0x000F_FFFF_u64.checked_shr(order.into())?);
        let region = (number >> REGION_ORDER) & 0x000F_FFFF;
        (order <= MAX_ORDER).then_some(Self { first: (region << REGION_ORDER) + (index << order), order })
    }

    /// Where it begins in the file, in bytes.
    pub fn offset(self) -> u64 {
        (1 + self.first) * PAGE
    }

    /// How long it is, in bytes: 4 MiB at the most.
    pub fn length(self) -> usize {
        (PAGE as usize) << self.order
    }

    /// Its pages.
    pub fn pages(self) -> Range<u64> {
        self.first..self.first + (1 << self.order)
    }
}

/// How the rows of a tree are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Size of each key, in bytes, if all are alike.
    pub key: Option<u32>,
    /// Size of each value, in bytes, if all are alike.
    pub value: Option<u32>,
    /// Whether a key belongs before another.
    pub before: fn(&[u8], &[u8]) -> bool,
}

impl Shape {
    /// Any bytes to any bytes: the vault's own tables, and redb's tables of tables.
    pub const BYTES: Self = Self { key: None, value: None, before: |a, b| a < b };
}

/// A page whose parts lie inside it and in order.
pub(crate) enum Node<'a> {
    /// Keys and values; at least one.
    Leaf(Vec<(&'a [u8], &'a [u8])>),
    /// What it leads to; at least two.
    Branch(Vec<Extent>),
}

impl<'a> Node<'a> {
    /// Whether a page is a leaf, as [`Node::read`] would say, without keeping what is read: this is asked of each
    /// page that a lookup takes from the disk.
    pub fn is_leaf(page: &[u8], shape: Shape) -> bool {
        let count =
            page.get(2..).and_then(|rest| rest.first_chunk()).map_or(0, |count| u16::from_le_bytes(*count));
        count > 0 && page[0] == LEAF && sound_leaf(page, shape, count.into()).is_some()
    }

    /// Reads a page; `None` if any of it is not as it must be.
    pub fn read(page: &'a [u8], shape: Shape) -> Option<Self> {
        let count = usize::from(u16::from_le_bytes(*page.get(2..)?.first_chunk()?));
        if count == 0 {
            return None;
        }
        match page[0] {
            LEAF => leaf(page, shape, count).map(Self::Leaf),
            BRANCH => branch(page, shape, count).map(Self::Branch),
            _ => None,
        }
    }
}

fn leaf(page: &[u8], shape: Shape, count: usize) -> Option<Vec<(&[u8], &[u8])>> {
    let (keys, values) = sound_leaf(page, shape, count)?;
    keys.zip(values).map(|(key, value)| Some((key?, value?))).collect()
}

/// The keys and the values of a leaf in which all of them are sound.
fn sound_leaf(page: &[u8], shape: Shape, count: usize) -> Option<(Pieces<'_>, Pieces<'_>)> {
    let key_ends = 4;
    let value_ends = key_ends + if shape.key.is_none() { 4 * count } else { 0 };
    let start = value_ends + if shape.value.is_none() { 4 * count } else { 0 };
    let keys = Pieces { page, size: shape.key, ends: key_ends, from: start, left: count };
    let values_start = keys.sound_and(shape.before)?;
    let values = Pieces { size: shape.value, ends: value_ends, from: values_start, ..keys };
    values.sound_and(|_, _| true)?;
    Some((keys, values))
}

fn branch(page: &[u8], shape: Shape, count: usize) -> Option<Vec<Extent>> {
    const CHECKSUM: usize = 16;
    let children = 8 + CHECKSUM * (count + 1);
    let key_ends = children + 8 * (count + 1);
    let start = key_ends + if shape.key.is_none() { 4 * count } else { 0 };
    Pieces { page, size: shape.key, ends: key_ends, from: start, left: count }.sound_and(shape.before)?;
    let (numbers, _) = page.get(children..key_ends)?.as_chunks();
    numbers.iter().map(|&number| Extent::read(u64::from_le_bytes(number))).collect()
}

/// Pieces one behind the other: each of `size`, or up to where the table at `ends` says. `None` for one that does
/// not lie in the page, or begins behind its end.
#[derive(Clone, Copy)]
struct Pieces<'a> {
    page: &'a [u8],
    size: Option<u32>,
    ends: usize,
    from: usize,
    left: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.piece())
    }
}

impl<'a> Pieces<'a> {
    fn piece(&mut self) -> Option<&'a [u8]> {
        let to = match self.size {
            Some(size) => self.from.checked_add(size as usize)?,
            None => u32::from_le_bytes(*self.page.get(self.ends..)?.first_chunk()?) as usize,
        };
        self.ends += 4;
        let piece = self.page.get(self.from..to)?;
        self.from = to;
        Some(piece)
    }

    /// Where the last of them ends, if all lie in the page, each before the next.
    fn sound_and(mut self, before: impl Fn(&[u8], &[u8]) -> bool) -> Option<usize> {
        let mut last = None;
        while self.left > 0 {
            let piece = self.next()??;
            if last.is_some_and(|last| !before(last, piece)) {
                return None;
            }
            last = Some(piece);
        }
        Some(self.from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A leaf as redb writes it.
    fn page(rows: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut page = vec![LEAF, 0, rows.len() as u8, 0];
        let mut end = (4 + 8 * rows.len()) as u32;
        for piece in rows.iter().map(|row| row.0).chain(rows.iter().map(|row| row.1)) {
            end += piece.len() as u32;
            page.extend(end.to_le_bytes());
        }
        rows.iter().for_each(|row| page.extend(row.0));
        rows.iter().for_each(|row| page.extend(row.1));
        page.resize(4096, 0);
        page
    }

    #[test]
    fn a_leaf_is_read_and_a_wrong_one_is_not() {
        let rows: [(&[u8], &[u8]); 3] = [(b"a", b"one"), (b"b", b""), (b"cc", b"three")];
        let sound = page(&rows);
        let Some(Node::Leaf(read)) = Node::read(&sound, Shape::BYTES) else { panic!("a sound leaf") };
        assert_eq!(read, rows);
        for (at, byte) in [(0, BRANCH), (0, 3), (2, 0), (2, 4), (3, 1), (4, 27), (4, 90), (8, 0), (16, 0xFF)]
        {
            let mut wrong = sound.clone();
            wrong[at] = byte;
            assert!(Node::read(&wrong, Shape::BYTES).is_none(), "byte {at} = {byte}");
        }
        assert!(Node::read(&page(&[(b"b", b""), (b"a", b"")]), Shape::BYTES).is_none(), "order");
        assert!(Node::read(&page(&[(b"a", b""), (b"a", b"")]), Shape::BYTES).is_none(), "twice");
    }

    #[test]
    fn a_page_number_leads_to_pages_of_one_region() {
        assert_eq!(Extent::read(5), Some(Extent { first: 5, order: 0 }));
        assert_eq!(Extent::read((3 << 59) | (1 << 20) | 2), Some(Extent { first: (1 << 20) + 16, order: 3 }));
        for order in 11..32 {
            assert_eq!(Extent::read(order << 59), None, "{order}");
        }
        for order in 0..=u64::from(MAX_ORDER) {
            let last = Extent::read((order << 59) | 0xF_FFFF).unwrap().pages();
            assert_eq!(last.end, 1 << REGION_ORDER);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..4, count in 0_u8..9,
                          key in any::<Option<u32>>(), value in any::<Option<u32>>()) {
            let mut bytes = bytes;
            if let Some(start) = bytes.first_chunk_mut() {
                *start = [kind, 0, count, 0];
            }
            let shape = Shape { key, value, ..Shape::BYTES };
            let is_leaf = matches!(Node::read(&bytes, shape), Some(Node::Leaf(_)));
            prop_assert_eq!(Node::is_leaf(&bytes, shape), is_leaf);
        }
    }
}
