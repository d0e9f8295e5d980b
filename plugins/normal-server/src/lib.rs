//! backout plugin normal-server.
