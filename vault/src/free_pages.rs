//! The free pages, as redb keeps them in the file: a buddy allocator for each region, a tree of bitmaps for
//! each order. redb takes their word for it, and does not get out of a contradiction between them alive. The
//! format is in redb's `docs/design.md`, "Regional allocator state" and "Region tracker".

use crate::bits::Bits;
use crate::pages::REGION_ORDER;

/// Pages of a region.
pub(crate) const REGION: u64 = 1 << REGION_ORDER;
/// Orders of the allocator of a region.
const ORDERS: usize = REGION_ORDER as usize + 1;
/// The regions that redb can count.
const MAX_REGIONS: u64 = 1 << 20;

/// The free pages of a region, for each order: bit `i` clear means that the `i`th group of `2^order` pages is
/// free. Adds them to `free`, `base` being the first page of the region; says how many pages the region has.
pub(crate) fn region(state: &[u8], base: u64, free: &mut Bits) -> Option<u64> {
    let pages = u64::from(number(state, 4)?);
    if usize::from(*state.first()?) != ORDERS - 1 || pages == 0 || pages > REGION {
        return None;
    }
    let mut start = 8 + 4 * ORDERS;
    for order in 0..ORDERS {
        let end = number(state, 8 + 4 * order)? as usize;
        let bitmap = Bitmap::read(state.get(start..end)?, REGION >> order)?;
        start = end;
        if bitmap.length != pages >> order {
            return None;
        }
        for group in bitmap.clear() {
            // Two halves that are both free are one of the next order, but for the largest.
            let whole = group & 1 == 1 && bitmap.is_clear(group - 1) && order + 1 < ORDERS;
            let first = base + (group << order);
            if whole || !free.take(first..first + (1 << order)) {
                return None;
            }
        }
    }
    Some(pages)
}

/// The region tracker: for each order, the regions that may have room. All of them must exist.
pub(crate) fn tracker(state: &[u8], regions: u64) -> Option<()> {
    if number(state, 0)? as usize != ORDERS {
        return None;
    }
    let mut start = 4 + 4 * ORDERS;
    for order in 0..ORDERS {
        let end = start.checked_add(number(state, 4 + 4 * order)? as usize)?;
        let bitmap = Bitmap::read(state.get(start..end)?, MAX_REGIONS)?;
        start = end;
        let exist = (regions..=MAX_REGIONS).contains(&bitmap.length);
        if !exist || bitmap.clear().last().is_some_and(|region| region >= regions) {
            return None;
        }
    }
    Some(())
}

/// A bitmap whose upper levels have a bit for each 64 of the level below, set if those are all set.
struct Bitmap {
    length: u64,
    words: Vec<u64>,
}

impl Bitmap {
    /// Reads all levels, as many as `capacity` takes, and keeps the lowest.
    fn read(bytes: &[u8], capacity: u64) -> Option<Self> {
        let height = number(bytes, 0)? as usize;
        let fits = std::iter::successors(Some(capacity), |&left| (left > 64).then(|| left.div_ceil(64)));
        if height != fits.count() {
            return None;
        }
        let mut start = 4 + 4 * height;
        let mut above: Option<Self> = None;
        for level in 0..height {
            let end = number(bytes, 4 + 4 * level)? as usize;
            let bitmap = Self::level(bytes.get(start..end)?)?;
            start = end;
            if above.is_some_and(|above| !above.sums_up(&bitmap)) {
                return None;
            }
            above = Some(bitmap);
        }
        above
    }

    fn level(bytes: &[u8]) -> Option<Self> {
        let length = u64::from(number(bytes, 0)?);
        let (words, rest) = bytes.get(4..)?.as_chunks();
        let words: Vec<u64> = words.iter().map(|&word| u64::from_le_bytes(word)).collect();
        let sound = rest.is_empty() && words.len() as u64 == length.div_ceil(64);
        let bitmap = Self { length, words };
        // What lies beyond the end must not look free.
        (sound && (length..length.next_multiple_of(64)).all(|i| !bitmap.is_clear(i))).then_some(bitmap)
    }

    fn sums_up(&self, below: &Self) -> bool {
        self.length == below.words.len() as u64
            && (0_u64..).zip(&below.words).all(|(i, &word)| self.is_clear(i) == (word != u64::MAX))
    }

    fn is_clear(&self, i: u64) -> bool {
        self.words.get((i / 64) as usize).is_some_and(|word| word & (1 << (i % 64)) == 0)
    }

    fn clear(&self) -> impl Iterator<Item = u64> {
        (0..self.length).filter(|&i| self.is_clear(i))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
