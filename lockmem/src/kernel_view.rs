//! For tests: what the kernel itself says of an address, since a claim about pages is not proven by asking our own code.

use std::fs;

/// One mapping of this process, as `/proc/self/smaps` has it.
pub(crate) struct Vma {
    pub start: usize,
    pub end: usize,
    pub permissions: String,
    pub path: String,
    pub flags: Vec<String>,
    pub locked_kib: u64,
}

impl Vma {
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|have| have == flag)
    }
}

/// The mapping that `address` lies in.
pub(crate) fn vma_at(address: usize) -> Vma {
    all_vmas().into_iter().find(|vma| (vma.start..vma.end).contains(&address)).expect("the address is mapped")
}

fn all_vmas() -> Vec<Vma> {
    let mut all: Vec<Vma> = Vec::new();
    for line in fs::read_to_string("/proc/self/smaps").unwrap().lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap();
        if let Some((start, end)) = first.split_once('-').filter(|_| !first.ends_with(':')) {
            all.push(Vma {
                start: usize::from_str_radix(start, 16).unwrap(),
                end: usize::from_str_radix(end, 16).unwrap(),
                permissions: words.next().unwrap().to_owned(),
                path: words.skip(3).collect::<Vec<_>>().join(" "),
                flags: Vec::new(),
                locked_kib: 0,
            });
        } else if let Some(vma) = all.last_mut() {
            match first {
                "VmFlags:" => vma.flags = words.map(str::to_owned).collect(),
                "Locked:" => vma.locked_kib = words.next().unwrap().parse().unwrap(),
                _ => {}
            }
        }
    }
    all
}
