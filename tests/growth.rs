//! No step may hold more memory than the one before, nor ask for more: counted by the allocator itself.
//!
//! `RAIN_GROWTH_STEPS=500 cargo test --release --test growth` counts that many steps instead of 60.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use candle_core::Device;
use rain::bench::compute::{Network, Steps};

/// The system's allocator, counting.
struct Counting;

/// Bytes held now.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// Bytes ever asked for.
static ASKED: AtomicUsize = AtomicUsize::new(0);

fn count(more: usize, less: usize) {
    LIVE.fetch_add(more, Relaxed);
    LIVE.fetch_sub(less, Relaxed);
    ASKED.fetch_add(more, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: by the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: by the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: by the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: by the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes held after each step, and bytes asked for in it.
fn run(threads: usize, steps: usize) -> Vec<(usize, usize)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    let network = Network { depth: 18, base_width: 4, batch: 4, height: 64, width: 32, seed: 1 };
    // All of it on the pool's own threads: a task handed in from outside passes through a queue whose blocks come and go.
    pool.install(|| {
        let mut work = Steps::new(&network, &Device::Cpu).expect("a learner");
        let mut seen = Vec::with_capacity(steps);
        for _ in 0..steps {
            let before = ASKED.load(Relaxed);
            work.advance().expect("a step");
            seen.push((LIVE.load(Relaxed), ASKED.load(Relaxed) - before));
        }
        seen
    })
}

#[test]
fn no_step_holds_or_asks_for_more_than_the_one_before() {
    let steps = std::env::var("RAIN_GROWTH_STEPS").ok().and_then(|n| n.parse().ok()).unwrap_or(60).max(40);
    // On one thread the order of everything is fixed, and so is every byte.
    let seen = run(1, steps);
    let settled = seen[19];
    for (step, now) in seen.iter().enumerate().skip(20) {
        assert_eq!(*now, settled, "bytes (held, asked for) after step {}", step + 1);
    }
    println!("one thread: {} bytes held and {} asked for a step, from step 20 to {steps}", settled.0, settled.1);
    // On several, which thread takes which piece varies, and with it the moment at which its scratch space has grown.
    let seen = run(3, steps);
    let most = |part: &[(usize, usize)]| {
        (part.iter().map(|s| s.0).max().unwrap_or(0), part.iter().map(|s| s.1).max().unwrap_or(0))
    };
    let (early, late) = (most(&seen[15..steps / 2]), most(&seen[steps / 2..]));
    let room = 64 << 10;
    assert!(late.0 <= early.0 + room && late.1 <= early.1 + room, "(held, asked for): {early:?}, later {late:?}");
    println!("three threads: at most {} bytes held, later {}", early.0, late.0);
}
