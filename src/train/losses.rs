//! The loss terms of the paper, each from what F, G, C and D_j made of a batch of HR images followed by their LR forms.

use candle_core::{Result, Tensor};

use super::config::Adversarial;
use crate::nn::activation::{reverse_gradient, weighted_sum};
use crate::nn::linear::rows;
use crate::nn::loss::{bce_with_logits, cross_entropy, hardest_triplet, l1, squared_error, triplet};
use crate::nn::tape::{Tape, Value};

/// Sum of scalars.
fn sum(tape: &Tape, terms: Vec<Value>) -> Result<Value> {
    let weighted: Vec<(f64, Value)> = terms.into_iter().map(|t| (1.0, t)).collect();
    weighted_sum(tape, &weighted)
}

/// `x [n*b, …]` as its n parts of b rows: HR, or HR and LR.
fn parts(tape: &Tape, x: &Value, b: usize) -> Result<Vec<Value>> {
    (0..x.tensor().dim(0)? / b).map(|i| rows(tape, x, i * b, b)).collect()
}

/// Eq. 2: `mean|G(f5_H) - x_H| + mean|G(f5_L) - x_H|`; `target [b,3,H,W]` is x_H as it was before any erasing.
pub fn reconstruction(tape: &Tape, images: &Value, target: &Tensor) -> Result<Value> {
    let b = target.dim(0)?;
    let terms = parts(tape, images, b)?.iter().map(|part| l1(tape, part, target)).collect::<Result<_>>()?;
    sum(tape, terms)
}

/// Eq. 3: `CE(C(v_H), y) + CE(C(v_L), y)`, means over the labelled images.
pub fn classification(tape: &Tape, logits: &Value, labels: &[i64], smoothing: f64) -> Result<Value> {
    let terms = parts(tape, logits, labels.len())?
        .iter()
        .map(|part| cross_entropy(tape, part, labels, smoothing))
        .collect::<Result<_>>()?;
    sum(tape, terms)
}

/// Which positives and negatives the triplet term takes.
pub enum Mining<'a> {
    /// These `(anchor, positive, negative)` rows, in HR and in LR alike.
    Given(&'a [(u32, u32, u32)]),
    /// The farthest positive and the nearest negative of each labelled anchor, in HR and in LR apart.
    Hardest(&'a [i64]),
}

/// Eqs. 4-6: `mean max(0, m + d(a,pos) - d(a,neg))` within HR plus within LR; `b` images in each.
pub fn triplets(tape: &Tape, v: &Value, b: usize, mining: Mining, margin: f64) -> Result<Value> {
    let term = |part: &Value| match mining {
        Mining::Given(rows) => triplet(tape, part, rows, margin),
        Mining::Hardest(labels) => hardest_triplet(tape, part, labels, margin),
    };
    let terms = parts(tape, v, b)?.iter().map(term).collect::<Result<_>>()?;
    sum(tape, terms)
}

/// Eq. 1, negated: `sum_j BCE(D_j(f_j_H), 1) + BCE(D_j(f_j_L), 0)`; each of `logits` holds b HR rows, then b LR rows.
pub fn discriminator(tape: &Tape, logits: &[Value], b: usize, form: Adversarial) -> Result<Value> {
    let mut terms = Vec::new();
    for z in logits {
        for (part, target) in parts(tape, z, b)?.iter().zip([1.0, 0.0]) {
            terms.push(element(tape, part, target, form)?);
        }
    }
    sum(tape, terms)
}

/// The adversarial term of F: `sum_j BCE(D_j(f_j_L), 1)`; each of `logits` holds what [`adversarial_input`] chose.
pub fn adversarial(tape: &Tape, logits: &[Value], b: usize, form: Adversarial) -> Result<Value> {
    match form {
        Adversarial::Minimax => discriminator(tape, logits, b, form),
        _ => sum(tape, logits.iter().map(|z| element(tape, z, 1.0, form)).collect::<Result<_>>()?),
    }
}

/// The part of `f [2b, …]` that F answers for: the LR half; with Eq. 8 to the letter both, their gradient turned round.
pub fn adversarial_input(tape: &Tape, f: &Value, b: usize, form: Adversarial) -> Result<Value> {
    match form {
        Adversarial::Minimax => reverse_gradient(tape, f, 1.0),
        _ => rows(tape, f, b, b),
    }
}

fn element(tape: &Tape, z: &Value, target: f64, form: Adversarial) -> Result<Value> {
    match form {
        Adversarial::LeastSquares => squared_error(tape, z, target),
        _ => bce_with_logits(tape, z, target),
    }
}
