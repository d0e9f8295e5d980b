//! A request with its configuration understood.

use backout_protocol::{
    HostPath, Place, RelPath,
    message::{Failure, PlanRequest, resolve},
    path::encode,
};
use std::path::Path;

/// The switch that takes backups along which no list names.
const INCLUDE_UNLISTED: &str = "include-unlisted";

/// What a component is asked.
#[derive(Debug, Clone)]
pub struct Ask<C> {
    /// The component's configuration.
    pub config: C,
    /// Everything else.
    pub request: PlanRequest,
}

impl<C> Ask<C> {
    /// Whether this switch was given on the command line.
    pub fn has_option(&self, name: &str) -> bool {
        self.request.options.contains(name)
    }

    /// Whether backups that no list names are taken along.
    pub fn includes_unlisted(&self) -> bool {
        self.has_option(INCLUDE_UNLISTED)
    }

    /// The folder that a location of the configuration names (`home/is_backup`).
    ///
    /// # Errors
    /// The variable has no value here, or the rest is no plain path.
    pub fn folder(&self, location: &str) -> Result<HostPath, Failure> {
        resolve(&self.request.folders, location).map_err(|e| failure(e.to_string()))
    }

    /// `path` as a place below the variable's folder that contains it; of several the innermost.
    ///
    /// # Errors
    /// No variable's folder contains it.
    pub fn place(&self, path: &Path) -> Result<Place, Failure> {
        let holds = |root: &&HostPath| path != root.0 && path.starts_with(&root.0);
        let roots = self.request.folders.values().filter(holds);
        let root = roots.max_by_key(|r| r.0.components().count());
        let place = root.and_then(|root| {
            let rel = RelPath::new(path.strip_prefix(&root.0).ok()?).ok()?;
            Some(Place { root: root.clone(), rel })
        });
        place.ok_or_else(|| {
            failure(format!("`{}` lies in none of the product's folders", encode(path.as_os_str())))
        })
    }
}

/// A failure that is not about the configuration's text.
pub fn failure(message: impl Into<String>) -> Failure {
    Failure { message: message.into(), at: None }
}
