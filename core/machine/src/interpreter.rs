//! Which argument of a command line is the script that an interpreter runs.

use std::{ffi::OsStr, path::Path};

/// Interpreters by family, with the options after which there is no script and those that take a value.
const FAMILIES: [Family; 6] = [
    Family {
        names: &["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "rbash"],
        inline: "c",
        valued: "oO",
    },
    Family { names: &["python", "pypy"], inline: "cm", valued: "WX" },
    Family { names: &["perl"], inline: "eE", valued: "" },
    Family { names: &["ruby"], inline: "e", valued: "rIC" },
    Family { names: &["node", "nodejs"], inline: "ep", valued: "r" },
    Family { names: &["php"], inline: "r", valued: "cdz" },
];

struct Family {
    names: &'static [&'static str],
    /// Letters of options that bring the code along.
    inline: &'static str,
    /// Letters of options whose value may be the next argument.
    valued: &'static str,
}

/// The family a program belongs to: `python3.11` is python, `Ruby` is none.
fn family(program: &OsStr) -> Option<&'static Family> {
    let name = Path::new(program).file_name()?.to_str()?.trim_start_matches('-');
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    FAMILIES.iter().find(|f| f.names.contains(&plain))
}

/// The script an interpreter was told to run: its first argument that is no option. `None` if `argv[0]` is no
/// interpreter or the code stands in the arguments themselves (`sh -c`, `python -m`).
pub(crate) fn script<S: AsRef<OsStr>>(argv: &[S]) -> Option<&OsStr> {
    let (program, arguments) = argv.split_first()?;
    script_of(family(program.as_ref())?, arguments)
}

/// As [`script`], for a process whose executable is known but whose `argv[0]` may be anything.
#[cfg(unix)]
pub(crate) fn script_run_by<'a, S: AsRef<OsStr>>(
    executable: &OsStr,
    arguments: &'a [S],
) -> Option<&'a OsStr> {
    script_of(family(executable)?, arguments)
}

fn script_of<'a, S: AsRef<OsStr>>(family: &Family, arguments: &'a [S]) -> Option<&'a OsStr> {
    let mut arguments = arguments.iter().map(AsRef::as_ref);
    loop {
        let argument = arguments.next()?;
        let bytes = argument.as_encoded_bytes();
        let Some(letters) = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")) else {
            return Some(argument);
        };
        match letters {
            b"" => return None, // `-`: the code comes from standard input
            b"-" => return arguments.next(),
            [b'-', ..] => continue,
            _ if letters.iter().any(|l| family.inline.as_bytes().contains(l)) => return None,
            // `-o errexit`, but `-Wignore` has its value with it.
            [.., last] if family.valued.as_bytes().contains(last) => {
                arguments.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_the_first_argument_that_is_no_option() {
        let table: [(&[&str], Option<&str>); 14] = [
            (&["/bin/sh", "/srv/ctl", "start"], Some("/srv/ctl")),
            (&["/bin/sh", "-eu", "/srv/ctl"], Some("/srv/ctl")),
            (&["/bin/bash", "-o", "errexit", "/srv/ctl"], Some("/srv/ctl")),
            (&["/bin/bash", "--norc", "+x", "--", "-ctl"], Some("-ctl")),
            (&["/bin/sh", "-c", "/srv/ctl"], None),
            (&["/bin/sh", "-ec", "/srv/ctl"], None),
            (&["/bin/sh", "-"], None),
            (&["/bin/sh"], None),
            (&["/usr/bin/python3.11", "-W", "ignore", "ctl.py"], Some("ctl.py")),
            (&["/usr/bin/python3", "-m", "http.server"], None),
            (&["/usr/bin/perl", "-w", "/srv/ctl.pl"], Some("/srv/ctl.pl")),
            (&["/usr/bin/node", "/srv/ctl.js"], Some("/srv/ctl.js")),
            (&["/bin/cat", "/srv/ctl"], None),
            (&[], None),
        ];
        for (argv, wanted) in table {
            assert_eq!(script(argv), wanted.map(OsStr::new), "{argv:?}");
        }
    }
}
