//! The child of the host's tests.

fn main() -> std::io::Result<()> {
    backout_host::serve()
}
