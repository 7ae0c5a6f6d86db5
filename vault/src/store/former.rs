//! A key slot that was replaced or removed is to open nothing any more, the vault's own file included: redb frees its
//! page and leaves what is in it, so it is overwritten there.
//!
//! Only bytes that no commit leads to are written: a slot lies in its own table, and no snapshot reads that from the
//! file after it was made ([`Reader`](super::Reader)). A file system that writes elsewhere what is overwritten, a disk
//! that does, and copies keep what they have.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::Op;
use super::Table;
use crate::Error;

/// What is read of the file in one go, in bytes.
const PART: usize = 1024 * 1024;
/// So much of a row is looked for first, its end, which is as good as random; in bytes.
const END: usize = size_of::<u64>();

/// The rows of slots that `ops` replace or delete; `find` gives what is there.
pub(super) fn slots(
    ops: &[Op],
    mut find: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, Error>,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut former = Vec::new();
    for (table, key, row) in ops {
        if is_slot(*table)
            && let Some(found) = find(key)?
            && Some(&found) != row.as_ref()
        {
            former.push(found);
        }
    }
    Ok(former)
}

/// Whether rows of a table are overwritten when they are replaced.
pub(super) fn is_slot(table: Table) -> bool {
    matches!(table, Table::Slots)
}

/// Overwrites each copy of `rows` in the file, and brings that to the disk. Reads all of the file. Nobody else may
/// write meanwhile.
pub(super) fn overwrite(file: &File, rows: &[Vec<u8>]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let longest = rows.iter().map(Vec::len).max().unwrap_or_default();
    let length = file.metadata().map_err(Error::Storage)?.len();
    let mut part = vec![0; PART + longest];
    let mut at = 0;
    while at < length {
        let there = part.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
        file.read_exact_at(&mut part[..there], at).map_err(Error::Storage)?;
        for row in rows {
            for place in places(&part[..there], row) {
                file.write_all_at(&vec![0; row.len()], at + place as u64).map_err(Error::Storage)?;
            }
        }
        // The next part begins before this one ends, so that none lies across both unseen.
        at += PART as u64;
    }
    file.sync_data().map_err(Error::Storage)
}

/// Where `row` begins in `bytes`, each time.
fn places(bytes: &[u8], row: &[u8]) -> Vec<usize> {
    let Some((before, end)) = row.split_last_chunk::<END>() else { return Vec::new() };
    let end = u64::from_ne_bytes(*end);
    let ends = bytes.get(before.len()..).unwrap_or_default().windows(END).enumerate();
    ends.filter(|(_, window)| window.first_chunk().is_some_and(|found| u64::from_ne_bytes(*found) == end))
        .map(|(place, _)| place)
        .filter(|&place| bytes[place..].starts_with(row))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_copy_is_overwritten_wherever_it_lies_and_nothing_else() {
        let row: Vec<u8> = (1..=100).collect();
        let file = tempfile::tempfile().unwrap();
        // At the beginning, across parts, at the end; then one that differs.
        let copies = [0, 4096, PART as u64 - 50, PART as u64 + 99, 2 * PART as u64 - 1, 3 * PART as u64];
        file.set_len(3 * PART as u64 + 100).unwrap();
        copies.iter().for_each(|&at| file.write_all_at(&row, at).unwrap());
        let mut other = row.clone();
        other[3] = 0;
        file.write_all_at(&other, 10_000).unwrap();
        overwrite(&file, &[vec![9; 50], row.clone()]).unwrap();
        let mut found = vec![0; row.len()];
        for at in copies {
            file.read_exact_at(&mut found, at).unwrap();
            assert!(found.iter().all(|byte| *byte == 0), "{at}");
        }
        file.read_exact_at(&mut found, 10_000).unwrap();
        assert_eq!(found, other);
        assert_eq!(file.metadata().unwrap().len(), 3 * PART as u64 + 100);
    }
}
