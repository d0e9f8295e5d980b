//! backout plugin file-set.
