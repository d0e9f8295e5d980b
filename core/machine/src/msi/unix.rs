//! Linux: there is none.

pub(super) fn is_at_work() -> bool {
    false
}
