//! The Windows half of the face: not written yet, so that a Windows build fails here and nowhere else.
compile_error!("backout-disk has no Windows half yet");
