//! Which programs run other programs, and which of their words names the one they run.
//!
//! Wrong in one direction only: a program that brings its code in another way than by the file it is
//! given (a command, a module, standard input, a further file to load, a directory to load from) has
//! no script, and an option that is not known here might be one of those.

mod options;

use options::{Follows, SETTINGS, known, options};

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
    /// The runtime of another language: it runs others' code, and which, its words do not tell here.
    Other,
}

impl Interpreter {
    /// Whether its words tell which script it runs.
    pub fn tells_script(self) -> bool {
        !matches!(self, Self::Gdb | Self::Other)
    }
}

/// The interpreter that an executable is, by the name of its file; as the kernel prints the path,
/// that of a removed file too.
pub fn known_interpreter(exe_path: &str) -> Option<Interpreter> {
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
            b"" | b"-" | b"+" => return None,
            b"--" => words.next()?,
            [b'-', b'-', long @ ..] => {
                if options.takes_word(long)? {
                    words.next()?;
                }
                continue;
            }
            [sign, letters @ ..] if *sign == b'-' || *sign == b'+' && options.plus => {
                match options.cluster(letters)? {
                    Follows::Nothing => {}
                    Follows::Value => drop(words.next()?),
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
    ("php", Interpreter::Other),
    ("php-cgi", Interpreter::Other),
    ("lua", Interpreter::Other),
    ("luajit", Interpreter::Other),
    ("tclsh", Interpreter::Other),
    ("wish", Interpreter::Other),
    ("expect", Interpreter::Other),
    ("java", Interpreter::Other),
    ("jshell", Interpreter::Other),
    ("groovy", Interpreter::Other),
    ("dotnet", Interpreter::Other),
    ("mono", Interpreter::Other),
    ("pwsh", Interpreter::Other),
    ("deno", Interpreter::Other),
    ("bun", Interpreter::Other),
    ("qjs", Interpreter::Other),
    ("jruby", Interpreter::Other),
    ("irb", Interpreter::Other),
    ("R", Interpreter::Other),
    ("Rscript", Interpreter::Other),
    ("octave-cli", Interpreter::Other),
    ("julia", Interpreter::Other),
    ("guile", Interpreter::Other),
    ("racket", Interpreter::Other),
    ("sbcl", Interpreter::Other),
    ("clisp", Interpreter::Other),
    ("emacs", Interpreter::Other),
    ("ocaml", Interpreter::Other),
    ("ghc", Interpreter::Other),
    ("erl", Interpreter::Other),
    ("beam.smp", Interpreter::Other),
    ("swipl", Interpreter::Other),
    ("awk", Interpreter::Other),
    ("gawk", Interpreter::Other),
    ("mawk", Interpreter::Other),
    ("busybox", Interpreter::Other),
    ("tcsh", Interpreter::Other),
    ("csh", Interpreter::Other),
    ("nu", Interpreter::Other),
    ("xonsh", Interpreter::Other),
    ("elvish", Interpreter::Other),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn interpreters_are_known_by_the_name_of_their_file() {
        use Interpreter::{Bash, Fish, Gdb, Loader, Node, Other, Perl, Python, Ruby, Sh, Zsh};
        let known: [(Interpreter, &[&str]); 11] = [
            (
                Python,
                &["python", "python3", "python3.11", "python3.13t", "python3.11-dbg", "pypy3.10", "pypy"],
            ),
            (Node, &["node", "nodejs", "node22"]),
            (Bash, &["bash", "bash-static", "bash-5.2", "rbash"]),
            (Zsh, &["zsh", "zsh5", "zsh-5.9", "zsh-static"]),
            (Fish, &["fish"]),
            (Sh, &["sh", "dash", "ksh", "ksh93", "mksh"]),
            (Ruby, &["ruby", "ruby3.1"]),
            (Perl, &["perl", "perl5.36.0", "perl5.36-x86_64-linux-gnu"]),
            (
                Loader,
                &[
                    "ld-linux-x86-64.so.2",
                    "ld-2.31.so",
                    "ld.so",
                    "ld64.so.1",
                    "ld-musl-x86_64.so.1",
                    "libc.so",
                ],
            ),
            (Gdb, &["gdb", "gdb-multiarch"]),
            (Other, &["php8.4", "lua5.4", "tclsh8.6", "java", "deno", "mawk", "busybox", "tcsh"]),
        ];
        for (expected, names) in known {
            for name in names {
                assert_eq!(known_interpreter(&format!("/usr/bin/{name}")), Some(expected), "{name}");
                assert_eq!(
                    known_interpreter(&format!("/usr/bin/{name} (deleted)")),
                    Some(expected),
                    "{name}"
                );
            }
        }
        let others =
            ["pythonista", "node_exporter", "shred", "fisher", "bashful", "phpize", "ld", "ldconfig"];
        for name in others.into_iter().chain(["perlish", "node-problem-detector", "rubyfmt", "", "/"]) {
            assert_eq!(known_interpreter(&format!("/usr/bin/{name}")), None, "{name}");
        }
        assert_eq!(known_interpreter("/opt/python3/app"), None);
    }

    /// The script of a command line, whose first word is the executable.
    fn script(line: &str) -> Option<String> {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let interpreter = known_interpreter(line.split(' ').next()?).expect("an interpreter");
        script_word(interpreter, &argv).map(|word| String::from_utf8(word.to_vec()).unwrap())
    }

    #[track_caller]
    fn runs(lines: &[&str]) {
        for line in lines {
            assert_eq!(script(line).as_deref(), Some("S"), "{line}");
        }
    }

    #[track_caller]
    fn runs_none(lines: &[&str]) {
        for line in lines {
            assert_eq!(script(line), None, "{line}");
        }
    }

    #[test]
    fn python() {
        runs(&["python3 S", "python3 S -c x", "python3 -u S", "python3 -uBI S a", "python3 -W error S"]);
        runs(&["python3 -Werror S", "python3 -uX dev S", "python3 -uXdev S", "python3 -- S"]);
        runs(&["python3 --check-hash-based-pycs always S"]);
        runs_none(&[
            "python3",
            "python3 -",
            "python3 -c S",
            "python3 -cS a",
            "python3 -uc S",
            "python3 -m S",
        ]);
        runs_none(&["python3 -mS a", "python3 -i S", "python3 -V S", "python3 -j S", "python3 --new S"]);
        runs_none(&["python3 -W", "python3 -- -", "python3 --", "python3  S"]);
    }

    #[test]
    fn node() {
        runs(&["node S", "node --no-warnings S -e x", "node --title x S", "node --title=x S", "node -- S"]);
        runs(&["node --max-old-space-size=4096 --enable-source-maps S"]);
        runs_none(&[
            "node",
            "node -",
            "node -e S",
            "node --eval S",
            "node --eval=S a",
            "node -p S",
            "node -pe S",
        ]);
        runs_none(&[
            "node -i S",
            "node -r m S",
            "node --import m S",
            "node --import=m S",
            "node --inspect S",
        ]);
        runs_none(&["node inspect S", "node --max-old-space-size S a", "node --test S", "node --run S"]);
    }

    #[test]
    fn bash() {
        runs(&["bash S", "bash -e S", "bash -eu S -c x", "bash -euo pipefail S", "bash +x S", "bash -- S"]);
        runs(&[
            "bash --norc --posix S",
            "bash -l S",
            "bash -O extglob S",
            "bash +O extglob S",
            "bash -o errexit S",
        ]);
        runs_none(&["bash", "bash -", "bash -c S", "bash -ec S", "bash -s S", "bash -i S", "bash -es S"]);
        runs_none(&["bash --rcfile S a", "bash --init-file S a", "bash -rcfile S a", "bash --debugger S"]);
        runs_none(&["bash -O extdebug S", "bash -oe pipefail S", "bash -o", "bash + S", "bash --login=x S"]);
    }

    #[test]
    fn other_shells() {
        runs(&[
            "sh S",
            "sh -e S",
            "dash -eu S",
            "sh +e S",
            "ksh -o errexit S",
            "sh -- S",
            "sh -o nounset -e S",
        ]);
        runs_none(&[
            "sh",
            "sh -c S",
            "sh -s S",
            "sh -o stdin S",
            "dash -o interactive S",
            "ksh -i S",
            "sh --x S",
        ]);
        runs(&["zsh S", "zsh -f S", "zsh -df S", "zsh +x S", "zsh -o errexit S"]);
        runs_none(&[
            "zsh -c S",
            "zsh -s S",
            "zsh -o shinstdin S",
            "zsh --emulate sh S",
            "zsh -fi S",
            "zsh -",
        ]);
        runs(&[
            "fish S",
            "fish -N S",
            "fish -d proc S",
            "fish -dproc S",
            "fish --features=x S",
            "fish -Np f S",
        ]);
        runs_none(&[
            "fish -c S",
            "fish -C S a",
            "fish --init-command S a",
            "fish -i S",
            "fish --no-conf S",
            "fish -",
        ]);
        assert_eq!(script("fish +N").as_deref(), Some("+N"));
    }

    #[test]
    fn ruby_and_perl() {
        runs(&["ruby S", "ruby -w S", "ruby -W0 S", "ruby -W S", "ruby -wE utf-8 S", "ruby -Eutf-8 S"]);
        runs(&["ruby --disable-gems --encoding=utf-8 S"]);
        runs_none(&[
            "ruby -e S",
            "ruby -W0e S",
            "ruby -r m S",
            "ruby -I d S",
            "ruby -C d S",
            "ruby -S S",
            "ruby -x S",
        ]);
        runs(&[
            "perl S",
            "perl -w S",
            "perl -wT S",
            "perl -l S",
            "perl -0777 S",
            "perl -CSDA S",
            "perl -- S",
        ]);
        runs_none(&["perl -e S", "perl -E S", "perl -le S", "perl -l0e S", "perl -0777ne S", "perl -wE S"]);
        runs_none(&[
            "perl -Mm S",
            "perl -I d S",
            "perl -d S",
            "perl -i S",
            "perl -n S",
            "perl -x S",
            "perl -",
            "perl",
        ]);
    }

    #[test]
    fn loader_and_debugger() {
        let of = |rest: &str| script(&format!("/lib64/ld-linux-x86-64.so.2 {rest}"));
        assert_eq!(of("/bin/true x").as_deref(), Some("/bin/true"));
        assert_eq!(of("--argv0 x --inhibit-cache ./true").as_deref(), Some("./true"));
        for rest in ["true", "--preload /x /bin/true", "--library-path /x /bin/true", "--list /bin/true"] {
            assert_eq!(of(rest), None, "{rest}");
        }
        runs_none(&["gdb S", "gdb -p 1", "gdb --args S", "gdb", "php S", "lua5.4 S", "java -jar S"]);
    }

    const ALL: [Interpreter; 11] = [
        Interpreter::Python,
        Interpreter::Node,
        Interpreter::Bash,
        Interpreter::Zsh,
        Interpreter::Fish,
        Interpreter::Sh,
        Interpreter::Ruby,
        Interpreter::Perl,
        Interpreter::Loader,
        Interpreter::Gdb,
        Interpreter::Other,
    ];

    proptest! {
        #[test]
        fn a_script_is_one_of_the_words(
            which in 0..ALL.len(),
            words in prop::collection::vec("[-+]{0,2}[a-zA-Z0-9/=.]{0,4}", 0..8),
        ) {
            let argv: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            if let Some(script) = script_word(ALL[which], &argv) {
                prop_assert!(argv[1..].contains(&script));
                prop_assert!(!script.is_empty() && script != b"-");
            }
        }

        #[test]
        fn any_bytes_are_read(which in 0..ALL.len(), words in prop::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            if let Some(script) = script_word(ALL[which], &argv) {
                prop_assert!(argv.contains(&script));
            }
        }

        #[test]
        fn any_name_is_read(name in any::<String>()) {
            let _ = known_interpreter(&name);
        }

        /// Code in a word of its own is never taken for a script, whatever stands before it.
        #[test]
        fn code_is_no_script(
            which in prop::sample::select(&ALL[..8]),
            flags in prop::collection::vec("-[a-zA-Z0-9]{1,4}", 0..3),
        ) {
            let code = match which {
                Interpreter::Node | Interpreter::Ruby | Interpreter::Perl => "-e",
                _ => "-c",
            };
            let mut argv: Vec<&[u8]> = vec![b"x"];
            argv.extend(flags.iter().map(String::as_bytes));
            argv.extend([code.as_bytes(), b"CODE"]);
            // An option that takes a value may take the `-c` itself, and what follows is the script.
            let script = script_word(which, &argv);
            let takes_value = flags.last().is_some_and(|flag| flag.ends_with(['W', 'X', 'E', 'd', 'D', 'f', 'o', 'p']));
            prop_assert!(script.is_none() || takes_value);
        }
    }
}
