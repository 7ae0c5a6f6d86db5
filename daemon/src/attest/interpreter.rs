//! Which programs run other programs, and which of their words names the one they run.
//!
//! Wrong in one direction only: a program that brings its code in another way than by the file it is
//! given (a command, a module, standard input, a further file to load, a directory to load from) has
//! no script, and an option that is not known here might be one of those.

/// A program that runs whatever it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpreter {
    /// `CPython` or `PyPy`.
    Python,
    /// Node.js.
    Node,
    /// GNU Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// fish.
    Fish,
    /// dash, a `KornShell`, or what is called `sh`.
    Sh,
    /// Ruby.
    Ruby,
    /// Perl.
    Perl,
    /// The dynamic loader (ld.so(8)): its script is the program that it loads.
    Loader,
    /// The GNU debugger: it has no script, since it runs what is typed.
    Gdb,
}

/// The interpreter that an executable is, by the name of its file; as the kernel prints the path,
/// that of a removed file too.
pub fn interpreter(exe_path: &str) -> Option<Interpreter> {
    let path = exe_path.strip_suffix(" (deleted)").unwrap_or(exe_path);
    let name = path.rsplit('/').next()?;
    if is_loader(name) {
        return Some(Interpreter::Loader);
    }
    let names = |(stem, _): &&(&str, Interpreter)| name.strip_prefix(stem).is_some_and(is_version);
    NAMES.iter().find(names).map(|(_, interpreter)| *interpreter)
}

/// The word of an interpreter's arguments (its own name first) that names the file it runs.
pub fn script_word<'w>(interpreter: Interpreter, argv: &[&'w [u8]]) -> Option<&'w [u8]> {
    let options = options(interpreter)?;
    let mut words = argv.iter().copied().skip(1);
    loop {
        let word = words.next()?;
        let script = match word {
            b"" | b"-" => return None,
            b"--" => words.next()?,
            [b'-', b'-', long @ ..] => {
                if options.takes_word(long)? {
                    words.next()?;
                }
                continue;
            }
            [b'-', letters @ ..] => {
                match options.cluster(letters)? {
                    Follows::Nothing => {}
                    Follows::Value => drop(words.next()?),
                    Follows::Setting => known(SETTINGS, words.next()?)?,
                }
                continue;
            }
            [b'+', letters @ ..] if options.plus => {
                match options.cluster(letters)? {
                    Follows::Nothing => {}
                    Follows::Value => return None,
                    Follows::Setting => known(SETTINGS, words.next()?)?,
                }
                continue;
            }
            word => word,
        };
        let named = !matches!(script, b"" | b"-");
        let found = named && (!options.needs_slash || script.contains(&b'/'));
        return found.then_some(script).filter(|script| known(options.commands, script).is_none());
    }
}

const NAMES: &[(&str, Interpreter)] = &[
    ("python", Interpreter::Python),
    ("pypy", Interpreter::Python),
    ("nodejs", Interpreter::Node),
    ("node", Interpreter::Node),
    ("bash", Interpreter::Bash),
    ("rbash", Interpreter::Bash),
    ("zsh", Interpreter::Zsh),
    ("rzsh", Interpreter::Zsh),
    ("fish", Interpreter::Fish),
    ("sh", Interpreter::Sh),
    ("dash", Interpreter::Sh),
    ("ksh", Interpreter::Sh),
    ("rksh", Interpreter::Sh),
    ("mksh", Interpreter::Sh),
    ("lksh", Interpreter::Sh),
    ("oksh", Interpreter::Sh),
    ("ruby", Interpreter::Ruby),
    ("perl", Interpreter::Perl),
    ("gdb", Interpreter::Gdb),
];

/// What may follow a name: `3.11`, `-5.9`, `3.13t`, `3.11-dbg`, `5.36-x86_64-linux-gnu`, `-static`.
fn is_version(rest: &str) -> bool {
    if matches!(rest, "" | "-static" | "-dbg" | "-multiarch") {
        return true;
    }
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let build = behind.trim_start_matches(['d', 'm', 't', 'u']);
    behind != rest && (build.is_empty() || build.starts_with('-'))
}

/// `ld-linux-x86-64.so.2`, `ld-2.31.so`, `ld64.so.1`, `ld-musl-x86_64.so.1`, `ld.so`, and the file
/// that the last but one can be a link to.
fn is_loader(name: &str) -> bool {
    let musl = name == "libc.so" || name.starts_with("libc.musl-");
    musl || name.starts_with("ld") && name[2..].starts_with(['-', '.', '6', '3']) && name.contains(".so")
}

/// The options of an interpreter that leave its script its only code.
struct Options {
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
    plus: bool,
    /// Words that are commands where a script could stand.
    commands: &'static [&'static str],
    /// Whether a word without a slash is looked for elsewhere than in the working directory.
    needs_slash: bool,
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
const SETTINGS: &[&str] = &[
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

fn options(interpreter: Interpreter) -> Option<&'static Options> {
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
        Interpreter::Gdb => None,
    }
}

/// What a word of short options leaves to the next word.
enum Follows {
    Nothing,
    Value,
    Setting,
}

impl Options {
    /// Whether a long option takes the next word; None if it is not known.
    fn takes_word(&self, long: &[u8]) -> Option<bool> {
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
    fn cluster(&self, mut letters: &[u8]) -> Option<Follows> {
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

fn known(names: &[&str], name: &[u8]) -> Option<()> {
    names.iter().any(|known| known.as_bytes() == name).then_some(())
}
