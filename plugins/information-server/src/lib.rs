//! backout plugin information-server.
