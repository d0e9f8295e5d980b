//! Which word of a command line is the script that an interpreter runs.
//!
//! A pure function over words. An option that is not known may take a word, so that behind it the script can only be guessed.

use crate::runner;
use std::ffi::OsStr;

/// What the words say of the script. The numbers are those of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// This word is the script; options stand before it.
    Script(usize),
    /// From this word on stands a command line of its own.
    Command(usize),
    /// There is none: from this word on stands the code itself, or it comes from the input.
    Code(usize),
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// So many words behind its own.
    Words(usize),
    /// The code: the rest is its arguments.
    Code,
    /// The script.
    Script,
    /// Who knows.
    Unclear,
}
use Takes::{Code, Script, Unclear, Words};

/// Interpreters that are told things in the same way.
struct Family {
    names: &'static [&'static str],
    options: Options,
}

enum Options {
    /// Letters behind a `-`, and words behind `--`.
    Letters(Letters),
    PowerShell,
    /// Windows Script Host: options begin with `//`.
    ScriptHost,
    /// Windows' own shell: options begin with `/`.
    Cmd,
}

struct Letters {
    /// Of options that bring the code along.
    code: &'static str,
    /// Of the option whose value is the script.
    script: &'static str,
    /// Of options whose value may be the next word.
    valued: &'static str,
    /// Of options whose value, if any, is the rest of their own word.
    attached: &'static str,
    /// Of all others that are known.
    plain: &'static str,
    /// Options behind `--`.
    long: &'static [(&'static str, Takes)],
    /// A shell's `+x`, its `-` that only ends the options, its long options behind one `-`, and its values that are always
    /// words of their own.
    shell: bool,
}

const LETTERS: Letters =
    Letters { code: "", script: "", valued: "", attached: "", plain: "", long: &[], shell: false };

const FAMILIES: [Family; 9] = [
    Family {
        names: &["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "rbash"],
        options: Options::Letters(Letters {
            // With `-s` the code comes from the input.
            code: "cs",
            valued: "oO",
            plain: "abefhiklmnprtuvxBCDEHP",
            long: &[
                ("rcfile", Words(1)),
                ("init-file", Words(1)),
                ("norc", Words(0)),
                ("noprofile", Words(0)),
                ("posix", Words(0)),
                ("login", Words(0)),
                ("restricted", Words(0)),
                ("verbose", Words(0)),
                ("noediting", Words(0)),
            ],
            shell: true,
            ..LETTERS
        }),
    },
    Family {
        names: &["python", "pythonw", "pypy", "py"],
        options: Options::Letters(Letters {
            code: "cm",
            valued: "WXQ",
            plain: "bBdEhiIOPqRsStuvVx0123456789.",
            long: &[("check-hash-based-pycs", Words(1))],
            ..LETTERS
        }),
    },
    Family {
        names: &["perl"],
        options: Options::Letters(Letters {
            code: "eE",
            valued: "I",
            attached: "CdDFimMVx",
            plain: "acfghlnpsStTuUvwWX0123456789",
            ..LETTERS
        }),
    },
    Family {
        names: &["ruby", "rubyw"],
        options: Options::Letters(Letters {
            code: "e",
            valued: "rIE",
            attached: "FiKTWx0",
            plain: "aclhnpsSUvwy",
            ..LETTERS
        }),
    },
    Family {
        names: &["node", "nodejs"],
        options: Options::Letters(Letters {
            code: "ep",
            valued: "rC",
            plain: "chiv",
            long: &[
                ("eval", Code),
                ("print", Code),
                ("require", Words(1)),
                ("import", Words(1)),
                ("no-warnings", Words(0)),
            ],
            ..LETTERS
        }),
    },
    Family {
        names: &["php"],
        options: Options::Letters(Letters {
            code: "rBRE",
            script: "fF",
            valued: "cdztS",
            plain: "aCehilmnqsvwH",
            long: &[("run", Code), ("file", Script)],
            ..LETTERS
        }),
    },
    Family { names: &["powershell", "pwsh"], options: Options::PowerShell },
    Family { names: &["wscript", "cscript"], options: Options::ScriptHost },
    Family { names: &["cmd"], options: Options::Cmd },
];

/// PowerShell's options. Any beginning will do that is not another's too; the first are short forms of their own.
const POWERSHELL: [(&str, Takes); 32] = [
    ("f", Script),
    ("c", Code),
    ("e", Code),
    ("ec", Code),
    ("enc", Code),
    ("w", Words(1)),
    ("wd", Words(1)),
    ("ep", Words(1)),
    ("ex", Words(1)),
    ("if", Words(1)),
    ("of", Words(1)),
    ("file", Script),
    ("command", Code),
    ("commandwithargs", Code),
    ("cwa", Code),
    ("encodedcommand", Code),
    ("encodedarguments", Words(1)),
    ("executionpolicy", Words(1)),
    ("windowstyle", Words(1)),
    ("workingdirectory", Words(1)),
    ("inputformat", Words(1)),
    ("outputformat", Words(1)),
    ("configurationname", Words(1)),
    ("configurationfile", Words(1)),
    ("custompipename", Words(1)),
    ("settingsfile", Words(1)),
    ("psconsolefile", Words(1)),
    ("noprofile", Words(0)),
    ("nologo", Words(0)),
    ("noexit", Words(0)),
    ("noninteractive", Words(0)),
    ("sta", Words(0)),
];

/// The family a program belongs to: `python3.11` and `Python.exe` are python.
fn family(program: &OsStr) -> Option<&'static Family> {
    let name = runner::name_of(program);
    let plain = name.trim_start_matches('-');
    let plain = plain.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    FAMILIES.iter().find(|f| f.names.contains(&plain))
}

/// What a command line says of the script it runs, and whether that is sure; `None`: its program is no interpreter.
pub(crate) fn told<S: AsRef<OsStr>>(argv: &[S]) -> Option<(Told, bool)> {
    Some(told_to(family(argv.first()?.as_ref())?, argv))
}

/// The script that a process most likely runs, whose executable is known but whose `argv[0]` may be anything.
#[cfg(unix)]
pub(crate) fn script_run_by<'a, S: AsRef<OsStr>>(executable: &OsStr, argv: &'a [S]) -> Option<&'a OsStr> {
    match told_to(family(executable)?, argv).0 {
        Told::Script(at) => argv.get(at).map(AsRef::as_ref),
        Told::Command(_) | Told::Code(_) => None,
    }
}

fn told_to<S: AsRef<OsStr>>(family: &Family, argv: &[S]) -> (Told, bool) {
    match &family.options {
        Options::Letters(letters) => letters.told(argv),
        Options::PowerShell => by(argv, powershell),
        Options::ScriptHost => by(argv, |word| word.starts_with("//").then_some(Words(0))),
        Options::Cmd => cmd(argv),
    }
}

/// Goes through the options. `option`: what a word takes; `None`: it is none, so it is the script.
fn by<S: AsRef<OsStr>>(argv: &[S], option: impl Fn(&str) -> Option<Takes>) -> (Told, bool) {
    let (mut at, mut sure) = (1, true);
    while let Some(word) = argv.get(at) {
        at += 1 + match option(&word.as_ref().to_string_lossy()) {
            Some(Words(words)) => words,
            Some(Script) if at + 1 < argv.len() => return (Told::Script(at + 1), sure),
            Some(Code | Script) => return (Told::Code(at), sure),
            Some(Unclear) => {
                sure = false;
                0
            }
            None => return (Told::Script(at), sure),
        };
    }
    (Told::Code(argv.len()), sure)
}

impl Letters {
    fn told<S: AsRef<OsStr>>(&self, argv: &[S]) -> (Told, bool) {
        by(argv, |word| match word {
            // The code comes from the input; a shell takes it for the end of the options, as it does `--`.
            "-" if !self.shell => Some(Code),
            "-" | "--" => Some(Script),
            _ => match word.strip_prefix("--") {
                Some(long) => Some(self.long(long).unwrap_or(Unclear)),
                None => {
                    let plus = || word.strip_prefix('+').filter(|_| self.shell);
                    word.strip_prefix('-').or_else(plus).map(|letters| self.short(letters))
                }
            },
        })
    }

    fn long(&self, option: &str) -> Option<Takes> {
        let (name, value) =
            option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let takes = self.long.iter().find(|(known, _)| *known == name).map(|(_, takes)| *takes);
        match (takes, value) {
            (Some(Script), Some(_)) => Some(Unclear),
            (Some(Code), Some(_)) => Some(Code),
            (_, Some(_)) => Some(Words(0)),
            (takes, None) => takes,
        }
    }

    fn short(&self, letters: &str) -> Takes {
        if let Some(takes) = self.long(letters).filter(|_| self.shell) {
            return takes;
        }
        let mut words = 0;
        for (at, letter) in letters.char_indices() {
            let last = at + letter.len_utf8() == letters.len();
            match letter {
                _ if self.code.contains(letter) => return Code,
                _ if self.script.contains(letter) => return if last { Script } else { Unclear },
                _ if self.valued.contains(letter) && self.shell => words += 1,
                _ if self.valued.contains(letter) => return Words(usize::from(last)),
                _ if self.attached.contains(letter) => return Words(0),
                _ if self.plain.contains(letter) => {}
                _ => return Unclear,
            }
        }
        Words(words)
    }
}

/// A word that is no option is code to Windows' own PowerShell, and the script to others.
fn powershell(word: &str) -> Option<Takes> {
    let Some(option) = word.strip_prefix(['-', '/']) else { return Some(Unclear) };
    let option = option.to_ascii_lowercase();
    if let Some((_, takes)) = POWERSHELL.iter().find(|(name, _)| *name == option) {
        return Some(*takes);
    }
    let mut meant = POWERSHELL.iter().filter(|(name, _)| name.starts_with(&option)).map(|(_, takes)| *takes);
    let first = meant.next().unwrap_or(Unclear);
    Some(if meant.all(|takes| takes == first) { first } else { Unclear })
}

/// Behind `/c` stands a command line. What is built into the shell, or put together by its signs, is not looked into.
fn cmd<S: AsRef<OsStr>>(argv: &[S]) -> (Told, bool) {
    let text = |word: &S| lower(word.as_ref());
    let Some(at) =
        argv.iter().skip(1).position(|word| ["/c", "/k", "/r"].iter().any(|o| text(word).starts_with(o)))
    else {
        return (Told::Code(argv.len()), true);
    };
    let (option, words) = (&argv[at + 1], &argv[at + 2..]);
    let built_in = |program: &S| {
        let program = program.as_ref();
        let named = lower(program).contains(['/', '\\'])
            || family(program).is_some()
            || runner::of(program).is_some();
        !named || lower(program).contains([' ', '%'])
    };
    let signs = words.iter().any(|word| text(word).contains(['&', '|', '<', '>', '^']));
    let sure = text(option).len() == 2 && !signs && !words.first().is_some_and(built_in);
    (Told::Command(at + 2), sure)
}

fn lower(word: &OsStr) -> String {
    word.to_string_lossy().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Told::{Command, Script};

    fn sure(argv: &[&str]) -> Option<Told> {
        told(argv).map(|(told, sure)| {
            assert!(sure, "{argv:?}");
            told
        })
    }

    #[test]
    fn the_script_is_the_first_word_that_is_no_option_nor_an_option_s_value() {
        let table: [(&[&str], Told); 26] = [
            (&["/bin/sh", "/srv/ctl", "start"], Script(1)),
            (&["/bin/sh", "-eu", "/srv/ctl"], Script(2)),
            (&["/bin/bash", "-o", "errexit", "/srv/ctl"], Script(3)),
            (&["/bin/bash", "-eo", "pipefail", "/srv/ctl"], Script(3)),
            (&["/bin/bash", "-oe", "pipefail", "/srv/ctl"], Script(3)),
            (&["/bin/bash", "--norc", "+x", "--", "-ctl"], Script(4)),
            (&["/bin/bash", "--rcfile", "/etc/rc", "/srv/ctl"], Script(3)),
            (&["/bin/bash", "-norc", "/srv/ctl"], Script(2)),
            (&["/bin/sh", "-", "/srv/ctl"], Script(2)),
            (&["/bin/sh", "-c", "/srv/ctl"], Told::Code(1)),
            (&["/bin/sh", "-ec", "/srv/ctl"], Told::Code(1)),
            (&["/bin/sh", "-s", "/srv/ctl"], Told::Code(1)),
            (&["/bin/sh", "-"], Told::Code(1)),
            (&["/bin/sh"], Told::Code(1)),
            (&["/usr/bin/python3.11", "-W", "ignore", "ctl.py"], Script(3)),
            (&["/usr/bin/python3", "-Wignore", "-uX", "dev", "ctl.py"], Script(4)),
            (&["/usr/bin/python3", "-m", "http.server"], Told::Code(1)),
            (&["/usr/bin/perl", "-I", "/srv/lib", "-w", "/srv/ctl.pl"], Script(4)),
            (&["/usr/bin/perl", "-I/srv/lib", "-MPOSIX=floor", "/srv/ctl.pl"], Script(3)),
            (&["/usr/bin/perl", "-lne", "print", "/srv/data"], Told::Code(1)),
            (&["/usr/bin/ruby", "-r", "json", "/srv/ctl.rb"], Script(3)),
            (&["/usr/bin/node", "--require", "/srv/hook.js", "/srv/ctl.js"], Script(3)),
            (&["/usr/bin/node", "--eval", "1"], Told::Code(1)),
            (&["/usr/bin/php", "-d", "a=b", "-f", "/srv/ctl.php"], Script(4)),
            (&["/usr/bin/php", "-", "/srv/ctl.php"], Told::Code(1)),
            (&["/usr/bin/python3", "+ctl.py"], Script(1)),
        ];
        for (argv, wanted) in table {
            assert_eq!(sure(argv), Some(wanted), "{argv:?}");
        }
        assert_eq!(told(&["/bin/cat", "/srv/ctl"]), None);
        assert_eq!(told::<&str>(&[]), None);
    }

    #[test]
    fn windows_interpreters_are_known_by_any_case_and_their_own_options() {
        let table: [(&[&str], Told); 13] = [
            (&[r"C:\Python\PYTHON.EXE", "-u", r"C:\srv\ctl.py"], Script(2)),
            (&[r"C:\Perl\perl.exe", r"C:\srv\ctl.pl"], Script(1)),
            (
                &["powershell.exe", "-NoProfile", "-ExecutionPolicy", "Bypass", "-File", r"C:\srv\ctl.ps1"],
                Script(5),
            ),
            (&["PowerShell", "-nop", "-ep", "Bypass", "-noni", "-f", r"C:\srv\ctl.ps1"], Script(6)),
            (&["pwsh", "/File", r"C:\srv\ctl.ps1", "-c"], Script(2)),
            (&["pwsh", "-Command", "Get-Service"], Told::Code(1)),
            (&["powershell", "-enc", "AAAA"], Told::Code(1)),
            (
                &[r"C:\Windows\System32\cscript.exe", "//nologo", "//E:vbscript", r"C:\srv\ctl.vbs", "/x"],
                Script(3),
            ),
            (&["WScript.exe", r"C:\srv\ctl.js"], Script(1)),
            (&[r"C:\Windows\System32\cmd.exe", "/d", "/s", "/c", r"C:\srv\ctl.bat", "start"], Command(4)),
            (&["CMD", "/C", "powershell", "-File", r"C:\srv\ctl.ps1"], Command(2)),
            (&["cmd", "/q"], Told::Code(2)),
            (&["node.exe", r"C:\srv\ctl.js"], Script(1)),
        ];
        for (argv, wanted) in table {
            assert_eq!(sure(argv), Some(wanted), "{argv:?}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_said_to_be_sure() {
        for argv in [
            &["/bin/bash", "--new-option", "/srv/data", "/srv/ctl"][..],
            &["/usr/bin/python3", "-Z", "/srv/data", "ctl.py"],
            &["/usr/bin/node", "--title", "x", "/srv/ctl.js"],
            &["/usr/bin/php", "-f/srv/ctl.php"],
            &["powershell", r"C:\srv\ctl.ps1"],
            &["powershell", "-no", "-co", "x", "-File", r"C:\srv\ctl.ps1"],
            &["cmd", "/c", "call", r"C:\srv\ctl.bat"],
            &["cmd", "/c", r"C:\srv\first.bat", "&", r"C:\srv\ctl.bat"],
            &["cmd", r"/cC:\srv\ctl.bat"],
        ] {
            assert!(matches!(told(argv), Some((_, false))), "{argv:?}");
        }
    }
}
