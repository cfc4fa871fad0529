//! The layers that RAIN is built from, each with one `forward` for training and for evaluation.

use candle_core::{Result, Tensor};

use super::activation::cast;
use super::conv::{Folded, Prepared, Shape, conv2d, conv2d_bias, forward};
use super::cuda::{self, gpu, pointwise::Fold};
use super::norm::{EPS, batch_norm, batch_norm_onto, update_running};
use super::parameter::{Init, Parameter, Scope};
use super::tape::{Tape, Value};

/// One run through the layers: the tape they write to, and which of their two lives they live.
pub struct Pass {
    /// Where ops are recorded.
    pub tape: Tape,
    /// Batch statistics (which also move the running ones) or running statistics folded into the weights.
    pub training: bool,
}

impl Pass {
    /// A pass that will be differentiated.
    pub fn training() -> Self {
        Self { tape: Tape::new(), training: true }
    }

    /// A pass that only looks.
    pub fn evaluation() -> Self {
        Self { tape: Tape::new(), training: false }
    }

    fn parameter(&self, p: &Parameter) -> Value {
        if self.training { p.leaf(&self.tape) } else { Value::constant(p.tensor().clone()) }
    }
}

/// How a convolution with BatchNorm ends.
#[derive(Clone, Copy)]
pub enum Finish<'a> {
    /// As it is.
    Plain,
    /// With ReLU.
    Relu,
    /// With the shortcut of a residual block.
    Add(&'a Value),
    /// With the shortcut, then ReLU.
    AddRelu(&'a Value),
}

/// A convolution without bias, and the BatchNorm behind it.
pub struct ConvBn {
    weight: Parameter,
    gamma: Parameter,
    beta: Parameter,
    running_mean: Tensor,
    running_var: Tensor,
    stride: usize,
    padding: usize,
    /// For layers that only look, on the processor.
    prepared: Option<Prepared>,
}

impl ConvBn {
    /// `conv` and `bn` are the names of the two in the weight file; padding is half the kernel's side.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn new(conv: &Scope, bn: &Scope, inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Result<Self> {
        Ok(Self {
            weight: conv.parameter("weight", &[outputs, inputs, kernel, kernel], Init::KaimingFanOut)?,
            gamma: bn.parameter("weight", &[outputs], Init::Constant(1.0))?,
            beta: bn.parameter("bias", &[outputs], Init::Constant(0.0))?,
            running_mean: bn.buffer("running_mean", &[outputs], 0.0)?,
            running_var: bn.buffer("running_var", &[outputs], 1.0)?,
            stride,
            padding: kernel / 2,
            prepared: None,
        })
    }

    /// The same layer, its evaluation made ready once for many batches. What changes the parameters later does not reach it.
    ///
    /// # Errors
    /// When there is no memory for the second copy of the weights.
    pub fn prepare(&self) -> Result<Self> {
        let prepared = if gpu(self.weight.tensor()).is_none() {
            let (scale, shift) = self.fold()?;
            Some(Prepared::new(self.weight.tensor(), &scale, shift, self.stride, self.padding)?)
        } else {
            None
        };
        Ok(Self {
            weight: self.weight.clone(),
            gamma: self.gamma.clone(),
            beta: self.beta.clone(),
            running_mean: self.running_mean.clone(),
            running_var: self.running_var.clone(),
            prepared,
            ..*self
        })
    }

    /// What running statistics come to, `[co]` each: `gamma / sigma` and `beta - mean * gamma / sigma`.
    fn fold(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let [gamma, beta, mean, var] = [self.gamma.tensor(), self.beta.tensor(), &self.running_mean, &self.running_var]
            .map(|t| t.to_vec1::<f32>());
        let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
        let scale: Vec<f32> =
            gamma.iter().zip(&var).map(|(g, v)| (f64::from(*g) / (f64::from(*v) + EPS).sqrt()) as f32).collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok((scale, shift))
    }

    /// `[b,ci,h,w]` to `[b,co,h/stride,w/stride]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, pass: &Pass, x: &Value, finish: Finish) -> Result<Value> {
        if !pass.training {
            return self.folded(x, finish);
        }
        let tape = &pass.tape;
        let weight = cast(tape, &self.weight.leaf(tape), x.tensor().dtype())?;
        let y = conv2d(tape, x, &weight, self.stride, self.padding)?;
        let (gamma, beta) = (self.gamma.leaf(tape), self.beta.leaf(tape));
        let (y, batch) = match finish {
            Finish::Plain => batch_norm(tape, &y, &gamma, &beta, false)?,
            Finish::Relu => batch_norm(tape, &y, &gamma, &beta, true)?,
            Finish::Add(shortcut) => batch_norm_onto(tape, &y, &gamma, &beta, shortcut, false)?,
            Finish::AddRelu(shortcut) => batch_norm_onto(tape, &y, &gamma, &beta, shortcut, true)?,
        };
        update_running(&self.running_mean, &batch.mean)?;
        update_running(&self.running_var, &batch.unbiased_variance)?;
        Ok(y)
    }

    /// The same with running statistics, folded into the convolution: one pass.
    fn folded(&self, x: &Value, finish: Finish) -> Result<Value> {
        let (shortcut, relu) = match finish {
            Finish::Plain => (None, false),
            Finish::Relu => (None, true),
            Finish::Add(shortcut) => (Some(shortcut.tensor()), false),
            Finish::AddRelu(shortcut) => (Some(shortcut.tensor()), true),
        };
        if let Some(prepared) = &self.prepared {
            return Ok(Value::constant(prepared.forward(x.tensor(), shortcut, relu)?));
        }
        let shape = Shape::new(x.tensor(), self.weight.tensor(), self.stride, self.padding)?;
        if let Some(gpu) = gpu(x.tensor()) {
            let y = cuda::conv::forward(&*gpu, x.tensor(), self.weight.tensor(), &shape)?;
            let (gamma, beta) = (self.gamma.tensor(), self.beta.tensor());
            let (mean, variance) = (&self.running_mean, &self.running_var);
            cuda::pointwise::fold(&*gpu, &y, &Fold { gamma, beta, mean, variance, shortcut, relu })?;
            return Ok(Value::constant(y));
        }
        let (scale, shift) = self.fold()?;
        let folded = Folded { scale: Some(&scale), shift: Some(&shift), shortcut, relu };
        Ok(Value::constant(forward(x.tensor(), self.weight.tensor(), &shape, &folded)?))
    }
}

/// A convolution with bias and no BatchNorm.
pub struct Conv {
    weight: Parameter,
    bias: Parameter,
    stride: usize,
}

impl Conv {
    /// Padding is half the kernel's side.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn new(scope: &Scope, inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Result<Self> {
        let start = Init::UniformFanIn(inputs * kernel * kernel);
        Ok(Self {
            weight: scope.parameter("weight", &[outputs, inputs, kernel, kernel], start)?,
            bias: scope.parameter("bias", &[outputs], start)?,
            stride,
        })
    }

    /// `[b,ci,h,w]` to `[b,co,h/stride,w/stride]`. A fixed convolution passes the gradient on and takes none.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, pass: &Pass, x: &Value, fixed: bool) -> Result<Value> {
        let [weight, bias] = [&self.weight, &self.bias]
            .map(|p| if fixed { Value::constant(p.tensor().clone()) } else { pass.parameter(p) });
        let weight = cast(&pass.tape, &weight, x.tensor().dtype())?;
        let padding = self.weight.tensor().dim(2)? / 2;
        conv2d_bias(&pass.tape, x, &weight, &bias, self.stride, padding)
    }
}

/// A linear layer with bias.
pub struct Linear {
    weight: Parameter,
    bias: Parameter,
}

impl Linear {
    /// `inputs` to `outputs`; the weights start small, so that the first logits do not drown the other losses.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn new(scope: &Scope, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self {
            weight: scope.parameter("weight", &[outputs, inputs], Init::Normal(0.01))?,
            bias: scope.parameter("bias", &[outputs], Init::Constant(0.0))?,
        })
    }

    /// `[n,d]` to `[n,k]`.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn forward(&self, pass: &Pass, x: &Value) -> Result<Value> {
        super::linear::linear(&pass.tape, x, &pass.parameter(&self.weight), &pass.parameter(&self.bias))
    }
}
