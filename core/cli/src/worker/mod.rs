//! The process that carries a run out: what it would show goes to its parent as frames. A parent that is gone changes
//! nothing: the run goes on, and what it would have said is in its log. A parent that does not read changes nothing
//! either: what only shows how far the run is, is left out then.

use crate::{args::Asking, frame::Frame};
use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    sync::{Mutex, OnceLock, PoisonError},
};

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod os;

static PARENT: OnceLock<(Asking, Mutex<File>)> = OnceLock::new();

/// From now on everything that is shown goes to the parent, over what was standard output until now. Whatever else in
/// this process prints, prints to standard error.
pub(crate) fn connect(asking: Asking) -> io::Result<()> {
    let output = os::own_output()?;
    // Called once, before anything is shown.
    let _ = PARENT.set((asking, Mutex::new(output)));
    Ok(())
}

/// Whether there is a parent, and whether it can ask somebody.
pub(crate) fn parent() -> Option<Asking> {
    PARENT.get().map(|(asking, _)| *asking)
}

/// Tells the parent. A parent that is gone is told nothing.
pub(crate) fn tell(frame: &Frame) {
    let (Some((_, output)), Ok(line)) = (PARENT.get(), serde_json::to_string(frame)) else { return };
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    // Nothing can be done about a parent that is gone.
    let _ = write(&mut output, line.as_bytes(), frame.must_arrive());
}

/// A frame on a line of its own, whatever a kill or a full pipe has left of the one before.
fn write(output: &mut File, line: &[u8], must_arrive: bool) -> io::Result<()> {
    let framed = [b"\n", line, b"\n"].concat();
    let mut rest = framed.as_slice();
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => rest = &rest[n..],
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock && must_arrive => os::wait_for_room(output)?,
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    #[test]
    fn a_parent_that_does_not_read_holds_nothing_up_and_gets_what_must_arrive() {
        let (read, output) = std::io::pipe().unwrap();
        let mut output = File::from(std::os::fd::OwnedFd::from(output));
        os::never_wait(&output).unwrap();
        let event = vec![b'e'; 1000];
        let mut sent = 0;
        while write(&mut output, &event, false).is_ok() {
            sent += 1;
        }
        assert!(write(&mut output, &event, false).is_err());
        let reader = std::thread::spawn(move || {
            let lines = BufReader::new(read).split(b'\n').map(Result::unwrap);
            lines.filter(|line| !line.is_empty()).collect::<Vec<_>>()
        });
        let answer = vec![b'a'; 100_000];
        write(&mut output, &answer, true).unwrap();
        drop(output);
        let lines = reader.join().unwrap();
        assert_eq!(lines.iter().filter(|line| **line == event).count(), sent);
        assert_eq!(lines.last().unwrap(), &answer);
    }
}
