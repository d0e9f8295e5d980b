//! A PE file's machine type and file version: see [`backout_pe`].

pub use backout_pe::{PeInfo, ReadError, read};
