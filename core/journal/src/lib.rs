//! The write-ahead journal of one transaction.
//!
//! [`Record`] says what a run intends or has done, [`status::next`] is the one function that says what state a
//! sequence of records is, [`format`](mod@format) turns records into lines with a checksum each, [`reader`] tells a torn tail from
//! corruption, and [`Journal`] appends durably. Running and recovering go through the same `next`.
//!
//! The journal never holds one line per file: files are looked at, not logged.

pub mod format;
pub mod reader;
pub mod record;
pub mod status;
pub mod writer;

pub use reader::{Reading, Tail, Unreadable};
pub use record::{Direction, Record, Verdict};
pub use status::{IllegalRecord, Remedy, Status};
pub use writer::{Journal, JournalError};
