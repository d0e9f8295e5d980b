//! `setup SCRIPT`: an installer that does what a file says, line by line, where there is no shell script. A word is what stands
//! between blanks; where a line takes a text, the text is the rest of it.
//!
//! | line | |
//! |---|---|
//! | `write FILE TEXT` | writes the text and a line end, in place of what is there |
//! | `remove PATH` | removes a file, or a folder with all in it |
//! | `rename FROM TO`, `mkdir FOLDER` | |
//! | `say TEXT` | prints it |
//! | `run PROGRAM ARGUMENTS…` | waits for its end |
//! | `start PROGRAM ARGUMENTS…` | does not; what follows goes on beside it |
//! | `pid FILE` | writes its own number |
//! | `until FILE` | waits until it is there |
//! | `holds NAME` | has the system's mutex of this name from here on |
//! | `exit CODE` | at the end of the script the code is 0 |
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an installer changes files, and says what it likes"
)]

use std::{
    env, fs, io,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod mutex;

fn main() -> io::Result<()> {
    let script = env::args().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    for line in fs::read_to_string(script)?.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, text) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "write" => fs::write(first, format!("{text}\n"))?,
            "remove" if Path::new(first).is_dir() => fs::remove_dir_all(first)?,
            "remove" => fs::remove_file(first)?,
            "rename" => fs::rename(first, text)?,
            "mkdir" => fs::create_dir_all(first)?,
            "say" => println!("{rest}"),
            "run" => drop(Command::new(first).args(text.split_whitespace()).status()?),
            "start" => {
                let mut other = Command::new(first);
                other.args(text.split_whitespace()).stdin(Stdio::null()).spawn()?;
            }
            "pid" => {
                // Whoever waits for the name finds the number too.
                let new = format!("{first}.new");
                fs::write(&new, std::process::id().to_string())?;
                fs::rename(new, first)?;
            }
            "until" => {
                while !Path::new(first).exists() {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
            }
            "holds" => mutex::hold(first)?,
            "exit" => std::process::exit(first.parse().map_err(io::Error::other)?),
            other => return Err(io::Error::other(format!("`{other}` is nothing that an installer does"))),
        }
    }
    Ok(())
}
