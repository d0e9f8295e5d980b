//! `backout apply`: takes a product forward by a profile that is made for it. One run like any other: `undo` takes it back.

use super::rollback;
use crate::{
    answer::Answer,
    args::Wish,
    session::{Session, Stop},
};
use backout_protocol::profile::Goes;
use std::path::Path;

pub(crate) fn run(
    session: &Session,
    wish: &Wish,
    saved: Option<&Path>,
    dry_run: bool,
) -> Result<Answer, Stop> {
    rollback::go(session, wish, saved, rollback::Until::End, dry_run, Goes::Forward)
}
