//! The child of the host's tests.

fn main() {
    let Err(e) = backout_host::serve();
    log::error!("{e}");
}
