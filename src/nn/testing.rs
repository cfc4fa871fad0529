//! What the tests of the ops share: seeded noise, comparison, finite differences.

use candle_core::{Device, Result, Tensor};
use rand::{RngExt, SeedableRng};

use super::tape::{Tape, Value};

/// Numbers in -1..1, the same for the same seed.
pub fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// Asserts that `actual` is within `tolerance` of `expected`, relative to the largest expected value.
pub fn close(actual: &Tensor, expected: &[f64], tolerance: f64, what: &str) {
    let actual: Vec<f32> = actual.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(actual.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!((*a as f64 - e).abs() <= tolerance * scale, "{what}: element {i} is {a}, expected {e}");
    }
}

/// Asserts that the gradients of `f` with respect to each of `inputs` agree with central differences. The result is
/// first multiplied by fixed noise, so that no gradient is the same for all elements.
pub fn check_gradients(inputs: &[Tensor], f: impl Fn(&Tape, &[Value]) -> Result<Value>) {
    let weigh = |y: &Tensor| -> f64 {
        let weights: Vec<f32> = noise(99, y.dims()).flatten_all().unwrap().to_vec1().unwrap();
        let y: Vec<f32> = y.flatten_all().unwrap().to_vec1().unwrap();
        y.iter().zip(weights).map(|(y, w)| *y as f64 * w as f64).sum()
    };
    let tape = Tape::new();
    let leaves: Vec<Value> = inputs.iter().enumerate().map(|(i, t)| tape.leaf(i, t)).collect();
    let y = f(&tape, &leaves).unwrap();
    let weights = noise(99, y.tensor().dims());
    let weighted = (y.tensor() * &weights).unwrap();
    let weighted = tape.record(&[&y], weighted, move |dy, _| Ok(vec![Some((dy * weights)?)]));
    let gradients = tape.backward(&weighted).unwrap();
    const STEP: f32 = 1e-2;
    for (i, input) in inputs.iter().enumerate() {
        let gradient: Vec<f32> = gradients[&i].flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(gradients[&i].dims(), input.dims());
        let base: Vec<f32> = input.flatten_all().unwrap().to_vec1().unwrap();
        let scale = gradient.iter().fold(1.0f32, |m, v| m.max(v.abs())) as f64;
        for element in 0..base.len() {
            let at = |delta: f32| {
                let mut moved = base.clone();
                moved[element] += delta;
                let constants: Vec<Value> = (0..inputs.len())
                    .map(|j| {
                        let t = if j == i {
                            Tensor::from_vec(moved.clone(), input.dims(), &Device::Cpu).unwrap()
                        } else {
                            inputs[j].clone()
                        };
                        Value::constant(t)
                    })
                    .collect();
                weigh(f(&Tape::new(), &constants).unwrap().tensor())
            };
            let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP as f64);
            assert!(
                (difference - gradient[element] as f64).abs() < 6e-3 * scale,
                "input {i} element {element}: gradient {}, finite difference {difference}",
                gradient[element]
            );
        }
    }
}
