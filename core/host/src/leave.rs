//! What a plugin's code may do while it answers.

use serde::{Deserialize, Serialize};

/// What a plugin's code may do while it answers. Whoever asks decides, from what it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leave {
    /// Look: nothing may be changed. To describe, to plan, to prepare an action and to say its state.
    ReadOnly,
    /// Act: to apply an action and to undo it. Its time is limited all the same, and what it starts ends with it.
    Change,
}
