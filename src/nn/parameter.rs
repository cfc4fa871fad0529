//! The tensors of a model, by name: what is trained, what is only kept, and how both start.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Result, Tensor, Var};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::tape::{Tape, Value};

/// A tensor that an optimiser moves. Copies share their numbers.
#[derive(Debug, Clone)]
pub struct Parameter {
    key: usize,
    tensor: Tensor,
}

impl Parameter {
    /// The number under which a [`Tape`] keeps its gradient.
    pub fn key(&self) -> usize {
        self.key
    }

    /// The numbers.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// The parameter as a value whose gradient is wanted.
    pub fn leaf(&self, tape: &Tape) -> Value {
        tape.leaf(self.key, &self.tensor)
    }
}

/// How a tensor starts.
#[derive(Debug, Clone, Copy)]
pub enum Init {
    /// All the same.
    Constant(f32),
    /// He et al.: normal with variance `2 / (co * k * k)`, as torchvision's ResNets start.
    KaimingFanOut,
    /// Uniform within `1 / sqrt(fan_in)`, as PyTorch starts a layer with bias; the fan-in is given.
    UniformFanIn(usize),
    /// Normal with this deviation.
    Normal(f32),
}

struct Entry {
    tensor: Tensor,
    /// `None` for a tensor that is kept but not trained (running statistics).
    parameter: Option<Parameter>,
}

/// All tensors of a model by their full names, in alphabetical order.
pub struct Registry {
    seed: u64,
    device: Device,
    entries: RefCell<BTreeMap<String, Entry>>,
}

impl Registry {
    /// An empty registry. What a tensor starts from is a function of `seed` and its name alone.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { seed, device: device.clone(), entries: RefCell::default() }
    }

    /// The place where names start.
    pub fn root(&self) -> Scope<'_> {
        Scope { registry: self, prefix: String::new() }
    }

    /// Every tensor by name.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.entries.borrow().iter().map(|(name, entry)| (name.clone(), entry.tensor.clone())).collect()
    }

    /// The trained tensors whose name starts with one of `prefixes`, by name.
    pub fn parameters(&self, prefixes: &[&str]) -> BTreeMap<String, Parameter> {
        let entries = self.entries.borrow();
        let wanted = entries.iter().filter(|(name, _)| prefixes.iter().any(|p| name.starts_with(p)));
        wanted.filter_map(|(name, entry)| Some((name.clone(), entry.parameter.clone()?))).collect()
    }

    fn add(&self, name: String, shape: &[usize], init: Init, trained: bool) -> Result<Entry> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let tensor = Var::from_tensor(&self.initial(&name, shape, init)?)?.into_inner();
        let parameter =
            trained.then(|| Parameter { key: NEXT.fetch_add(1, Ordering::Relaxed), tensor: tensor.clone() });
        self.entries.borrow_mut().insert(name, Entry { tensor: tensor.clone(), parameter: parameter.clone() });
        Ok(Entry { tensor, parameter })
    }

    fn initial(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(name.as_bytes());
        let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
        let count: usize = shape.iter().product();
        let deviation = match init {
            Init::Constant(value) => return Tensor::full(value, shape, &self.device),
            Init::UniformFanIn(fan_in) => {
                let bound = 1.0 / (fan_in as f32).sqrt();
                let numbers: Vec<f32> = (0..count).map(|_| rng.random_range(-bound..bound)).collect();
                return Tensor::from_vec(numbers, shape, &self.device);
            }
            Init::KaimingFanOut => (2.0 / (shape[0] * shape[2..].iter().product::<usize>()) as f32).sqrt(),
            Init::Normal(deviation) => deviation,
        };
        let numbers: Vec<f32> =
            std::iter::from_fn(|| Some(normal_pair(&mut rng))).flatten().take(count).map(|z| z * deviation).collect();
        Tensor::from_vec(numbers, shape, &self.device)
    }
}

/// Two independent standard normal numbers (Box-Muller).
fn normal_pair(rng: &mut ChaCha8Rng) -> [f32; 2] {
    let (u, angle): (f64, f64) = (1.0 - rng.random::<f64>(), std::f64::consts::TAU * rng.random::<f64>());
    let radius = (-2.0 * u.ln()).sqrt();
    [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
}

/// A prefix of names within a registry.
#[derive(Clone)]
pub struct Scope<'a> {
    registry: &'a Registry,
    prefix: String,
}

impl Scope<'_> {
    /// The scope `name` within this one.
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { registry: self.registry, prefix: format!("{}{name}.", self.prefix) }
    }

    /// A trained tensor.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn parameter(&self, name: &str, shape: &[usize], init: Init) -> Result<Parameter> {
        let entry = self.registry.add(format!("{}{name}", self.prefix), shape, init, true)?;
        Ok(entry.parameter.unwrap_or_else(|| unreachable!("added as trained")))
    }

    /// A tensor that is kept with the model but not trained.
    ///
    /// # Errors
    /// When the device is out of memory.
    pub fn buffer(&self, name: &str, shape: &[usize], value: f32) -> Result<Tensor> {
        Ok(self.registry.add(format!("{}{name}", self.prefix), shape, Init::Constant(value), false)?.tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_depends_on_seed_and_name_only() {
        let draw = |seed, names: &[&str]| {
            let registry = Registry::new(seed, &Device::Cpu);
            names
                .iter()
                .for_each(|n| drop(registry.root().pp("a").parameter(n, &[64, 8, 3, 3], Init::KaimingFanOut).unwrap()));
            registry.tensors()["a.x"].flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(draw(1, &["x", "y"]), draw(1, &["y", "x"]));
        assert_ne!(draw(1, &["x"]), draw(2, &["x"]));
        let x = draw(3, &["x"]);
        let variance = x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32;
        assert!((variance / (2.0 / (64.0 * 9.0)) - 1.0).abs() < 0.1, "{variance}");
    }

    #[test]
    fn prefixes_choose_and_buffers_are_not_trained() {
        let registry = Registry::new(1, &Device::Cpu);
        let root = registry.root();
        root.pp("f").parameter("w", &[2], Init::Constant(1.0)).unwrap();
        root.pp("f").buffer("running", &[2], 0.0).unwrap();
        root.pp("d").parameter("w", &[2], Init::Normal(1.0)).unwrap();
        assert_eq!(registry.parameters(&["f."]).into_keys().collect::<Vec<_>>(), ["f.w"]);
        assert_eq!(registry.tensors().into_keys().collect::<Vec<_>>(), ["d.w", "f.running", "f.w"]);
    }
}
