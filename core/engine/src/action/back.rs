//! Actions on their way back.

use super::Action;
use crate::{failure::Stuck, window::Run};
use backout_disk::barrier;

impl Run<'_> {
    /// Takes back every action that may have begun, the last first, and looks at each behind it. One that cannot be taken
    /// back keeps no other, and no file, from going back; the first of them is the error.
    pub(crate) fn actions_back(&mut self) -> Result<(), Stuck> {
        let begun = self.actions.begun;
        let mut failed = None;
        for action in self.acting().into_iter().take(begun).rev() {
            if let Err(stuck) = self.take_back(action) {
                log::warn!("run {}: {stuck:?}", self.tx.run);
                failed.get_or_insert(stuck);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn take_back(&self, action: &Action) -> Result<(), Stuck> {
        if barrier::left_out(|| "take actions back".into()) {
            return Ok(());
        }
        let [at_it, over] = action.backward();
        self.tell(action, at_it);
        // Also what looks as before: an earlier attempt may have got it there without getting it onto the medium, and
        // behind `Unswapped` nobody would look again. If we die here it is anywhere, and `undo` works from there.
        self.asking().backward(action).map_err(|why| action.stuck(why))?;
        self.tell(action, over);
        Ok(())
    }
}
