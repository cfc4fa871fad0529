//! Reverse-mode differentiation, in one page.
//!
//! Candle's own graph adds each gradient to a tensor of zeros, computes gradients that nobody asked for, drops deep graphs
//! by recursion, and is wrong for some of the ops that RAIN needs. A [`Tape`] keeps what the step needs and no more: the
//! ops in the order they ran, each with a closure that turns the gradient of its result into the gradients of its
//! inputs. The first gradient of a value is moved into place, only further ones are added; what an op kept for its
//! backward pass is freed as soon as it has run; inputs that need no gradient are told so, and cost nothing.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::{Result, Tensor};

/// Turns the gradient of an op's result into the gradients of its inputs, in order. `needed[i]` says whether anybody
/// asked for input i's; where it is false the answer is ignored and should be `None`.
pub type Backward = Box<dyn FnOnce(Tensor, &[bool]) -> Result<Vec<Option<Tensor>>>>;

/// A tensor, and where it stands on the tape if its gradient is wanted.
#[derive(Debug, Clone)]
pub struct Value {
    tensor: Tensor,
    node: Option<usize>,
}

impl Value {
    /// A value whose gradient nobody wants.
    pub fn constant(tensor: Tensor) -> Self {
        Self { tensor, node: None }
    }

    /// The numbers.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Whether nobody wants its gradient, so that nothing need be kept for it.
    pub fn is_constant(&self) -> bool {
        self.node.is_none()
    }

    /// The same numbers, cut off from the tape.
    pub fn detach(&self) -> Self {
        Self::constant(self.tensor.clone())
    }
}

struct Node {
    inputs: Vec<Option<usize>>,
    /// `None` for a leaf.
    backward: Option<Backward>,
}

/// The ops of one forward pass.
#[derive(Default)]
pub struct Tape {
    nodes: RefCell<Vec<Node>>,
    leaves: RefCell<HashMap<usize, usize>>,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// A value whose gradient is wanted under the number `key`. Asking twice for a key gives the same value.
    pub fn leaf(&self, key: usize, tensor: &Tensor) -> Value {
        let node = *self.leaves.borrow_mut().entry(key).or_insert_with(|| {
            let mut nodes = self.nodes.borrow_mut();
            nodes.push(Node { inputs: vec![], backward: None });
            nodes.len() - 1
        });
        Value { tensor: tensor.clone(), node: Some(node) }
    }

    /// Records an op that made `result` out of `inputs`. Where no input's gradient is wanted the op is forgotten at once.
    pub fn record(
        &self,
        inputs: &[&Value],
        result: Tensor,
        backward: impl FnOnce(Tensor, &[bool]) -> Result<Vec<Option<Tensor>>> + 'static,
    ) -> Value {
        let inputs: Vec<_> = inputs.iter().map(|v| v.node).collect();
        if inputs.iter().all(Option::is_none) {
            return Value::constant(result);
        }
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { inputs, backward: Some(Box::new(backward)) });
        Value { tensor: result, node: Some(nodes.len() - 1) }
    }

    /// The gradients of the sum of all elements of `of` with respect to every leaf that it depends on, by key.
    /// The tape is used up.
    ///
    /// # Errors
    /// When a backward op fails.
    pub fn backward(self, of: &Value) -> Result<HashMap<usize, Tensor>> {
        let mut nodes = self.nodes.into_inner();
        let Some(last) = of.node else { return Ok(HashMap::new()) };
        let mut gradients: Vec<Option<Tensor>> = (0..nodes.len()).map(|_| None).collect();
        gradients[last] = Some(of.tensor.ones_like()?);
        for (index, node) in nodes.iter_mut().enumerate().take(last + 1).rev() {
            let Some(backward) = node.backward.take() else { continue };
            let Some(gradient) = gradients[index].take() else { continue };
            let needed: Vec<bool> = node.inputs.iter().map(Option::is_some).collect();
            for (input, part) in node.inputs.iter().zip(backward(gradient, &needed)?) {
                if let (Some(input), Some(part)) = (*input, part) {
                    gradients[input] = Some(match gradients[input].take() {
                        Some(sum) => super::activation::sum(&sum, &part)?,
                        None => part,
                    });
                }
            }
        }
        let leaves = self.leaves.into_inner();
        Ok(leaves.into_iter().filter_map(|(key, node)| Some((key, gradients[node].take()?))).collect())
    }
}
