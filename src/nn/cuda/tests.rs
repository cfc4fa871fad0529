//! The kernels under the emulation: against the processor's ops, against finite differences, in bf16 against f32.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::emulated;
use crate::nn::buffer::assign;
use crate::nn::optim::{Optimiser, Rule};
use crate::nn::parameter::{Init, Registry};
use crate::ops::{assert_close, assert_differences, evaluate, noise, numbers, ops};

#[test]
fn every_op_equals_the_processors_whatever_the_blocks() {
    for op in ops() {
        let expected = evaluate(&op, &Device::Cpu, DType::F32).unwrap();
        for threads in [1, 2, 5] {
            let actual = emulated::with(threads, || evaluate(&op, &Device::Cpu, DType::F32)).unwrap();
            // Far from zero a float has few digits left: 1000 +- 0.01 is known to a part in 160, and its mean moves the sums.
            let tolerance = if op.name.contains("far off") { 5e-2 } else { 2e-5 };
            assert_close(&actual, &expected, tolerance, &format!("{} with {threads} threads", op.name));
        }
    }
}

#[test]
fn every_gradient_agrees_with_finite_differences() {
    for op in ops().iter().filter(|op| op.smooth) {
        emulated::with(1, || assert_differences(op, &Device::Cpu));
    }
}

#[test]
fn bf16_is_as_near_to_f32_as_its_eight_bits_allow() {
    for mut op in ops() {
        if op.maps == 0 {
            continue;
        }
        // Both start from the same numbers; what differs is the rounding within.
        for input in &mut op.inputs[..op.maps] {
            *input = input.to_dtype(DType::BF16).unwrap().to_dtype(DType::F32).unwrap();
        }
        let expected = evaluate(&op, &Device::Cpu, DType::F32).unwrap();
        let actual = emulated::with(2, || evaluate(&op, &Device::Cpu, DType::BF16)).unwrap();
        assert_close(&actual, &expected, 2e-2, &format!("{} in bf16", op.name));
    }
}

#[test]
fn every_optimiser_moves_as_the_processors_does() {
    let adam = |decoupled| Rule::Adam { betas: [0.9, 0.999], eps: 1e-8, decoupled };
    let sgd = |nesterov| Rule::Sgd { momentum: 0.9, nesterov };
    for rule in [sgd(false), sgd(true), adam(false), adam(true)] {
        let run = || {
            let registry = Registry::new(9, &Device::Cpu);
            let p = registry.root().parameter("p", &[4100], Init::Normal(1.0)).unwrap();
            let mut optimiser = Optimiser::new(rule, 0.05, registry.parameters(&[""])).unwrap();
            for step in 0..3 {
                optimiser.step(&HashMap::from([(p.key(), noise(step, &[4100]))]), 0.02).unwrap();
            }
            let mut all = vec![numbers(p.tensor())];
            all.extend(optimiser.state().unwrap().iter().filter(|(n, _)| *n != "steps").map(|(_, t)| numbers(t)));
            all
        };
        assert_close(&emulated::with(3, run), &run(), 1e-6, &format!("{rule:?}"));
    }
}

#[test]
fn a_parameter_is_filled_from_any_dtype() {
    let target = Tensor::zeros(5, DType::F32, &Device::Cpu).unwrap();
    let source = Tensor::new(&[1f64, -2.0, 3.5, 0.0, 1e-3], &Device::Cpu).unwrap();
    emulated::with(2, || assign(&target, &source)).unwrap();
    assert_eq!(numbers(&target), [1.0, -2.0, 3.5, 0.0, 1e-3]);
}

#[test]
fn bf16_rounds_to_the_nearest_even_as_half_does() {
    // Every exponent and rounding case: all upper halves with lower halves at and around the tie.
    let bits = (0..=u16::MAX)
        .flat_map(|high| [0u32, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map(|low| u32::from(high) << 16 | low));
    let values: Vec<f32> = bits.map(f32::from_bits).collect();
    let x = Tensor::from_slice(&values, values.len(), &Device::Cpu).unwrap();
    let gpu = || emulated::current().unwrap();
    let ours = emulated::with(1, || super::pointwise::cast(&*gpu(), &x, DType::BF16)).unwrap();
    for (value, rounded) in values.iter().zip(ours.to_vec1::<half::bf16>().unwrap()) {
        let expected = half::bf16::from_f32(*value);
        assert!(rounded == expected || (rounded.is_nan() && value.is_nan()), "{value} became {rounded}");
    }
}
