//! The settings family. What could weaken security is sealed in the vault and changes only with
//! the master password.

use serde::{Deserialize, Serialize};

use crate::session::Password;
use crate::{List, Text, limits};

/// Key of a setting.
pub type Word<'a> = Text<'a, { limits::SETTING }>;

/// Value of a setting, as text.
pub type Value<'a> = Text<'a, { limits::SETTING_VALUE }>;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// All settings with their values.
    Show,
    /// Change one.
    Set {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
        /// Which.
        #[serde(borrow)]
        key: Word<'a>,
        /// To what.
        #[serde(borrow)]
        value: Value<'a>,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::Show`].
    All(#[serde(borrow)] List<Setting<'a>, { limits::SETTINGS }>),
    /// To [`Request::Set`]: the setting as it is now.
    Set(#[serde(borrow)] Setting<'a>),
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting<'a> {
    /// Its key.
    #[serde(borrow)]
    pub key: Word<'a>,
    /// Its value.
    #[serde(borrow)]
    pub value: Value<'a>,
    /// Whether that is what it is without having been set.
    pub default: bool,
    /// What it does, and which values it takes.
    #[serde(borrow)]
    pub about: Text<'a, 200>,
}
