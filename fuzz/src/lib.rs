//! What several targets share, by what they hold to be true.

pub mod messages;
pub mod vault;
