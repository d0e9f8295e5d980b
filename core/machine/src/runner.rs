//! Programs that run another one, `env`, `nice`, `sudo` and the like: where in a command line that one stands.

use std::ffi::OsStr;

/// Who runs what runs what… ends somewhere.
pub(crate) const DEEPEST: usize = 8;

/// A program that runs another.
pub(crate) struct Runner {
    name: &'static str,
    /// Letters of its options that take a word of their own.
    valued: &'static str,
    /// Letters of options with which it runs something else than the rest of its words.
    odd: &'static str,
    /// How many words stand before the program.
    before: usize,
}

const RUNNERS: [Runner; 18] = [
    runner("sudo", "ugpCchrtTU", "DR", 0),
    runner("doas", "uC", "", 0),
    runner("runuser", "ugGw", "clmpPsT", 1),
    runner("su", "", "cgGlmpPsTw", 1),
    runner("env", "ua", "SC", 0),
    runner("nice", "n", "", 0),
    runner("ionice", "cnpPu", "", 0),
    runner("nohup", "", "", 0),
    runner("setsid", "", "", 0),
    runner("time", "fo", "", 0),
    runner("timeout", "ks", "", 1),
    runner("stdbuf", "ioe", "", 0),
    runner("chrt", "TPD", "", 1),
    runner("taskset", "", "", 1),
    runner("flock", "wE", "c", 1),
    runner("systemd-inhibit", "", "", 0),
    runner("systemd-run", "puHME", "", 0),
    runner("busybox", "", "", 0),
];

/// Long options that take no word and change nothing of what is run.
const PLAIN: [&str; 13] = [
    "--collect",
    "--ctty",
    "--foreground",
    "--fork",
    "--ignore-environment",
    "--no-block",
    "--non-interactive",
    "--pipe",
    "--preserve-status",
    "--quiet",
    "--scope",
    "--verbose",
    "--wait",
];

const fn runner(name: &'static str, valued: &'static str, odd: &'static str, before: usize) -> Runner {
    Runner { name, valued, odd, before }
}

/// Where the program that a runner runs stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behind {
    /// The number of its word; behind the last: there is none.
    pub at: usize,
    /// Whether that is sure: no option was met that may have taken a word, or that says what is run in another way.
    pub sure: bool,
}

/// What programs are told apart by: without folders and `.exe`, in small letters, as Windows takes them.
pub(crate) fn name_of(program: &OsStr) -> String {
    let text = program.to_string_lossy().to_ascii_lowercase();
    let name = text.rsplit(['/', '\\']).next().unwrap_or_default();
    name.strip_suffix(".exe").unwrap_or(name).to_owned()
}

/// The runner that a program is.
pub(crate) fn of(program: &OsStr) -> Option<&'static Runner> {
    let name = name_of(program);
    RUNNERS.iter().find(|runner| runner.name == name)
}

impl Runner {
    /// Where in `argv`, which begins with the runner, the program stands.
    pub(crate) fn behind<S: AsRef<OsStr>>(&self, argv: &[S]) -> Behind {
        let (mut at, mut left, mut sure, mut options) = (1, self.before, true, true);
        while let Some(word) = argv.get(at) {
            let word = word.as_ref().to_string_lossy();
            at += match &*word {
                "--" if options => {
                    options = false;
                    1
                }
                "-" => {
                    sure = false;
                    1
                }
                plain if options && PLAIN.contains(&plain) => 1,
                long if options && long.starts_with("--") => {
                    // The value of one that is not behind `=` looks like a program.
                    let odd = |letter: char| self.odd.to_ascii_lowercase().contains(letter);
                    sure &= long.contains('=') && !long[2..].starts_with(odd);
                    1
                }
                short if options && short.starts_with('-') => {
                    let (words, plain) = self.letters(&short[1..]);
                    // Then no word names the user, and the rest is a command.
                    if self.name == "runuser" && short.contains('u') {
                        left = 0;
                    }
                    sure &= plain;
                    1 + words
                }
                set if matches!(self.name, "env" | "sudo") && set.contains('=') => 1,
                _ if left > 0 => {
                    left -= 1;
                    1
                }
                _ => break,
            };
        }
        Behind { at, sure }
    }

    /// How many words short options take beside their own, and whether that says all of them.
    fn letters(&self, letters: &str) -> (usize, bool) {
        for (at, letter) in letters.char_indices() {
            if self.odd.contains(letter) {
                return (0, false);
            }
            if self.valued.contains(letter) {
                return (usize::from(at + letter.len_utf8() == letters.len()), true);
            }
        }
        (0, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_stands_behind_what_the_runner_s_options_take() {
        for (argv, wanted) in [
            (&["/usr/bin/env", "-i", "A=b", "bash", "/srv/ctl"][..], Some(3)),
            (&["env", "-iu", "HOME", "bash"], Some(3)),
            (&["env", "-uHOME", "bash"], Some(2)),
            (&["env", "-S", "bash /srv/ctl"], None),
            (&["env", "--split-string=bash /srv/ctl"], None),
            (&["env", "--chdir=/srv", "bash"], None),
            (&["env", "-C", "/srv/app", "./ctl", "start"], None),
            (&["sudo", "-nu", "root", "/srv/ctl"], Some(3)),
            (&["sudo", "--user", "root", "/srv/ctl"], None),
            (&["timeout", "-k", "5", "600", "sh", "/srv/ctl"], Some(4)),
            (&["runuser", "-u", "root", "--", "/srv/ctl"], Some(4)),
            (&["runuser", "root", "-c", "/srv/ctl start"], None),
            (&["timeout", "--foreground", "--", "600", "/srv/ctl"], Some(4)),
            (&["systemd-run", "--wait", "--scope", "/srv/ctl"], Some(3)),
            (&["flock", "/run/lock/x", "-c", "/srv/ctl start"], None),
            (&["nice"], Some(1)),
        ] {
            let behind = of(argv[0].as_ref()).unwrap().behind(argv);
            assert_eq!(behind.sure.then_some(behind.at), wanted, "{argv:?}");
        }
    }

    #[test]
    fn a_name_is_known_as_each_system_writes_it() {
        for (program, name) in [
            ("/usr/bin/Env", "env"),
            (r"C:\Windows\System32\CMD.EXE", "cmd"),
            ("python3.11", "python3.11"),
            ("", ""),
        ] {
            assert_eq!(name_of(program.as_ref()), name);
        }
    }
}
