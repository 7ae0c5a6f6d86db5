//! How things look to a person: lines on stderr, times in their zone, listings and trees. Programs
//! read `--json` instead.

pub(crate) mod bytes;
pub(crate) mod escape;
pub(crate) mod event;
pub(crate) mod harmless;
pub(crate) mod hex;
pub(crate) mod import_report;
pub(crate) mod notice;
pub(crate) mod picture;
pub(crate) mod picture_document;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod question;
pub(crate) mod rotation;
pub(crate) mod rows;
pub(crate) mod rule;
pub(crate) mod rule_diff;
pub(crate) mod rule_sheet;
pub(crate) mod rule_summary;
pub(crate) mod shell_word;
pub(crate) mod status_template;
pub(crate) mod status_text;
pub(crate) mod style;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod timeline;
pub(crate) mod tree;
pub(crate) mod verdict;
