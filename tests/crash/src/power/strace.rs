//! System calls as strace prints them.

use backout_kit::strace;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Every call that changes a file system or says which handle is which. Those a run does not make cost nothing.
const CALLS: &str = "?openat,?openat2,?open,?creat,?close,?dup,?fcntl,?lseek,?mkdirat,?mkdir,?unlinkat,?unlink,?rmdir,\
                     ?rename,?renameat,?renameat2,?linkat,?link,?symlinkat,?write,?pwrite64,?writev,?pwritev,?pwritev2,\
                     ?copy_file_range,?sendfile,?ftruncate,?fallocate,?fsync,?fdatasync,?syncfs,?sync,?sync_file_range,\
                     ?fchmod,?fchmodat,?fchown,?fchownat,?utimensat";

/// One call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which.
    pub name: String,
    /// Its arguments as printed; texts are bytes in hexadecimal.
    pub args: Vec<String>,
    /// What it returned.
    pub ret: i64,
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
        let digits = text[1..text.len() - 1].split("\\x").skip(1);
        digits.map(|d| u8::from_str_radix(d, 16).unwrap()).collect()
    }

    /// Whether a flag is among those of an argument.
    pub fn has(&self, at: usize, flag: &str) -> bool {
        self.args[at].split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == flag)
    }
}

/// Runs a command of the binary's first thread under strace, and says which calls it made.
pub fn record(command: &Command, log: &Path) -> (Vec<Call>, Output) {
    let (log_to, calls) = (log.to_str().unwrap(), format!("trace={CALLS}"));
    let options = ["-xx", "-s", "1000000", "-o", log_to, "-e", &calls];
    let output = strace::under(command, &options).output().unwrap();
    (read(log), output)
}

/// The calls in strace's file.
pub fn read(log: &Path) -> Vec<Call> {
    fs::read_to_string(log).unwrap().lines().filter_map(call).collect()
}

/// One line; `None`: the call failed or is no call.
fn call(line: &str) -> Option<Call> {
    let (name, rest) = line.split_once('(')?;
    let (args, ret) = rest.rsplit_once(" = ")?;
    let ret = ret.split(' ').next()?.parse::<i64>().ok().filter(|ret| *ret >= 0)?;
    let args = split(args.trim_end().strip_suffix(')')?);
    Some(Call { name: name.to_owned(), args, ret })
}

/// Arguments: commas outside brackets and quotes part them.
fn split(text: &str) -> Vec<String> {
    let (mut args, mut depth, mut quoted) = (vec![String::new()], 0, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                args.push(String::new());
                continue;
            }
            _ => {}
        }
        args.last_mut().unwrap().push(c);
    }
    args.into_iter().map(|a| a.trim().to_owned()).collect()
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
}
