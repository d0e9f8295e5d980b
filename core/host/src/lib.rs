//! Finds, checks, loads and calls backout's plugins.
