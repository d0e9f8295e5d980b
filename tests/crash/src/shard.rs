//! One sweep on several threads: each point has a world of its own, so that points do not meet.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// How many points are looked at at once: they wait for processes half of the time.
fn width() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Does `each` to every point, in any order, and returns what came of them. The first that panics ends the sweep.
pub fn over<T: Send, R: Send>(points: Vec<T>, each: impl Fn(T) -> R + Sync) -> Vec<R> {
    let (left, done, failed) =
        (Mutex::new(points.into_iter()), Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..width() {
            scope.spawn(|| {
                while !failed.load(Relaxed) {
                    let next = left.lock().unwrap().next();
                    let Some(point) = next else { return };
                    let came = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| each(point)));
                    match came {
                        Ok(came) => done.lock().unwrap().push(came),
                        Err(panic) => {
                            failed.store(true, Relaxed);
                            std::panic::resume_unwind(panic);
                        }
                    }
                }
            });
        }
    });
    done.into_inner().unwrap()
}
