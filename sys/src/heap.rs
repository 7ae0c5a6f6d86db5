//! How many heaps the C library keeps.

/// Lets all threads share one heap (mallopt(3), `M_ARENA_MAX`). The C library otherwise gives each thread its own,
/// and what one thread has freed is no use to another. To be called while there is one thread only; for a program
/// whose threads seldom allocate at the same time.
pub fn share_one_heap() {
    // Another C library has no such thing, and needs none.
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number that malloc reads; no memory is handed over.
    // A number that is not taken leaves all as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::share_one_heap;
    use crate::testing::alone;
    use std::hint::black_box;
    use std::sync::Barrier;

    /// What the C library has reserved for heaps of threads, while so many of them have allocated.
    fn reserved(threads: usize) -> usize {
        let (allocated, counted) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let held = black_box(Box::new([7_u8; 4096]));
                    allocated.wait();
                    counted.wait();
                    drop(held);
                });
            }
            allocated.wait();
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            counted.wait();
            let sizes = maps.lines().filter(|line| line.contains(" ---p ")).map(|line| {
                let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
                usize::from_str_radix(end, 16).unwrap() - usize::from_str_radix(start, 16).unwrap()
            });
            sizes.filter(|size| *size > 32 * 1024 * 1024).count()
        })
    }

    #[test]
    fn threads_share_one_heap() {
        alone("heap::tests::threads_share_one_heap", || {
            let few = reserved(2);
            let more = reserved(5);
            assert!(more > few, "control: {few}, {more}");
            share_one_heap();
            assert_eq!(reserved(12), more);
        });
    }
}
