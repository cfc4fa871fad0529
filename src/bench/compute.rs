//! The network alone, on images of noise: a forward pass of the extractor, and RAIN's whole training step.

use candle_core::{Device, Tensor};
use rand::RngExt;
use serde_json::json;

use super::flops;
use super::measure::{Measured, live_heap, measure, mib, resident_memory};
use super::report::{Report, in_words};
use crate::data::{sampler, seeded};
use crate::error::{Error, Result};
use crate::model::{ModelConfig, Rain};
use crate::train::config::{LossConfig, OptimConfig};
use crate::train::learner::{Batch, Learner};

/// Identities that the classifier of a measured step tells apart; they cost next to nothing.
const CLASSES: usize = 100;
/// Pairs in the smallest batch of a step: two people with two images each.
pub const SMALLEST_STEP: usize = 4;
/// Steps that `growth` leaves out: buffers find their size in them.
const SETTLING: usize = 10;

/// A network and what it is fed with.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// ResNet depth: 18, 34, 50 or 101.
    pub depth: usize,
    /// Channels of the first residual stage.
    pub base_width: usize,
    /// Images in a batch; pairs of them in a step.
    pub batch: usize,
    /// Input height in pixels.
    pub height: usize,
    /// Input width in pixels.
    pub width: usize,
    /// Seed of weights and images.
    pub seed: u64,
}

impl Network {
    /// The model's shape.
    pub fn config(&self) -> ModelConfig {
        ModelConfig {
            depth: self.depth,
            base_width: self.base_width,
            height: self.height,
            width: self.width,
            classes: CLASSES,
            ..ModelConfig::default()
        }
    }

    fn model(&self, device: &Device) -> Result<Rain> {
        Rain::new(self.config(), self.seed, device)
    }

    /// Images of noise, `[batch, 3, H, W]`.
    fn images(&self, purpose: &str, device: &Device) -> Result<Tensor> {
        let mut rng = seeded::rng(self.seed, purpose, &[]);
        let pixels: Vec<f32> =
            (0..self.batch * 3 * self.height * self.width).map(|_| rng.random_range(-1.7..1.7)).collect();
        Ok(Tensor::from_vec(pixels, (self.batch, 3, self.height, self.width), device)?)
    }

    fn title(&self, what: &str) -> String {
        let Self { depth, base_width, batch, height, width, .. } = self;
        let narrow = if *base_width == 64 { String::new() } else { format!(" of base width {base_width}") };
        format!("{what} of a ResNet-{depth}{narrow}, batch {batch}, {height}x{width} pixels (height x width)")
    }

    fn settings(&self) -> serde_json::Value {
        let Self { depth, base_width, batch, height, width, seed } = self;
        json!({ "depth": depth, "base_width": base_width, "batch": batch, "height": height, "width": width, "seed": seed })
    }
}

/// Times one forward pass of F in evaluation, from pixels in memory to embeddings, as a gallery is embedded: with weights that
/// were made ready before.
///
/// # Errors
/// [`Error::Input`] where the network cannot be built.
pub fn time_forward(network: &Network, repeats: usize, device: &Device) -> Result<Measured> {
    let model = network.model(device)?;
    let x = network.images("bench/sharp", device)?;
    let extractor = model.extractor.prepare()?;
    measure(repeats, &mut || Ok(extractor.embed(&x).map(drop)?))
}

/// Times RAIN's whole step: F on sharp and blurred images, D_4, D_5, G, C, the losses and both optimisers.
///
/// # Errors
/// [`Error::Input`] where the network cannot be built or the batch is too small to learn from.
pub fn time_step(network: &Network, repeats: usize, device: &Device) -> Result<Measured> {
    let mut steps = Steps::new(network, device)?;
    measure(repeats, &mut || steps.advance())
}

/// [`time_forward`], with what follows from it.
///
/// # Errors
/// As [`time_forward`].
pub fn forward(network: &Network, repeats: usize, device: &Device) -> Result<Report> {
    let measured = time_forward(network, repeats, device)?;
    let title = network.title("A forward pass (evaluation)");
    let report = Report::new("forward", title, measured, (network.batch as u64, "images"))
        .settings(network.settings())
        .operations(flops::count(&network.config()).forward(network.batch));
    let thousand = in_words(10_000.0 / report.per_second);
    Ok(report.note(format!("Embedding a gallery of 10,000 images takes about {thousand}, reading them not included.")))
}

/// The training that a user has in mind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Images that an epoch sees, each sharp and blurred.
    pub images: u64,
    /// Epochs.
    pub epochs: f64,
}

/// [`time_step`], with what follows from it.
///
/// # Errors
/// As [`time_step`].
pub fn step(network: &Network, plan: Plan, repeats: usize, device: &Device) -> Result<Report> {
    let measured = time_step(network, repeats, device)?;
    Ok(step_report(network, plan, measured))
}

/// RAIN's step over and over, with the memory before and after: `steps` steps, after ten that are not counted.
///
/// # Errors
/// As [`time_step`].
pub fn growth(network: &Network, plan: Plan, steps: usize, device: &Device) -> Result<Report> {
    let mut work = Steps::new(network, device)?;
    for _ in 0..SETTLING {
        work.advance()?;
    }
    let (resident, live) = (resident_memory(), live_heap());
    let mut most = live;
    let measured = measure(steps.saturating_sub(1), &mut || {
        work.advance()?;
        most = most.max(live_heap());
        Ok(())
    })?;
    let (resident_end, live_end) = (resident_memory(), live_heap());
    let grown = |start: Option<u64>, end: Option<u64>| end.zip(start).map(|(e, s)| mib(e) - mib(s));
    let report = step_report(network, plan, measured)
        .detail("steps", steps)
        .detail("resident_start_mib", resident.map(mib))
        .detail("resident_end_mib", resident_end.map(mib))
        .detail("live_start_bytes", live)
        .detail("live_most_bytes", most)
        .detail("live_end_bytes", live_end);
    let mut sentence = format!("Over {steps} steps");
    for (what, grown) in [("resident memory", grown(resident, resident_end)), ("the live heap", grown(live, live_end))]
    {
        sentence += &match grown {
            Some(grown) => format!(", {what} changed by {grown:+.3} MiB"),
            None => format!(", {what} is not known on this system"),
        };
    }
    Ok(report.note(sentence + "."))
}

fn step_report(network: &Network, plan: Plan, measured: Measured) -> Report {
    let seconds = measured.wall_s.median;
    let batch = network.batch as u64;
    let steps = plan.images.div_ceil(batch);
    let epoch = steps as f64 * seconds;
    let Plan { images, epochs } = plan;
    Report::new("step", network.title("RAIN's training step"), measured, (2 * batch, "images"))
        .settings(network.settings())
        .operations(flops::count(&network.config()).step(network.batch))
        .detail("epoch_images", images)
        .detail("epoch_steps", steps)
        .detail("epoch_s", epoch)
        .detail("epochs", epochs)
        .detail("training_s", epochs * epoch)
        .note("Images are counted sharp and blurred: a batch of 8 is 16 images.".into())
        .note(format!(
            "An epoch of {images} images ({steps} steps of {batch} pairs) takes about {}, a training of {epochs} epochs about \
             {}; validation comes on top.",
            in_words(epoch),
            in_words(epochs * epoch)
        ))
}

/// A learner and the batch that it is fed with again and again.
pub struct Steps {
    learner: Learner,
    batch: Batch,
}

impl Steps {
    /// A learner of a new model with the default losses and optimisers.
    ///
    /// # Errors
    /// [`Error::Input`] where the network cannot be built or the batch is too small to learn from.
    pub fn new(network: &Network, device: &Device) -> Result<Self> {
        if network.batch < SMALLEST_STEP {
            return Err(Error::input(
                format!("A step on {} pairs has no two people to tell apart", network.batch),
                format!("Set the batch to {SMALLEST_STEP} or more"),
            ));
        }
        let learner = Learner::new(network.model(device)?, LossConfig::default(), OptimConfig::default())?;
        let labels: Vec<i64> = (0..network.batch).map(|i| (i / 2 % CLASSES) as i64).collect();
        let batch = Batch {
            x_h: network.images("bench/sharp", device)?,
            x_l: Some(network.images("bench/blurred", device)?),
            target: None,
            triplets: sampler::triplets(&labels, network.seed, 0),
            labels,
        };
        Ok(Self { learner, batch })
    }

    /// One step.
    ///
    /// # Errors
    /// Where the machine is out of memory.
    pub fn advance(&mut self) -> Result<()> {
        // Rates so small that noise, learnt again and again, does not blow the losses up.
        self.learner.step(&self.batch, 1e-4, 1e-4).map(drop)
    }
}
