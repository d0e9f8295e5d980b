//! Actions on their way forwards.

use super::{Action, Asking, Side};
use crate::{
    failure::Failure,
    window::{Look, Run},
};
use backout_disk::barrier;
use backout_journal::Record;
use backout_protocol::{Event, report::ActionDoing};

impl<'a> Run<'a> {
    pub(crate) fn asking(&self) -> Asking<'_> {
        Asking { host: self.faces.host, folder: self.tx.folder.path(), held: Some(&self.held) }
    }

    pub(super) fn tell(&self, action: &Action, doing: ActionDoing) {
        let (component, action) = (action.component(), action.name());
        self.faces.observer.event(&Event::Action { component, action, doing });
    }

    /// The actions of the run that have something to do, in their order. The transaction outlives the run.
    pub(super) fn acting(&self) -> Vec<&'a Action> {
        self.tx.actions.iter().filter(|a| !a.already).collect()
    }

    /// Looks, before anything is changed, whether each is still as it was prepared.
    pub(crate) fn look_at_actions(&self) -> Result<(), Failure> {
        for action in &self.tx.actions {
            let side = self.asking().side(action).map_err(|why| action.failed(why))?;
            if !action.is_untouched(side) {
                return Err(Failure::ActionDrift { component: action.component(), action: action.name() });
            }
        }
        Ok(())
    }

    /// Does every action that is not done, one at a time. Every name is swapped by now.
    pub(crate) fn apply_all(&mut self, look: Look) -> Result<(), Failure> {
        for (n, action) in self.acting().into_iter().enumerate() {
            if let Some(why) = self.faces.cancel.requested().filter(|_| self.cancellable) {
                return Err(Failure::Cancelled(why));
            }
            self.apply_one(n, action, look)?;
        }
        Ok(())
    }

    fn apply_one(&mut self, n: usize, action: &Action, look: Look) -> Result<(), Failure> {
        let number = u32::try_from(n).map_err(|e| action.failed(e.to_string()))?;
        if n >= self.actions.begun {
            // Before the record: one that may be on disk counts when the way is back.
            self.actions.begun = n + 1;
            self.record(Record::Applying { n: number })?;
        }
        // On disk: `Applying`, or, in a recovery, perhaps all that comes behind it too. The plugin alone can tell; whether
        // what it sees would survive a power cut it cannot, so what is there without an `Applied` is done once more.
        let side = match look {
            Look::Trust => Side::Old,
            Look::First if barrier::left_out(|| "look at actions".into()) => Side::Old,
            Look::First => self.asking().side(action).map_err(|why| action.failed(why))?,
        };
        match side {
            Side::New if n < self.actions.done => {}
            Side::New | Side::Old => {
                let [at_it, over] = action.onward();
                self.tell(action, at_it);
                self.asking().onward(action).map_err(|why| action.failed(why))?;
                self.tell(action, over);
            }
            Side::Between => {
                return Err(Failure::ActionInDoubt { component: action.component(), action: action.name() });
            }
        }
        if n >= self.actions.done {
            self.record(Record::Applied { n: number })?;
            self.actions.done = n + 1;
        }
        Ok(())
    }
}
