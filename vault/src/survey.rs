//! A look at all that leads through a redb file, before redb goes that way: the header, the tables of tables,
//! redb's own tables, and every branch of every tree. It demands that no page is in two places, none of them
//! free, and none outside the file. Leaves of the vault's tables are left to [`Checked`](crate::checked): so a
//! vault of 100,000 secrets costs some hundred page reads. What is no page there, or is not given by the disk, is left
//! to it as well: it refuses that where it is used, and everything else is served. A newer redb that keeps more about
//! its pages is noticed by the tests of `checked.rs`.

use std::collections::BTreeSet;
use std::io;

use redb::StorageBackend;

use crate::bits::Bits;
use crate::error::not_given;
use crate::free_pages::{REGION, region, tracker};
use crate::pages::{Extent, Node, PAGE, Shape};
use crate::table_definition::{Root, TableDefinition};

/// The most pages of a file (256 GiB): what is kept in memory about each is bounded too.
pub(crate) const MAX_PAGES: u64 = 64 * REGION;
/// No tree is higher: a branch leads to tens of pages.
const MAX_HEIGHT: usize = 16;

/// What is looked at when it is read: of all of it, only the place is known to be right.
#[derive(Debug)]
pub(crate) struct Later {
    /// Where a leaf of the vault's tables begins, or what is neither a leaf nor a branch.
    pub leaves: Bits,
    /// Where a leaf begins that has not the rows that what leads to it says.
    pub refused: BTreeSet<u64>,
}

/// Surveys a file; `lenient` leaves pages of the vault's tables that cannot be read to whoever uses them.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] if the file is not as redb would have left it.
pub(crate) fn survey(file: &impl StorageBackend, lenient: bool) -> io::Result<Later> {
    let pages = file.len()? / PAGE;
    if file.len()? % PAGE != 0 || !(2..=MAX_PAGES + 1).contains(&pages) {
        return Err(unsound());
    }
    let pages = pages - 1;
    let mut header = [0; HEADER];
    file.read(0, &mut header)?;
    let commit = Commit::read(&header).ok_or_else(unsound)?;
    let later = Later { leaves: Bits::new(pages), refused: BTreeSet::new() };
    let mut survey = Survey { file, lenient, taken: Bits::new(pages), later };
    let free = survey.system(&commit)?;
    for (_, table) in survey.tables(commit.user)? {
        survey.table(&table)?;
    }
    // Only now is it known what is taken; redb would hand out a free page for something else.
    if survey.taken.meets(&free) { Err(unsound()) } else { Ok(survey.later) }
}

pub(crate) fn unsound() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// Whether it is the page that is not read, and not more than that.
fn unread(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData || not_given(error)
}

/// How a tree is surveyed.
#[derive(Clone, Copy)]
struct Tree {
    shape: Shape,
    /// Whether what cannot be read of it is looked at when it is used.
    looked_at_later: bool,
}

/// What a page is.
enum Kind {
    Leaf { rows: u64 },
    Branch(Vec<Extent>),
}

struct Survey<'a, F> {
    file: &'a F,
    lenient: bool,
    taken: Bits,
    later: Later,
}

impl<F: StorageBackend> Survey<'_, F> {
    /// redb's own tables. Returns the free pages.
    fn system(&mut self, commit: &Commit) -> io::Result<Bits> {
        let mut free = None;
        for (name, table) in self.tables(commit.system)? {
            let (shape, free_list) = match &name[..] {
                b"allocator_state" => (ALLOCATOR_STATE, false),
                b"data_pages_allocated" | b"data_pages_unreachable" | b"system_pages_unreachable" => {
                    (PAGE_LISTS, true)
                }
                _ => return Err(unsound()),
            };
            if (table.shape.key, table.shape.value) != (shape.key, shape.value) {
                return Err(unsound());
            }
            if free_list {
                self.page_lists(&table, &name[..] != b"data_pages_allocated")?;
            } else {
                free = Some(self.allocator_state(&table, commit.transaction)?);
            }
        }
        // redb would rebuild it, reading all. Each commit writes it, so it is never missing.
        free.ok_or_else(unsound)
    }

    /// What is allocated, and of which commit: a row for each region, one for all, one for the commit.
    fn allocator_state(&mut self, table: &TableDefinition, transaction: u64) -> io::Result<Bits> {
        let pages = self.taken.length();
        let mut free = Bits::new(pages);
        let mut known = 0;
        let mut regions = 0;
        let mut last = REGION_STATE;
        self.rows(table.root, ALLOCATOR_STATE, &mut |key, state| {
            let (kind, index) = allocator_key(key);
            match (last, kind, index) {
                // Each region but the last is full.
                (REGION_STATE, REGION_STATE, _) if index == regions && known == u64::from(index) * REGION => {
                    (known < MAX_PAGES).then_some(())?;
                    free.grow(known + REGION);
                    known += region(state, known, &mut free)?;
                    regions += 1;
                }
                (REGION_STATE, TRACKER, 0) => tracker(state, regions.into())?,
                (TRACKER, TRANSACTION, 0) => (state == transaction.to_le_bytes()).then_some(())?,
                _ => return None,
            }
            last = kind;
            Some(())
        })?;
        // The file may have grown or shrunk since. What it lost must have been free, what it gained is.
        let lost_free = (pages..known).all(|page| free.has(page));
        let gained = known >= pages || free.take(known..pages);
        if last == TRANSACTION && lost_free && gained { Ok(free) } else { Err(unsound()) }
    }

    /// Pages that are allocated until no reader sees them any more (`taken`), or a list of them to be undone.
    fn page_lists(&mut self, table: &TableDefinition, taken: bool) -> io::Result<()> {
        let mut lists = Vec::new();
        self.rows(table.root, PAGE_LISTS, &mut |_, list| {
            let (count, numbers) = list.split_first_chunk()?;
            let (numbers, _) = numbers.get(..8 * usize::from(u16::from_le_bytes(*count)))?.as_chunks();
            for &number in numbers {
                lists.push(Extent::read(u64::from_le_bytes(number))?);
            }
            Some(())
        })?;
        // The vault makes no savepoint, and only that lists pages to be undone.
        if !taken && !lists.is_empty() {
            return Err(unsound());
        }
        lists.into_iter().try_for_each(|pages| self.take(pages))
    }

    /// A table of tables.
    fn tables(&mut self, root: Root) -> io::Result<Vec<(Vec<u8>, TableDefinition)>> {
        let mut tables = Vec::new();
        self.rows(Some(root), Shape::BYTES, &mut |name, definition| {
            std::str::from_utf8(name).ok()?;
            tables.push((name.to_vec(), TableDefinition::read(definition)?));
            Some(())
        })?;
        Ok(tables)
    }

    /// The branches of a tree of the vault.
    fn table(&mut self, table: &TableDefinition) -> io::Result<()> {
        let Some(root) = table.root else { return Ok(()) };
        // Others than these are of a newer version, which is refused before they are read.
        let looked_at_later = table.shape.key.is_none() && table.shape.value.is_none();
        let tree = Tree { shape: table.shape, looked_at_later };
        let height = self.height(root, tree)?;
        self.subtree(root.extent, height, tree, &mut |survey, leaf| {
            let place = leaf.pages().start;
            let taken = !looked_at_later || survey.later.leaves.take(place..place + 1);
            if taken { Ok(()) } else { Err(unsound()) }
        })
    }

    /// All rows of a tree.
    fn rows(
        &mut self,
        root: Option<Root>,
        shape: Shape,
        row: &mut impl FnMut(&[u8], &[u8]) -> Option<()>,
    ) -> io::Result<()> {
        let Some(root) = root else { return Ok(()) };
        let tree = Tree { shape, looked_at_later: false };
        let height = self.height(root, tree)?;
        let mut rows = 0;
        self.subtree(root.extent, height, tree, &mut |survey, leaf| {
            let page = survey.page(leaf)?;
            let Some(Node::Leaf(found)) = Node::read(&page, shape) else { return Err(unsound()) };
            rows += found.len() as u64;
            found.into_iter().try_for_each(|(key, value)| row(key, value)).ok_or_else(unsound)
        })?;
        if rows == root.rows { Ok(()) } else { Err(unsound()) }
    }

    /// How many branches lie above each leaf of a tree; of a single leaf, whether it has the rows it should. One page
    /// of each level tells it. Where none of those that a branch leads to can be read, they count as leaves.
    fn height(&mut self, root: Root, tree: Tree) -> io::Result<usize> {
        let mut seen = BTreeSet::new();
        let mut level = vec![root.extent];
        for height in 0..MAX_HEIGHT {
            let mut kind = None;
            for extent in level {
                // None is in two places: so this comes to an end, whatever leads where.
                if !seen.insert(extent.pages().start) {
                    return Err(unsound());
                }
                kind = self.kind(extent, tree)?;
                if kind.is_some() {
                    break;
                }
            }
            match kind {
                Some(Kind::Branch(children)) => level = children,
                Some(Kind::Leaf { rows }) if height == 0 && rows != root.rows => {
                    if !tree.looked_at_later || !self.lenient {
                        return Err(unsound());
                    }
                    self.later.refused.insert(root.extent.pages().start);
                    return Ok(height);
                }
                Some(Kind::Leaf { .. }) | None => return Ok(height),
            }
        }
        Err(unsound())
    }

    /// What a page is; `None` if it cannot be read and is looked at later.
    fn kind(&self, extent: Extent, tree: Tree) -> io::Result<Option<Kind>> {
        let kind = self.page(extent).and_then(|page| {
            Ok(match Node::read(&page, tree.shape).ok_or_else(unsound)? {
                Node::Leaf(rows) => Kind::Leaf { rows: rows.len() as u64 },
                Node::Branch(children) => Kind::Branch(children),
            })
        });
        match kind {
            Err(error) if tree.looked_at_later && self.lenient && unread(&error) => Ok(None),
            kind => kind.map(Some),
        }
    }

    /// Takes all pages of a tree, reading its branches, and calls `leaf` for each of its leaves, and for what should be
    /// a branch and cannot be read: nothing below that is ever reached.
    fn subtree(
        &mut self,
        extent: Extent,
        height: usize,
        tree: Tree,
        leaf: &mut impl FnMut(&mut Self, Extent) -> io::Result<()>,
    ) -> io::Result<()> {
        self.take(extent)?;
        let Some(below) = height.checked_sub(1) else { return leaf(self, extent) };
        match self.kind(extent, tree)? {
            Some(Kind::Branch(children)) => {
                children.into_iter().try_for_each(|child| self.subtree(child, below, tree, leaf))
            }
            Some(Kind::Leaf { .. }) => Err(unsound()),
            None => leaf(self, extent),
        }
    }

    fn take(&mut self, extent: Extent) -> io::Result<()> {
        if self.taken.take(extent.pages()) { Ok(()) } else { Err(unsound()) }
    }

    fn page(&self, extent: Extent) -> io::Result<Vec<u8>> {
        if extent.pages().end > self.taken.length() {
            return Err(unsound());
        }
        let mut page = vec![0; extent.length()];
        self.file.read(extent.offset(), &mut page)?;
        Ok(page)
    }
}

/// Size of the header with its two commit slots, in bytes.
const HEADER: usize = 320;

/// The last commit, from the header.
struct Commit {
    user: Root,
    system: Root,
    transaction: u64,
}

impl Commit {
    /// Reads the header as far as redb does not. Which slot is the last commit is never in doubt: all are made
    /// in two phases.
    fn read(header: &[u8; HEADER]) -> Option<Self> {
        const SECOND_SLOT: u8 = 1;
        const TWO_PHASES: u8 = 4;
        let number = |at: usize| header[at..].first_chunk().map(|number| u32::from_le_bytes(*number));
        let flags = header[9];
        let geometry = (number(12)?, number(16)?, number(20)?);
        if flags & TWO_PHASES == 0 || geometry != (PAGE as u32, 0, REGION as u32) {
            return None;
        }
        let slot = &header[if flags & SECOND_SLOT == 0 { 64 } else { 192 }..][..128];
        let (user, system) =
            (Root::read(slot[8..40].try_into().ok()?), Root::read(slot[40..72].try_into().ok()?));
        let transaction = u64::from_le_bytes(*slot[104..].first_chunk()?);
        // Neither tree is ever empty, and the counter has room for every commit to come.
        let sound = slot[1] != 0 && slot[2] != 0 && transaction < 1 << 48;
        sound.then_some(Self { user: user?, system: system?, transaction })
    }
}

// Kinds of rows of the allocator's state: of one region, of all regions, of which commit.
const REGION_STATE: u8 = 3;
const TRACKER: u8 = 4;
const TRANSACTION: u8 = 5;

/// A kind and which region.
const ALLOCATOR_STATE: Shape =
    Shape { key: Some(5), value: None, before: |a, b| allocator_key(a) < allocator_key(b) };

/// Which commit, and a number.
const PAGE_LISTS: Shape =
    Shape { key: Some(16), value: None, before: |a, b| page_list_key(a) < page_list_key(b) };

fn allocator_key(key: &[u8]) -> (u8, u32) {
    (key[0], key[1..].first_chunk().map_or(0, |index| u32::from_le_bytes(*index)))
}

fn page_list_key(key: &[u8]) -> [u64; 2] {
    let (numbers, _) = key.as_chunks();
    [0, 1].map(|i| numbers.get(i).map_or(0, |&number| u64::from_le_bytes(number)))
}
