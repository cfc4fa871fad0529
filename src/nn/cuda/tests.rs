//! The kernels under the emulation: against the processor's ops, against finite differences, in bf16 against f32.

use candle_core::{DType, Device};

use super::emulated;
use crate::ops::{assert_close, assert_differences, evaluate, ops};

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
