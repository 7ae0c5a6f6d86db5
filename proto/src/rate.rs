//! How often a rule may allow: `60/min`.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In which time.
    pub per: Per,
}

/// The time of a [`Rate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Per {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Per {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    /// The word that people type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "day",
        }
    }

    /// How long it is.
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        })
    }
}

impl Rate {
    /// Reads `60/min`; `None` for anything else, zero included.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        // Of what reads as a number, `+1` and `01` are not written back as they were.
        let plain = count.bytes().all(|byte| byte.is_ascii_digit()) && !count.starts_with('0');
        let count = count.parse().ok().filter(|_| plain)?;
        let per = Per::ALL.into_iter().find(|per| per.name() == unit)?;
        Some(Self { count, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_are_read_and_refused() {
        let rate = Rate::parse("60/min").unwrap();
        assert_eq!((rate.count.get(), rate.per.duration()), (60, Duration::from_secs(60)));
        for bad in ["", "60", "/min", "0/min", "-1/s", "+1/s", "01/s", "1/", "1/m", "1/min ", "4294967296/s"]
        {
            assert_eq!(Rate::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(count: NonZeroU32, per in proptest::sample::select(Per::ALL.as_slice())) {
            let rate = Rate { count, per };
            prop_assert_eq!(Rate::parse(&rate.to_string()), Some(rate));
        }
    }
}
