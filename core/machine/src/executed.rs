//! Which files a command line runs, as far as its words tell: its program, what that one runs in turn (`env`, `nice`), and the
//! script that an interpreter is given. Code in the words themselves (`sh -c`) is not looked into.

use crate::{
    command,
    interpreter::{self, Told},
    runner,
};
use std::{collections::BTreeSet, path::PathBuf};

/// The files that others must not be able to change where `argv` is run: its program as it stands there; what else is known
/// to be run, as it is found from where commands run; and, where options may decide what is run, every file that they or the
/// words behind them name.
pub fn executed(argv: &[String]) -> BTreeSet<PathBuf> {
    let (known, perhaps) = look(argv);
    let root = command::root();
    let known = known.into_iter().map(|word| root.join(word));
    let perhaps = perhaps.iter().flat_map(|word| pieces(word));
    let perhaps = perhaps.map(|piece| root.join(piece)).filter(|path| path.is_file());
    argv.first().map(PathBuf::from).into_iter().chain(known).chain(perhaps).collect()
}

/// The words behind the first that are run, and those that may be or may name what is.
fn look(argv: &[String]) -> (Vec<&String>, &[String]) {
    let mut known = Vec::new();
    // From here on it is not told yet what each word is.
    let mut rest = argv;
    for _ in 0..runner::DEEPEST {
        let Some(program) = rest.first() else { return (known, rest) };
        // A bare name is looked for along our own PATH.
        if rest.len() < argv.len() && program.contains(['/', '\\']) {
            known.push(program);
        }
        let next = match (runner::of(program.as_ref()), interpreter::told(rest)) {
            (Some(runner), _) => Some(runner.behind(rest)).filter(|b| b.sure).map(|b| b.at),
            (None, None) => return (known, &[]),
            (None, Some((_, false))) => None,
            (None, Some((Told::Command(at), true))) => Some(at),
            (None, Some((Told::Code(at), true))) => return (known, &rest[1..at]),
            (None, Some((Told::Script(at), true))) => {
                known.push(&rest[at]);
                return (known, &rest[1..at]);
            }
        };
        match next {
            Some(at) => rest = rest.get(at..).unwrap_or_default(),
            None => break,
        }
    }
    (known, rest.get(1..).unwrap_or_default())
}

/// A word, and what in it may be a path: an option's value (`-I/srv/lib`, `--rcfile=/srv/rc`), a word of a text.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let parts = word.split(|c: char| c.is_whitespace() || "'\"=;&|()<>,`".contains(c));
    let values = parts.clone().filter_map(|part| part.strip_prefix('-')?.get(1..));
    std::iter::once(word).chain(parts).chain(values).filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is run for sure, and what may be.
    fn seen(argv: &[&str]) -> (Vec<String>, Vec<String>) {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let (known, perhaps) = look(&argv);
        (known.into_iter().cloned().collect(), perhaps.to_vec())
    }

    #[test]
    fn what_runs_another_is_seen_through() {
        for argv in [
            &["/usr/bin/env", "bash", "CTL", "start"][..],
            &["/usr/bin/env", "-i", "A=b", "bash", "CTL"],
            &["/usr/bin/nice", "-n", "5", "CTL", "/srv/data"],
            &["/usr/bin/ionice", "-c3", "nice", "sh", "CTL"],
            &["/usr/bin/setsid", "nohup", "stdbuf", "-oL", "python3", "CTL"],
            &["/usr/bin/timeout", "-k", "5", "600", "sh", "CTL", "/srv/data"],
            &["/bin/busybox", "sh", "CTL"],
            &["/usr/bin/sudo", "-nu", "root", "CTL"],
            &["/bin/sh", "CTL", "/srv/data"],
            &[r"C:\Windows\System32\CMD.EXE", "/c", "powershell", "-File", "CTL", r"D:\data"],
        ] {
            for ctl in ["/srv/ctl", r"C:\srv\ctl.bat"] {
                let argv: Vec<&str> =
                    argv.iter().map(|word| if *word == "CTL" { ctl } else { word }).collect();
                let (known, perhaps) = seen(&argv);
                assert_eq!(known.last().map(String::as_str), Some(ctl), "{argv:?}");
                assert!(!perhaps.iter().any(|word| word.ends_with("data")), "{argv:?}: {perhaps:?}");
            }
        }
    }

    #[test]
    fn where_options_may_say_what_is_run_every_word_of_them_counts() {
        for argv in [
            &["/usr/bin/env", "-S", "bash /srv/ctl"][..],
            &["/usr/bin/sudo", "--user", "root", "bash", "/srv/ctl"],
            &["/bin/bash", "--rcfile", "/srv/ctl", "/bin/true"],
            &["/usr/bin/node", "-r/srv/ctl", "/bin/true"],
            &["/usr/bin/node", "--new=x", "--newer", "x", "/srv/ctl"],
            &["/usr/sbin/runuser", "root", "-c", "/srv/ctl start"],
        ] {
            let (_, perhaps) = seen(argv);
            assert!(
                perhaps.iter().flat_map(|word| pieces(word)).any(|piece| piece == "/srv/ctl"),
                "{argv:?}"
            );
        }
        assert_eq!(seen(&["/srv/ctl", "/srv/data"]), (Vec::new(), Vec::new()));
        assert_eq!(seen(&["/bin/sh", "-c", "/srv/data"]), (Vec::new(), Vec::new()));
        assert_eq!(seen(&[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_command_line_that_runs_itself_on_and_on_ends() {
        let (known, perhaps) = seen(&["env"; 20]);
        assert!(known.is_empty() && !perhaps.is_empty());
    }

    #[test]
    fn only_files_that_are_there_count_among_those_that_may_be_run() {
        let here = std::env::current_exe().unwrap();
        let here = here.to_str().unwrap();
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let found = executed(&argv(&["/usr/bin/sudo", "--user", "root", here, "/nowhere/at/all", "/"]));
        assert_eq!(found, BTreeSet::from(["/usr/bin/sudo", here].map(PathBuf::from)));
    }
}
