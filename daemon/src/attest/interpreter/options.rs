//! The options of each interpreter that leave its script its only code, with what of the words behind
//! them they take. Whatever is not listed here is unknown, and so is the script then: what loads
//! further code (`-r`, `-M`, `--import`, `--rcfile`), names directories to load from (`-I`,
//! `--library-path`), lets somebody type (`-i`, `--inspect`), goes elsewhere first (`-C`), or runs no
//! script at all (`-c`, `-e`, `-m`, `--help`).

use super::Interpreter;

/// The options of an interpreter.
pub(super) struct Options {
    /// Letters that stand alone.
    flags: &'static [u8],
    /// Letters that take the rest of their word, or the next one.
    valued: &'static [u8],
    /// Letters that take as many of these characters as follow in the word.
    runs: &'static [(u8, &'static [u8])],
    /// Letters that take one of [`SETTINGS`], as the next word.
    settings: &'static [u8],
    /// Long options that stand alone.
    long: &'static [&'static str],
    /// Long options with a value, behind `=` or in the next word.
    long_valued: &'static [&'static str],
    /// Long options with a value behind `=`.
    long_joined: &'static [&'static str],
    /// Whether `+x` is an option as `-x` is.
    pub(super) plus: bool,
    /// Words that are commands where a script could stand.
    pub(super) commands: &'static [&'static str],
    /// Whether a word without a slash is looked for elsewhere than in the working directory.
    pub(super) needs_slash: bool,
}

const NONE: Options = Options {
    flags: b"",
    valued: b"",
    runs: &[],
    settings: b"",
    long: &[],
    long_valued: &[],
    long_joined: &[],
    plus: false,
    commands: &[],
    needs_slash: false,
};

/// The names for `-o` and `-O` of a shell that do not change where its code comes from.
pub(super) const SETTINGS: &[&str] = &[
    "allexport",
    "dotglob",
    "errexit",
    "errtrace",
    "extglob",
    "failglob",
    "functrace",
    "globstar",
    "inherit_errexit",
    "noclobber",
    "noglob",
    "nounset",
    "nullglob",
    "pipefail",
    "posix",
    "verbose",
    "xtrace",
];

/// python(1), "Command line and environment"
const PYTHON: Options =
    Options { flags: b"bBdEIOPqRsSuvx", valued: b"WX", long_valued: &["check-hash-based-pycs"], ..NONE };

/// node(1)
const NODE: Options = Options {
    long: &[
        "abort-on-uncaught-exception",
        "enable-source-maps",
        "experimental-strip-types",
        "expose-gc",
        "frozen-intrinsics",
        "jitless",
        "no-addons",
        "no-deprecation",
        "no-warnings",
        "pending-deprecation",
        "permission",
        "preserve-symlinks",
        "preserve-symlinks-main",
        "throw-deprecation",
        "trace-deprecation",
        "trace-uncaught",
        "trace-warnings",
        "use-bundled-ca",
        "use-openssl-ca",
        "use-system-ca",
    ],
    long_valued: &[
        "disable-warning",
        "dns-result-order",
        "max-http-header-size",
        "title",
        "unhandled-rejections",
    ],
    long_joined: &["max-old-space-size", "max-semi-space-size", "stack-size", "stack-trace-limit"],
    commands: &["inspect", "debug"],
    ..NONE
};

/// bash(1)
const BASH: Options = Options {
    flags: b"abefhklmpruvxBCEHPT",
    settings: b"oO",
    long: &["login", "noediting", "noprofile", "norc", "posix", "restricted", "verbose"],
    plus: true,
    ..NONE
};

/// zshoptions(1), "Single letter options"
const ZSH: Options = Options { flags: b"defluvx", settings: b"o", plus: true, ..NONE };

/// sh(1p), dash(1), ksh(1)
const SH: Options = Options { flags: b"abefhlmpuvxC", settings: b"o", plus: true, ..NONE };

/// fish(1)
const FISH: Options = Options {
    flags: b"lNP",
    valued: b"dDfop",
    long: &["login", "no-config", "private"],
    long_valued: &["debug", "debug-output", "debug-stack-frames", "features", "profile", "profile-startup"],
    ..NONE
};

/// ruby(1)
const RUBY: Options = Options {
    flags: b"dUvw",
    valued: b"E",
    runs: &[(b'W', b"012")],
    long: &["debug", "disable-gems", "jit", "verbose", "yjit"],
    long_joined: &["disable", "enable", "encoding", "external-encoding", "internal-encoding"],
    ..NONE
};

/// perlrun(1)
const PERL: Options = Options {
    flags: b"ftTUwWX",
    runs: &[(b'0', b"01234567"), (b'C', b"0123456789ADEILOSaio"), (b'l', b"01234567")],
    ..NONE
};

/// ld.so(8)
const LOADER: Options = Options {
    long: &["inhibit-cache"],
    long_valued: &["argv0", "glibc-hwcaps-mask", "inhibit-rpath"],
    needs_slash: true,
    ..NONE
};

/// Those of an interpreter; None if it has no script, whatever its options.
pub(super) fn options(interpreter: Interpreter) -> Option<&'static Options> {
    match interpreter {
        Interpreter::Python => Some(&PYTHON),
        Interpreter::Node => Some(&NODE),
        Interpreter::Bash => Some(&BASH),
        Interpreter::Zsh => Some(&ZSH),
        Interpreter::Fish => Some(&FISH),
        Interpreter::Sh => Some(&SH),
        Interpreter::Ruby => Some(&RUBY),
        Interpreter::Perl => Some(&PERL),
        Interpreter::Loader => Some(&LOADER),
        Interpreter::Gdb | Interpreter::Other => None,
    }
}

/// What a word of short options leaves to the next word.
pub(super) enum Follows {
    Nothing,
    Value,
    Setting,
}

impl Options {
    /// Whether a long option takes the next word; None if it is not known.
    pub(super) fn takes_word(&self, long: &[u8]) -> Option<bool> {
        match long.iter().position(|&byte| byte == b'=') {
            Some(at) => {
                let name = &long[..at];
                known(self.long_valued, name).or_else(|| known(self.long_joined, name)).map(|()| false)
            }
            None => {
                let alone = known(self.long, long).map(|()| false);
                alone.or_else(|| known(self.long_valued, long).map(|()| true))
            }
        }
    }

    /// What a word of short options leaves to the next word; None if one of them is not known.
    pub(super) fn cluster(&self, mut letters: &[u8]) -> Option<Follows> {
        while let [letter, rest @ ..] = letters {
            letters = rest;
            if self.flags.contains(letter) {
                continue;
            }
            if self.valued.contains(letter) {
                return Some(if rest.is_empty() { Follows::Value } else { Follows::Nothing });
            }
            if self.settings.contains(letter) {
                return rest.is_empty().then_some(Follows::Setting);
            }
            let (_, run) = self.runs.iter().find(|(name, _)| name == letter)?;
            let behind = rest.iter().position(|byte| !run.contains(byte)).unwrap_or(rest.len());
            letters = &rest[behind..];
        }
        Some(Follows::Nothing)
    }
}

/// Whether a name is listed.
pub(super) fn known(names: &[&str], name: &[u8]) -> Option<()> {
    names.iter().any(|known| known.as_bytes() == name).then_some(())
}
