//! Every convolution of ResNet-50 by itself: forward (folded, as in evaluation), input gradient and weight gradient, in GFLOP/s
//! of CPU time beside the speed of the bare register tile, so that the layer that lags shows.
//!
//!     cargo bench --bench conv [-- forward|input|weight]

use std::time::Duration;

use candle_core::{Device, Tensor};
use rain::nn::conv::{Folded, Shape, forward, input_gradient, weight_gradient};

/// (how often, ci, height, width, co, kernel, stride) at 256 x 128.
const LAYERS: [(usize, usize, usize, usize, usize, usize, usize); 24] = [
    (1, 3, 256, 128, 64, 7, 2),
    (1, 64, 64, 32, 64, 1, 1),
    (3, 64, 64, 32, 64, 3, 1),
    (3, 64, 64, 32, 256, 1, 1),
    (1, 64, 64, 32, 256, 1, 1),
    (2, 256, 64, 32, 64, 1, 1),
    (1, 256, 64, 32, 128, 1, 1),
    (1, 128, 64, 32, 128, 3, 2),
    (4, 128, 32, 16, 512, 1, 1),
    (1, 256, 64, 32, 512, 1, 2),
    (3, 512, 32, 16, 128, 1, 1),
    (3, 128, 32, 16, 128, 3, 1),
    (1, 512, 32, 16, 256, 1, 1),
    (1, 256, 32, 16, 256, 3, 2),
    (6, 256, 16, 8, 1024, 1, 1),
    (1, 512, 32, 16, 1024, 1, 2),
    (5, 1024, 16, 8, 256, 1, 1),
    (5, 256, 16, 8, 256, 3, 1),
    (1, 1024, 16, 8, 512, 1, 1),
    (1, 512, 16, 8, 512, 3, 2),
    (3, 512, 8, 4, 2048, 1, 1),
    (1, 1024, 16, 8, 2048, 1, 2),
    (2, 2048, 8, 4, 512, 1, 1),
    (2, 512, 8, 4, 512, 3, 1),
];

fn cpu() -> Duration {
    let mut time = libc_timespec();
    // SAFETY: `time` is a valid place for the answer.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn libc_timespec() -> libc::timespec {
    libc::timespec { tv_sec: 0, tv_nsec: 0 }
}

fn best(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..7)
        .map(|_| {
            let start = cpu();
            work();
            (cpu() - start).as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[1]
}

pub fn main() {
    let batch = 8;
    let only = std::env::args().nth(1).filter(|a| !a.starts_with('-'));
    for what in ["forward", "input", "weight"] {
        if only.as_ref().is_some_and(|o| o != what) {
            continue;
        }
        let (mut total, mut flops) = (0.0, 0.0);
        for (times, ci, h, w, co, kernel, stride) in LAYERS {
            if what == "input" && ci == 3 {
                continue;
            }
            let random = |dims: &[usize]| Tensor::randn(0f32, 1.0, dims, &Device::Cpu).expect("memory");
            let (x, weight) = (random(&[batch, ci, h, w]), random(&[co, ci, kernel, kernel]));
            let shape = Shape::new(&x, &weight, stride, kernel / 2).expect("a shape");
            let dy = random(&[batch, co, shape.out_height(), shape.out_width()]);
            let ones = vec![1.0; co];
            let folded = Folded { scale: Some(&ones), shift: Some(&ones), shortcut: None, relu: true };
            let seconds = best(|| {
                match what {
                    "forward" => forward(&x, &weight, &shape, &folded),
                    "input" => input_gradient(&dy, &weight, &shape),
                    _ => weight_gradient(&x, &dy, &shape),
                }
                .expect("a pass");
            });
            let work = 2.0 * (batch * co * ci * kernel * kernel * shape.out_height() * shape.out_width()) as f64;
            println!(
                "{what:8} {times} x  {ci:4} -> {co:4}  {kernel}x{kernel}/{stride}  {h:3}x{w:3}  {:7.2} ms  {:6.1} GFLOP/s",
                seconds * 1e3,
                work / seconds / 1e9
            );
            total += times as f64 * seconds;
            flops += times as f64 * work;
        }
        println!("{what:8} all: {:.1} ms, {:.1} GFLOP/s a core", total * 1e3, flops / total / 1e9);
    }
}
