//! backout plugin cm-agent.
