//! How well a piece of memory is guarded, as one ordered value, so that a status can show it and a policy can
//! demand a least one.

/// How the kernel guards a [`LockedBytes`](crate::LockedBytes). Ordered: what is greater is stronger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// `mmap(2)` and `mlock(2)`, `MADV_DONTDUMP`, `MADV_WIPEONFORK`: not in swap, core dumps or children.
    /// Root, and a debugger that may attach, can read it.
    Locked,
    /// `memfd_secret(2)`, `MADV_DONTFORK`: the pages are also gone from the kernel's own map, so that
    /// `/proc/PID/mem`, `process_vm_readv(2)` and `ptrace(2)` cannot read them.
    Secret,
}

impl Level {
    /// The level's name in settings and statuses: `"locked"` or `"secret"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Locked => "locked",
            Self::Secret => "secret",
        }
    }

    /// The level that [`name`](Self::name) gives this name to; no other spelling is known.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Locked, Self::Secret].into_iter().find(|level| level.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn secret_is_stronger() {
        assert!(Level::Locked < Level::Secret);
    }

    #[test]
    fn names_parse_back_and_others_do_not() {
        for level in [Level::Locked, Level::Secret] {
            assert_eq!(Level::parse(level.name()), Some(level));
        }
        for other in ["", "Secret", "secret ", "none", "unlocked"] {
            assert_eq!(Level::parse(other), None);
        }
    }
}
