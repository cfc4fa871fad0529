//! SGD with momentum, Adam and AdamW by PyTorch's update rules, each one pass over a parameter, with state that can be
//! saved. (Candle's SGD has neither momentum nor weight decay; its AdamW keeps its state to itself; it has no Adam.)

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Result, Tensor, bail};
use rayon::prelude::*;

use super::buffer::{with_floats, with_floats_mut};
use super::cuda::{self, gpu};
use super::parameter::Parameter;

/// An update rule with its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Momentum and coupled (L2) weight decay.
    Sgd {
        /// Share of the last update that is kept.
        momentum: f64,
        /// Look ahead by the momentum.
        nesterov: bool,
    },
    /// Adam; `decoupled` weight decay makes it AdamW.
    Adam {
        /// Decay rates of the two moments.
        betas: [f64; 2],
        /// Added to the root of the second moment.
        eps: f64,
        /// Whether weight decay shrinks the parameter itself, apart from the gradient.
        decoupled: bool,
    },
}

/// Moves a set of parameters against their gradients.
pub struct Optimiser {
    rule: Rule,
    weight_decay: f64,
    parameters: BTreeMap<String, Parameter>,
    /// By parameter: momentum, or the two moments.
    state: BTreeMap<String, Vec<Tensor>>,
    steps: u64,
}

/// Elements that one thread takes at a time.
const CHUNK: usize = 1 << 14;

impl Optimiser {
    /// All state starts at zero.
    ///
    /// # Errors
    /// When there is no memory for the state.
    pub fn new(rule: Rule, weight_decay: f64, parameters: BTreeMap<String, Parameter>) -> Result<Self> {
        let slots = match rule {
            Rule::Sgd { .. } => 1,
            Rule::Adam { .. } => 2,
        };
        let zeros = |p: &Parameter| {
            (0..slots)
                .map(|_| Tensor::zeros(p.tensor().shape(), p.tensor().dtype(), p.tensor().device()))
                .collect::<Result<_>>()
        };
        let state = parameters.iter().map(|(name, p)| Ok((name.clone(), zeros(p)?))).collect::<Result<_>>()?;
        Ok(Self { rule, weight_decay, parameters, state, steps: 0 })
    }

    /// What it moves, by name.
    pub fn parameters(&self) -> &BTreeMap<String, Parameter> {
        &self.parameters
    }

    /// One update at learning rate `lr`. A parameter without a gradient stays where it is, as in PyTorch.
    ///
    /// # Errors
    /// When a tensor is not where its parameter is.
    pub fn step(&mut self, gradients: &HashMap<usize, Tensor>, lr: f64) -> Result<()> {
        self.steps += 1;
        for (name, parameter) in &self.parameters {
            let Some(gradient) = gradients.get(&parameter.key()) else { continue };
            let state = &self.state[name];
            if let Some(gpu) = gpu(parameter.tensor()) {
                self.step_on(&*gpu, gradient, parameter.tensor(), state, lr)?;
                continue;
            }
            with_floats([gradient], |[g]| {
                with_floats_mut(parameter.tensor(), |p| {
                    with_floats_mut(&state[0], |first| match (self.rule, state.get(1)) {
                        (Rule::Sgd { momentum, nesterov }, _) => {
                            sgd(p, g, first, Sgd { lr, momentum, nesterov, decay: self.weight_decay });
                            Ok(())
                        }
                        (Rule::Adam { betas, eps, decoupled }, Some(second)) => with_floats_mut(second, |second| {
                            let constants =
                                Adam { lr, betas, eps, decoupled, decay: self.weight_decay, steps: self.steps };
                            adam(p, g, first, second, constants);
                            Ok(())
                        }),
                        (Rule::Adam { .. }, None) => bail!("Adam without a second moment"),
                    })
                })
            })?;
        }
        Ok(())
    }

    /// The same on a GPU.
    fn step_on(&self, gpu: &dyn cuda::Gpu, g: &Tensor, p: &Tensor, state: &[Tensor], lr: f64) -> Result<()> {
        match (self.rule, state) {
            (Rule::Sgd { momentum, nesterov }, [momenta]) => cuda::optim::sgd(
                gpu,
                g,
                p,
                momenta,
                &cuda::optim::Sgd { lr, momentum, nesterov, decay: self.weight_decay },
            ),
            (Rule::Adam { betas, eps, decoupled }, [first, second]) => {
                let c = Adam { lr, betas, eps, decoupled, decay: self.weight_decay, steps: self.steps };
                let (step, root) = c.corrections();
                let (decay, shrink) = c.decays();
                cuda::optim::adam(
                    gpu,
                    g,
                    p,
                    [first, second],
                    &cuda::optim::Adam { step, root, betas, eps, decay, shrink },
                )
            }
            _ => bail!("an optimiser without its state"),
        }
    }

    /// The state under names of its own: `<parameter>.<slot>` and `steps`.
    ///
    /// # Errors
    /// Never on the CPU.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut all: BTreeMap<String, Tensor> = self
            .state
            .iter()
            .flat_map(|(name, slots)| slots.iter().enumerate().map(move |(i, t)| (format!("{name}.{i}"), t.clone())))
            .collect();
        all.insert("steps".into(), Tensor::new(&[self.steps as i64], &Device::Cpu)?);
        Ok(all)
    }

    /// Takes back what [`Self::state`] gave.
    ///
    /// # Errors
    /// When a tensor is missing or of another shape; the message names it. Nothing is changed then.
    pub fn restore(&mut self, saved: &BTreeMap<String, Tensor>) -> Result<()> {
        let find = |name: &str| {
            saved.get(name).ok_or_else(|| candle_core::Error::Msg(format!("optimiser state: {name} is missing")))
        };
        let steps = find("steps")?.to_vec1::<i64>()?;
        let mut found = Vec::new();
        for (name, slots) in &self.state {
            for (i, slot) in slots.iter().enumerate() {
                let tensor = find(&format!("{name}.{i}"))?;
                if tensor.dims() != slot.dims() {
                    bail!("optimiser state: {name}.{i} is {:?}, {:?} is wanted", tensor.dims(), slot.dims());
                }
                found.push((slot, tensor));
            }
        }
        for (slot, tensor) in found {
            super::buffer::assign(slot, tensor)?;
        }
        self.steps = steps.first().map_or(0, |s| *s as u64);
        Ok(())
    }
}

struct Sgd {
    lr: f64,
    momentum: f64,
    nesterov: bool,
    decay: f64,
}

/// buf = momentum * buf + (g + decay * p); p -= lr * (buf, or g + momentum * buf with Nesterov).
fn sgd(p: &mut [f32], g: &[f32], buffer: &mut [f32], c: Sgd) {
    let (lr, momentum, decay) = (c.lr as f32, c.momentum as f32, c.decay as f32);
    p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(buffer.par_chunks_mut(CHUNK)).for_each(|((p, g), buffer)| {
        for ((p, g), b) in p.iter_mut().zip(g).zip(buffer) {
            let g = g + decay * *p;
            *b = momentum * *b + g;
            *p -= lr * if c.nesterov { g + momentum * *b } else { *b };
        }
    });
}

struct Adam {
    lr: f64,
    betas: [f64; 2],
    eps: f64,
    decoupled: bool,
    decay: f64,
    steps: u64,
}

impl Adam {
    /// Learning rate and root of the second moment, both rid of the zeros that the moments started from.
    fn corrections(&self) -> (f64, f64) {
        let t = self.steps.min(i32::MAX as u64) as i32;
        (self.lr / (1.0 - self.betas[0].powi(t)), (1.0 - self.betas[1].powi(t)).sqrt())
    }

    /// What weight decay adds to the gradient as a share of the parameter, and what it leaves of the parameter.
    fn decays(&self) -> (f64, f64) {
        if self.decoupled { (0.0, 1.0 - self.lr * self.decay) } else { (self.decay, 1.0) }
    }
}

/// m, v: moving averages of g and g^2; p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
fn adam(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], c: Adam) {
    let [b1, b2] = c.betas;
    let ((step, root), (l2, shrink)) = (c.corrections(), c.decays());
    let (step, root, l2, shrink) = (step as f32, root as f32, l2 as f32, shrink as f32);
    let (b1, b2, c1, c2, eps) = (b1 as f32, b2 as f32, (1.0 - b1) as f32, (1.0 - b2) as f32, c.eps as f32);
    let chunks =
        p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(m.par_chunks_mut(CHUNK)).zip(v.par_chunks_mut(CHUNK));
    chunks.for_each(|(((p, g), m), v)| {
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g + l2 * *p;
            *m = b1 * *m + c1 * g;
            *v = b2 * *v + c2 * g * g;
            *p = *p * shrink - step * *m / (v.sqrt() / root + eps);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::parameter::{Init, Registry};

    /// Two steps with gradients 0.5 and -0.25 from 1.0, lr 0.1, weight decay 0.01; expected values worked out by hand
    /// from the rules in PyTorch's documentation.
    fn two_steps(rule: Rule) -> f64 {
        let registry = Registry::new(0, &Device::Cpu);
        let p = registry.root().parameter("p", &[1], Init::Constant(1.0)).unwrap();
        let mut optimiser = Optimiser::new(rule, 0.01, registry.parameters(&[""])).unwrap();
        for g in [0.5f32, -0.25] {
            let gradient = Tensor::new(&[g], &Device::Cpu).unwrap();
            optimiser.step(&HashMap::from([(p.key(), gradient)]), 0.1).unwrap();
        }
        f64::from(p.tensor().to_vec1::<f32>().unwrap()[0])
    }

    #[test]
    fn rules_follow_pytorch() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
        // g = 0.51, p = 0.949; g = -0.24051, buf = 0.9*0.51 - 0.24051 = 0.21849, p = 0.927151
        near(two_steps(Rule::Sgd { momentum: 0.9, nesterov: false }), 0.927151);
        // p = 1 - 0.1*(0.51 + 0.9*0.51) = 0.9031; g = -0.240969, buf = 0.218031; p -= 0.1*(g + 0.9*buf) = 0.90757421
        near(two_steps(Rule::Sgd { momentum: 0.9, nesterov: true }), 0.9075741);
        let adam = |decoupled| {
            let (mut p, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
            for (t, g) in [(1, 0.5), (2, -0.25)] {
                let g = if decoupled { g } else { g + 0.01 * p };
                if decoupled {
                    p *= 1.0 - 0.1 * 0.01;
                }
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                p -= 0.1 * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
            }
            p
        };
        let rule = |decoupled| Rule::Adam { betas: [0.9, 0.999], eps: 1e-8, decoupled };
        near(two_steps(rule(false)), adam(false));
        near(two_steps(rule(true)), adam(true));
    }

    #[test]
    fn adamw_moves_as_candles_does() {
        use candle_nn::Optimizer;
        let registry = Registry::new(9, &Device::Cpu);
        let p = registry.root().parameter("p", &[40], Init::Normal(1.0)).unwrap();
        let theirs = candle_core::Var::from_tensor(&p.tensor().copy().unwrap()).unwrap();
        let rule = Rule::Adam { betas: [0.9, 0.999], eps: 1e-8, decoupled: true };
        let mut ours = Optimiser::new(rule, 0.05, registry.parameters(&[""])).unwrap();
        let settings = candle_nn::ParamsAdamW { lr: 0.02, weight_decay: 0.05, ..Default::default() };
        let mut peer = candle_nn::AdamW::new(vec![theirs.clone()], settings).unwrap();
        for step in 0..5 {
            let g = crate::nn::testing::noise(step, &[40]);
            ours.step(&HashMap::from([(p.key(), g.clone())]), 0.02).unwrap();
            peer.backward_step(&(theirs.as_tensor() * g).unwrap().sum_all().unwrap()).unwrap();
        }
        let expected: Vec<f64> = theirs.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect();
        crate::nn::testing::close(p.tensor(), &expected, 1e-5, "p");
    }

    #[test]
    fn state_can_be_saved_and_taken_back() {
        for rule in [
            Rule::Sgd { momentum: 0.9, nesterov: false },
            Rule::Adam { betas: [0.9, 0.999], eps: 1e-8, decoupled: false },
        ] {
            let start = || {
                let registry = Registry::new(5, &Device::Cpu);
                let p = registry.root().parameter("p", &[70], Init::Normal(1.0)).unwrap();
                (p, Optimiser::new(rule, 0.1, registry.parameters(&[""])).unwrap())
            };
            let run = |p: &Parameter, o: &mut Optimiser, steps: std::ops::Range<u64>| {
                for s in steps {
                    let g = crate::nn::testing::noise(s, &[70]);
                    o.step(&HashMap::from([(p.key(), g)]), 0.05).unwrap();
                }
            };
            let (p, mut whole) = start();
            run(&p, &mut whole, 0..6);
            let (q, mut first) = start();
            run(&q, &mut first, 0..3);
            let (r, mut second) = start();
            crate::nn::buffer::assign(r.tensor(), q.tensor()).unwrap();
            second.restore(&first.state().unwrap()).unwrap();
            run(&r, &mut second, 3..6);
            assert_eq!(p.tensor().to_vec1::<f32>().unwrap(), r.tensor().to_vec1::<f32>().unwrap());
            let mut broken = first.state().unwrap();
            broken.remove("p.0");
            assert!(second.restore(&broken).unwrap_err().to_string().contains("p.0"));
        }
    }

    #[test]
    fn a_parameter_without_a_gradient_stays() {
        let registry = Registry::new(0, &Device::Cpu);
        let p = registry.root().parameter("p", &[1], Init::Constant(1.0)).unwrap();
        let mut o =
            Optimiser::new(Rule::Sgd { momentum: 0.9, nesterov: false }, 0.5, registry.parameters(&[""])).unwrap();
        o.step(&HashMap::new(), 0.1).unwrap();
        assert_eq!(p.tensor().to_vec1::<f32>().unwrap(), [1.0]);
    }
}
