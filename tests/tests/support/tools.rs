//! The programs of `src/bin`, where ordinary users can run them.

use std::path::{Path, PathBuf};

use glassdome_tests::World;

use crate::scripts::reachable;

/// A program, copied into the world. `built` is what cargo says: `env!("CARGO_BIN_EXE_…")`.
pub fn tool(world: &World, built: &str) -> PathBuf {
    reachable(Path::new(built), world.top())
}
