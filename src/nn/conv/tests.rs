use super::*;
use crate::nn::kernel::Isa;
use crate::nn::testing::{check_gradients, close, noise};
use candle_core::Device;

/// Sizes that meet every path: each kernel side, stride and padding that RAIN uses, odd sizes, partial tiles, deep sums.
const SHAPES: [[usize; 8]; 19] = [
    // b, ci, h, w, co, k, s, p
    [1, 1, 1, 1, 1, 1, 1, 0],
    [2, 3, 5, 7, 4, 1, 1, 0],
    [3, 16, 8, 4, 24, 1, 1, 0],
    [2, 5, 7, 6, 9, 1, 2, 0],
    [1, 4, 8, 8, 8, 1, 2, 0],
    [2, 3, 6, 5, 7, 3, 1, 1],
    [1, 40, 9, 16, 33, 3, 1, 1],
    [2, 6, 16, 32, 10, 3, 1, 1],
    [2, 4, 8, 6, 5, 3, 2, 1],
    [2, 4, 7, 9, 5, 3, 2, 1],
    [1, 2, 5, 4, 3, 3, 2, 0],
    [2, 3, 17, 12, 8, 7, 2, 3],
    [1, 3, 32, 16, 6, 7, 2, 3],
    [5, 2, 2, 1, 3, 3, 2, 1],
    [1, 70, 4, 2, 6, 3, 1, 1],
    [1, 2, 6, 6, 3, 3, 3, 1],
    // Winograd's, with partial tiles and panels; the last in several parts.
    [1, 35, 33, 30, 34, 3, 1, 1],
    [9, 33, 16, 8, 40, 3, 1, 1],
    [5, 32, 32, 32, 33, 3, 1, 1],
];

fn shape([batch, inputs, height, width, outputs, kernel, stride, padding]: [usize; 8]) -> Shape {
    Shape { batch, inputs, height, width, outputs, kernel, stride, padding }
}

/// Visits every product of a convolution by definition: (index in x, index in w, index in y).
fn each_product(s: &Shape, mut visit: impl FnMut(usize, usize, usize)) {
    let (oh, ow) = (s.out_height(), s.out_width());
    for b in 0..s.batch {
        for o in 0..s.outputs {
            for (y, x) in (0..oh).flat_map(|y| (0..ow).map(move |x| (y, x))) {
                for c in 0..s.inputs {
                    for (ky, kx) in (0..s.kernel).flat_map(|y| (0..s.kernel).map(move |x| (y, x))) {
                        let (iy, ix) =
                            ((y * s.stride + ky).wrapping_sub(s.padding), (x * s.stride + kx).wrapping_sub(s.padding));
                        if iy < s.height && ix < s.width {
                            visit(
                                ((b * s.inputs + c) * s.height + iy) * s.width + ix,
                                ((o * s.inputs + c) * s.kernel + ky) * s.kernel + kx,
                                ((b * s.outputs + o) * oh + y) * ow + x,
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn all_three_passes_equal_the_definition_on_every_kernel() {
    for sizes in SHAPES {
        let s = shape(sizes);
        let x = noise(1, &[s.batch, s.inputs, s.height, s.width]);
        let w = noise(2, &[s.outputs, s.inputs, s.kernel, s.kernel]);
        let dy = noise(3, &s.y());
        let (xs, ws, ds) = (values(&x), values(&w), values(&dy));
        let (mut y, mut dx, mut dw) = (vec![0f64; ds.len()], vec![0f64; xs.len()], vec![0f64; ws.len()]);
        each_product(&s, |i, j, k| {
            y[k] += xs[i] as f64 * ws[j] as f64;
            dx[i] += ds[k] as f64 * ws[j] as f64;
            dw[j] += ds[k] as f64 * xs[i] as f64;
        });
        for isa in Isa::available() {
            isa.with(|| {
                close(&forward(&x, &w, &s, &Folded::default()).unwrap(), &y, 1e-5, &format!("{isa:?} y {s:?}"));
                close(&input_gradient(&dy, &w, &s).unwrap(), &dx, 1e-5, &format!("{isa:?} dx {s:?}"));
                close(&weight_gradient(&x, &dy, &s).unwrap(), &dw, 1e-5, &format!("{isa:?} dw {s:?}"));
            });
        }
    }
}

#[test]
fn the_folded_pass_adds_scale_shift_shortcut_and_relu() {
    for isa in Isa::available() {
        for relu in [false, true] {
            let s = shape([2, 5, 7, 6, 9, 3, 2, 1]);
            let (x, w, shortcut) = (noise(1, &[2, 5, 7, 6]), noise(2, &[9, 5, 3, 3]), noise(3, &s.y()));
            let (scale, shift) = (values(&noise(4, &[9])), values(&noise(5, &[9])));
            let plane = s.out_height() * s.out_width();
            let plain = values(&forward(&x, &w, &s, &Folded::default()).unwrap());
            let expected: Vec<f64> = plain
                .iter()
                .zip(values(&shortcut))
                .enumerate()
                .map(|(i, (y, add))| {
                    let channel = i / plane % 9;
                    let sum = (y * scale[channel] + shift[channel] + add) as f64;
                    if relu { sum.max(0.0) } else { sum }
                })
                .collect();
            let folded = Folded { scale: Some(&scale), shift: Some(&shift), shortcut: Some(&shortcut), relu };
            let y = isa.with(|| forward(&x, &w, &s, &folded).unwrap());
            close(&y, &expected, 1e-5, &format!("{isa:?}"));
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    for [b, ci, h, w, co, k, s, p] in [[2, 3, 5, 4, 4, 3, 2, 1], [1, 2, 6, 5, 3, 1, 1, 0], [1, 2, 9, 8, 3, 7, 2, 3]] {
        check_gradients(&[noise(1, &[b, ci, h, w]), noise(2, &[co, ci, k, k])], |tape, v| {
            conv2d(tape, &v[0], &v[1], s, p)
        });
        let with_bias = [noise(1, &[b, ci, h, w]), noise(2, &[co, ci, k, k]), noise(3, &[co])];
        check_gradients(&with_bias, |tape, v| conv2d_bias(tape, &v[0], &v[1], &v[2], s, p));
        // One tensor, two consumers.
        if s == 1 && ci == 2 {
            check_gradients(&[noise(1, &[b, ci, h, w]), noise(2, &[2, ci, k, k])], |tape, v| {
                let once = conv2d(tape, &v[0], &v[1], s, p)?;
                let both = crate::nn::activation::add(tape, &once, &v[0])?;
                conv2d(tape, &both, &v[1], s, p)
            });
        }
    }
}

#[test]
fn a_gradient_that_nobody_wants_is_not_computed() {
    let tape = Tape::new();
    let x = Value::constant(noise(1, &[1, 2, 4, 4]));
    let w = tape.leaf(7, &noise(2, &[3, 2, 3, 3]));
    let y = conv2d(&tape, &x, &w, 1, 1).unwrap();
    let gradients = tape.backward(&y).unwrap();
    assert_eq!(gradients.keys().collect::<Vec<_>>(), [&7]);
}

#[test]
fn sizes_that_do_not_fit_are_errors() {
    let x = Tensor::zeros((1, 3, 4, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
    for w in [[2, 4, 3, 3], [2, 3, 3, 1], [2, 3, 7, 7]] {
        let w = Tensor::zeros(&w[..], candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(Shape::new(&x, &w, 1, 0).is_err());
    }
}

fn values(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn prepared_weights_give_what_the_folded_pass_gives_on_every_kernel() {
    let winograd = [
        [2, 40, 9, 16, 33, 3, 1, 1],
        [3, 33, 8, 4, 40, 3, 1, 1],
        [1, 32, 1, 1, 32, 3, 1, 1],
        [2, 64, 7, 5, 32, 3, 1, 1],
        [9, 32, 16, 8, 64, 3, 1, 1],
        [1, 300, 4, 6, 50, 3, 1, 1],
    ];
    for sizes in SHAPES.into_iter().chain(winograd) {
        let s = shape(sizes);
        let x = noise(1, &[s.batch, s.inputs, s.height, s.width]);
        let w = noise(2, &[s.outputs, s.inputs, s.kernel, s.kernel]);
        let shortcut = noise(3, &s.y());
        let scale: Vec<f32> = (0..s.outputs).map(|i| 0.5 + i as f32 / 7.0).collect();
        let shift: Vec<f32> = (0..s.outputs).map(|i| i as f32 / 3.0 - 2.0).collect();
        for isa in Isa::available() {
            for (shortcut, relu) in [(None, false), (Some(&shortcut), true)] {
                isa.with(|| {
                    let folded = Folded { scale: Some(&scale), shift: Some(&shift), shortcut, relu };
                    let expected = forward(&x, &w, &s, &folded).unwrap().flatten_all().unwrap();
                    let expected: Vec<f64> = expected.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect();
                    let ready = Prepared::new(&w, &scale, shift.clone(), s.stride, s.padding).unwrap();
                    let y = ready.forward(&x, shortcut, relu).unwrap();
                    close(&y, &expected, 1e-5, &format!("{sizes:?} {isa:?}"));
                });
            }
        }
    }
}

#[test]
fn prepared_weights_say_what_does_not_fit() {
    let ready = Prepared::new(&noise(1, &[4, 3, 3, 3]), &[1.0; 4], vec![0.0; 4], 1, 1).unwrap();
    assert!(ready.forward(&noise(2, &[1, 2, 5, 5]), None, false).unwrap_err().to_string().contains("4x3x3x3"));
    assert!(ready.forward(&noise(2, &[1, 3, 5, 5]), Some(&noise(3, &[1, 4, 4, 4])), false).is_err());
    assert!(Prepared::new(&noise(1, &[4, 3, 3, 3]), &[1.0; 3], vec![0.0; 4], 1, 1).is_err());
}
