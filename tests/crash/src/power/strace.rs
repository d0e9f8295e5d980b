//! System calls as strace prints them.

use backout_kit::strace;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

/// Every call that changes a file system or says which handle is which. Those a run does not make cost nothing.
const CALLS: &str = "?openat,?openat2,?open,?creat,?close,?dup,?fcntl,?lseek,?mkdirat,?mkdir,?unlinkat,?unlink,?rmdir,\
                     ?rename,?renameat,?renameat2,?linkat,?link,?symlinkat,?write,?pwrite64,?writev,?pwritev,?pwritev2,\
                     ?copy_file_range,?sendfile,?ftruncate,?fallocate,?fsync,?fdatasync,?syncfs,?sync,?sync_file_range,\
                     ?fchmod,?fchmodat,?fchown,?fchownat,?utimensat";
/// Those that say what a process has from the one that started it.
const PROCESSES: &str = "?clone,?clone3,?fork,?vfork,?execve,?dup2,?dup3,?umask";
/// What a call by which a process or thread began is told as: it returns the new one's number.
pub const BEGINS: &str = "begins";

/// One call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub name: String,
    /// Its arguments as printed; texts are bytes in hexadecimal.
    pub args: Vec<String>,
    /// What it returned.
    pub ret: i64,
    /// Whose it is; 0 where only one thread was looked at.
    pub process: u32,
}

impl Call {
    /// The argument as a number.
    pub fn number(&self, at: usize) -> i64 {
        let text = self.args[at].as_str();
        match text.strip_prefix('0') {
            Some(octal) if !octal.is_empty() => i64::from_str_radix(octal, 8).unwrap(),
            _ => text.parse().unwrap_or_else(|_| panic!("no number: {self:?}")),
        }
    }

    /// The argument as bytes.
    pub fn bytes(&self, at: usize) -> Vec<u8> {
        let text = self.args[at].as_str();
        assert!(text.starts_with('"') && text.ends_with('"') && text.len() > 1, "no whole text: {text}");
        let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
        let byte = |one: &[u8]| match one {
            [b'\\', b'x', high, low] => digit(*high) << 4 | digit(*low),
            _ => panic!("no byte: {one:?}"),
        };
        text.as_bytes()[1..text.len() - 1].chunks(4).map(byte).collect()
    }

    /// Whether a flag is among those of an argument.
    pub fn has(&self, at: usize, flag: &str) -> bool {
        self.args[at].split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == flag)
    }
}

/// Which threads of a command are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The first.
    First,
    /// All of it, and of all that it starts.
    All,
}

/// Runs a command under strace, and says which calls it made.
pub fn record(command: &Command, threads: Threads, log: &Path) -> (Vec<Call>, Output) {
    let log_to = log.to_str().unwrap();
    let (follow, calls) = match threads {
        Threads::First => ("-qq", format!("trace={CALLS}")),
        Threads::All => ("-f", format!("trace={CALLS},{PROCESSES}")),
    };
    let options = [follow, "-xx", "-s", "8000000", "-o", log_to, "-e", &calls];
    let output = strace::under(command, &options).output().unwrap();
    (read(log), output)
}

/// The calls in strace's file, in the order they came to their end in.
pub fn read(log: &Path) -> Vec<Call> {
    let (mut calls, mut begun): (Vec<Call>, BTreeMap<u32, String>) = Default::default();
    let mut known: Vec<u32> = Vec::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let (process, line) = numbered(line);
        if known.is_empty() {
            known.push(process);
        }
        // A new one's first call may stand before the end of the call that began it.
        if !known.contains(&process) {
            let of = begun.iter().find(|(_, text)| is_beginning(text));
            let (of, text) = of.unwrap_or_else(|| panic!("nobody has begun {process}: {line}"));
            calls.push(beginning(*of, process, text));
            known.push(process);
        }
        if let Some(text) = line.strip_suffix(" <unfinished ...>") {
            begun.insert(process, text.to_owned());
            continue;
        }
        let whole = match line.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            Some((_, rest)) => begun.remove(&process).unwrap_or_default() + rest,
            None => line.to_owned(),
        };
        let Some(call) = call(&whole) else { continue };
        match u32::try_from(call.ret) {
            Ok(new) if is_beginning(&whole) => {
                if !known.contains(&new) {
                    calls.push(beginning(process, new, &whole));
                    known.push(new);
                }
            }
            _ => calls.push(Call { process, ..call }),
        }
    }
    calls
}

/// The number of the thread that a line is of, where strace says it.
fn numbered(line: &str) -> (u32, &str) {
    let parts =
        line.split_once(' ').and_then(|(number, rest)| Some((number.parse().ok()?, rest.trim_start())));
    parts.unwrap_or((0, line))
}

fn is_beginning(text: &str) -> bool {
    ["clone(", "clone3(", "fork(", "vfork("].iter().any(|name| text.starts_with(name))
}

/// That one has begun, with handles of its own or together with its parent.
fn beginning(process: u32, new: u32, text: &str) -> Call {
    let how = if text.contains("CLONE_FILES") { "together" } else { "own" };
    Call { name: BEGINS.to_owned(), args: vec![how.to_owned()], ret: new.into(), process }
}

/// One line; `None`: the call failed or is no call.
fn call(line: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (args, ret) = rest.rsplit_once(" = ")?;
    let ret = ret.split(' ').next()?.parse::<i64>().ok().filter(|ret| *ret >= 0)?;
    let args = split(args.trim_end().strip_suffix(')')?);
    Some(Call { name: name.to_owned(), args, ret, process: 0 })
}

/// Arguments: commas outside brackets and quotes part them.
fn split(text: &str) -> Vec<String> {
    let (mut args, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0, false);
    for (at, c) in text.bytes().enumerate() {
        match c {
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth -= 1,
            b',' if !quoted && depth == 0 => {
                args.push(text[from..at].trim().to_owned());
                from = at + 1;
            }
            _ => {}
        }
    }
    args.push(text[from..].trim().to_owned());
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line = r#"openat2(5, "\x61\x2c", {flags=O_RDONLY|O_CLOEXEC, resolve=RESOLVE_BENEATH}, 24) = 6"#;
        let call = call(line).unwrap();
        assert_eq!((call.name.as_str(), call.args.len(), call.ret), ("openat2", 4, 6));
        assert_eq!(call.bytes(1), b"a,");
        assert!(call.has(2, "O_CLOEXEC") && !call.has(2, "O_CREAT"));
        assert_eq!(super::call(r#"mkdirat(5, "\x61", 0700) = -1 EEXIST (File exists)"#), None);
        assert_eq!(super::call(r#"mkdirat(5, "\x61", 0700) = 0"#).unwrap().number(2), 0o700);
    }

    #[test]
    fn a_process_that_another_has_begun_is_known_before_its_first_call() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let text = "7 close(3) = 0\n7 clone3({flags=CLONE_VM|CLONE_VFORK} <unfinished ...>\n8 close(4) = 0\n\
                    7 <... clone3 resumed>, 88) = 8\n7 clone(flags=CLONE_FILES) = 9\n9 close(5) = 0\n9 +++ exited with 0 +++\n";
        std::fs::write(log.path(), text).unwrap();
        let calls = read(log.path());
        let told: Vec<_> = calls.iter().map(|c| (c.process, c.name.as_str(), c.args[0].as_str())).collect();
        let close = "close";
        let expected =
            [(7, close, "3"), (7, BEGINS, "own"), (8, close, "4"), (7, BEGINS, "together"), (9, close, "5")];
        assert_eq!(told, expected);
        assert_eq!((calls[1].ret, calls[3].ret), (8, 9));
    }
}
