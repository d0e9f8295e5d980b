//! What goes around the files: services stopped before, processes waited for, services started after.

use crate::Ask;
use backout_protocol::{
    HostPath, ServiceName,
    message::{Failure, Proposal, Proposed},
};

/// Services and processes that use a component's files.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    services: Vec<ServiceName>,
    images: Vec<String>,
    under: Vec<HostPath>,
}

impl Frame {
    /// All installed services of the component, in the profile's order, and the processes `images` from below `under`
    /// (or, where that is empty, below `or_else`).
    ///
    /// # Errors
    /// A location names no folder.
    pub fn new<C>(
        ask: &Ask<C>,
        images: &[String],
        under: &[String],
        or_else: &[&str],
    ) -> Result<Self, Failure> {
        let locations = under.iter().map(String::as_str);
        let or_else = or_else.iter().copied().filter(|_| under.is_empty());
        let mut folders = Vec::new();
        for location in locations.chain(or_else) {
            let folder = ask.folder(location)?;
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        Ok(Self { services: ask.request.services.clone(), images: images.to_vec(), under: folders })
    }

    /// Puts the frame around a proposal's steps. Services are started in the order they are stopped in.
    pub fn around(self, files: Proposal) -> Proposal {
        let stop = |service: &ServiceName| Proposed::StopService { service: service.clone() };
        let start = |service: &ServiceName| Proposed::StartService { service: service.clone() };
        let mut steps: Vec<Proposed> = self.services.iter().map(stop).collect();
        if !self.images.is_empty() {
            steps.push(Proposed::WaitExit { images: self.images, under: self.under });
        }
        steps.extend(files.steps);
        steps.extend(self.services.iter().map(start));
        Proposal { steps, ..files }
    }
}
