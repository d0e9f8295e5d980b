//! A second process that has a file open.

use crate::binary::program;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// It does not outlive its test.
#[derive(Debug)]
pub struct Holding(Child);

impl Holding {
    /// The file may be read and written meanwhile, not moved.
    pub fn new(file: &Path) -> Self {
        Self::start("hold", file)
    }

    /// Nobody else can open the file meanwhile.
    pub fn alone(file: &Path) -> Self {
        Self::start("close-off", file)
    }

    /// Starts it and sees it hold the file.
    fn start(verb: &str, file: &Path) -> Self {
        let mut command = Command::new(program("backout-kit", "ctl"));
        let command = command.arg(verb).arg(file).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim(), "held");
        Self(child)
    }

    /// Its number.
    pub fn process(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
