//! RAIN's training step, as the paper has it: D_j learn to tell resolutions apart, then F, G and C learn to reconstruct,
//! to recognise and to deceive the updated D_j.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Tensor};

use super::config::{LossConfig, OptimConfig, Optimiser as Which, Precision};
use super::event::GradientNorms;
use super::gauges;
use super::losses::{self, Mining};
use crate::error::{Error, Result};
use crate::model::Rain;
use crate::nn::activation::weighted_sum;
use crate::nn::buffer::assign;
use crate::nn::cuda;
use crate::nn::layer::Pass;
use crate::nn::optim::{Optimiser, Rule};
use crate::nn::tape::Value;

/// What one step is fed with.
pub struct Batch {
    /// HR images `[b,3,H,W]`, normalised.
    pub x_h: Tensor,
    /// Their LR forms, or `None` to train on HR alone.
    pub x_l: Option<Tensor>,
    /// What G should make of both: x_H before any erasing; `None` where that is `x_h` itself.
    pub target: Option<Tensor>,
    /// Class of each image, -1 where unlabelled.
    pub labels: Vec<i64>,
    /// `(anchor, positive, negative)` within the batch; ignored with batch-hard mining.
    pub triplets: Vec<(u32, u32, u32)>,
}

/// The loss values of a step, each before its weight; 0 where the term is off.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Losses {
    /// Weighted sum of the next four (Eq. 7).
    pub total: f64,
    /// Reconstruction (Eq. 2).
    pub rec: f64,
    /// Classification (Eq. 3).
    pub cls: f64,
    /// Triplet (Eqs. 4-6).
    pub tri: f64,
    /// Adversarial term of F.
    pub adv: f64,
    /// Loss of the discriminators (Eq. 1, negated), before their update.
    pub disc: f64,
    /// Shares of HR and of LR patches that D_j told rightly before its update, at `j - 1`; `None` where there is no D_j.
    pub accuracy: [Option<[f64; 2]>; 5],
    /// Lengths of the gradients.
    pub gradients: GradientNorms,
}

/// What a step passed through, for the golden tests.
pub struct Trace {
    /// v `[2b,d]` in training mode.
    pub v: Tensor,
    /// Reconstructions `[2b,3,H,W]` in training mode, where G took part.
    pub reconstruction: Option<Tensor>,
    /// Gradients of the total by parameter name.
    pub gradients: BTreeMap<String, Tensor>,
}

/// A model, its two optimisers, and the step that moves them.
pub struct Learner {
    model: Rain,
    loss: LossConfig,
    main: Optimiser,
    discriminators: Optimiser,
    precision: DType,
}

impl Learner {
    /// Optimiser state starts at zero.
    ///
    /// # Errors
    /// When a setting cannot work, or there is no memory for the state.
    pub fn new(model: Rain, loss: LossConfig, optim: OptimConfig) -> Result<Self> {
        if loss.adv > 0.0 && model.discriminators.is_empty() {
            return Err(Error::input(
                "The adversarial loss has a weight, but no level has a discriminator",
                "Set loss.adv to 0, or name levels (model.levels = [4, 5])",
            ));
        }
        let precision = match optim.precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 if cuda::on(model.device()).is_some() => DType::BF16,
            Precision::Bf16 => {
                return Err(Error::input(
                    "Training in bf16 needs a CUDA device, and this run computes on the CPU",
                    "Set optim.precision to \"f32\", or train with --device cuda:0",
                ));
            }
        };
        let rule = |which, betas| match which {
            Which::Sgd => Rule::Sgd { momentum: optim.momentum, nesterov: optim.nesterov },
            Which::Adam => Rule::Adam { betas, eps: optim.eps, decoupled: false },
            Which::Adamw => Rule::Adam { betas, eps: optim.eps, decoupled: true },
        };
        let main = Optimiser::new(rule(optim.optimiser, optim.betas), optim.weight_decay, model.main_parameters())?;
        let discriminators = Optimiser::new(
            rule(optim.optimiser_discriminator, optim.betas_discriminator),
            optim.weight_decay_discriminator,
            model.discriminator_parameters(),
        )?;
        let model = if loss.rec > 0.0 { model } else { model.without_decoder() };
        Ok(Self { model, loss, main, discriminators, precision })
    }

    /// One step at these learning rates.
    ///
    /// # Errors
    /// When the batch does not fit the model. A loss that is not a number is returned, not an error.
    pub fn step(&mut self, batch: &Batch, lr: f64, lr_discriminator: f64) -> Result<Losses> {
        Ok(self.step_traced(batch, lr, lr_discriminator)?.0)
    }

    /// [`Self::step`], and what it passed through.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn step_traced(&mut self, batch: &Batch, lr: f64, lr_discriminator: f64) -> Result<(Losses, Trace)> {
        let b = batch.labels.len();
        let Rain { extractor, decoder, discriminators, classifier, .. } = &self.model;
        let mut terms = Terms::default();

        // One forward of F over [x_H; x_L], so that the batch statistics see both resolutions.
        let x = match &batch.x_l {
            Some(x_l) => Tensor::cat(&[&batch.x_h, x_l], 0)?, // [2b,3,H,W]
            None => batch.x_h.clone(),
        };
        let pass = Pass::training();
        let tape = &pass.tape;
        let f = extractor.forward(&pass, &Value::constant(x.to_dtype(self.precision)?))?; // maps are what x is
        let adversarial = self.loss.adv > 0.0 && batch.x_l.is_some();

        // D_j descend their loss on detached maps.
        if adversarial {
            let pass = Pass::training();
            let logits = discriminators
                .iter()
                .map(|(j, d)| d.forward(&pass, &f.level(*j).detach(), false))
                .collect::<candle_core::Result<Vec<_>>>()?;
            let disc = losses::discriminator(&pass.tape, &logits, b, self.loss.adversarial)?;
            terms.keep("disc", &disc);
            for ((j, _), z) in discriminators.iter().zip(&logits) {
                terms.tell(Figure::Accuracy(*j), gauges::accuracy(z.tensor(), b, self.loss.adversarial)?);
            }
            let gradients = pass.tape.backward(&disc)?;
            // In a fixed order, so that a resumed run records the same bits.
            let ordered: BTreeMap<_, _> = gradients.iter().collect();
            terms.tell(Figure::Gradient(DISCRIMINATORS), gauges::squared_length(ordered.into_values())?);
            self.discriminators.step(&gradients, lr_discriminator)?;
        }

        // F, G and C descend the total (Eq. 7), the updated D_j held fixed. A weight of 0 removes a term and its work.
        let mut total: Vec<(f64, Value)> = Vec::new();
        let mut reconstruction = None;
        if adversarial {
            let form = self.loss.adversarial;
            let logits = discriminators
                .iter()
                .map(|(j, d)| d.forward(&pass, &losses::adversarial_input(tape, f.level(*j), b, form)?, true))
                .collect::<candle_core::Result<Vec<_>>>()?;
            let adv = losses::adversarial(tape, &logits, b, form)?;
            terms.keep("adv", &adv);
            total.push((self.loss.adv, adv));
        }
        if self.loss.rec > 0.0 {
            let images = decoder.forward(&pass, f.level(5))?; // [2b,3,H,W]
            let rec = losses::reconstruction(tape, &images, batch.target.as_ref().unwrap_or(&batch.x_h))?;
            terms.keep("rec", &rec);
            total.push((self.loss.rec, rec));
            reconstruction = Some(images.tensor().clone());
        }
        let labelled = batch.labels.iter().any(|y| *y >= 0);
        if self.loss.cls > 0.0 && labelled {
            let logits = classifier.forward(&pass, &f.behind_neck)?; // [2b,K]
            let cls = losses::classification(tape, &logits, &batch.labels, self.loss.label_smoothing)?;
            terms.keep("cls", &cls);
            total.push((self.loss.cls, cls));
        }
        if self.loss.tri > 0.0 && labelled {
            let mining =
                if self.loss.batch_hard { Mining::Hardest(&batch.labels) } else { Mining::Given(&batch.triplets) };
            let tri = losses::triplets(tape, &f.v, b, mining, self.loss.margin)?;
            terms.keep("tri", &tri);
            total.push((self.loss.tri, tri));
        }
        let total = weighted_sum(tape, &total)?;
        terms.keep("total", &total);
        let v = f.v.tensor().clone();
        drop(f); // so that each map is freed as soon as the backward pass is past it
        let gradients = pass.tape.backward(&total)?;
        self.main.step(&gradients, lr)?;
        let gradients = self.named(gradients);
        for (part, prefix) in PARTS.iter().enumerate() {
            let of_part = gradients.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, tensor)| tensor);
            terms.tell(Figure::Gradient(part), gauges::squared_length(of_part)?);
        }
        Ok((terms.read()?, Trace { v, reconstruction, gradients }))
    }

    fn named(&self, mut gradients: HashMap<usize, Tensor>) -> BTreeMap<String, Tensor> {
        self.main
            .parameters()
            .iter()
            .filter_map(|(name, p)| Some((name.clone(), gradients.remove(&p.key())?)))
            .collect()
    }

    /// The model as it stands.
    pub fn model(&self) -> &Rain {
        &self.model
    }

    /// Everything that the next step depends on: `model.…`, `optim.main.…`, `optim.discriminators.…`. The tensors share
    /// their numbers with the learner: write them out before the next step.
    ///
    /// # Errors
    /// Never on the CPU.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut all: BTreeMap<String, Tensor> =
            self.model.tensors().into_iter().map(|(n, t)| (format!("model.{n}"), t)).collect();
        for (part, optimiser) in [("main", &self.main), ("discriminators", &self.discriminators)] {
            all.extend(optimiser.state()?.into_iter().map(|(n, t)| (format!("optim.{part}.{n}"), t)));
        }
        Ok(all)
    }

    /// Takes back what [`Self::state`] gave.
    ///
    /// # Errors
    /// When a tensor is missing or of another shape; the message names it.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let part = |prefix: &str| -> BTreeMap<String, Tensor> {
            state.iter().filter_map(|(n, t)| Some((n.strip_prefix(prefix)?.to_owned(), t.clone()))).collect()
        };
        let model = part("model.");
        for (name, tensor) in self.model.tensors() {
            let saved =
                model.get(&name).ok_or_else(|| candle_core::Error::Msg(format!("checkpoint: {name} is missing")))?;
            assign(&tensor, saved)?;
        }
        self.main.restore(&part("optim.main."))?;
        self.discriminators.restore(&part("optim.discriminators."))?;
        Ok(())
    }
}

/// The parts of the network whose gradients of the total are measured, by the start of their names.
const PARTS: [&str; 3] = ["extractor.", "decoder.", "classifier."];
/// The place after them.
const DISCRIMINATORS: usize = 3;

/// What a number of a step tells.
#[derive(Clone, Copy, PartialEq)]
enum Figure {
    Loss(&'static str),
    /// D_j's accuracy on HR, then on LR.
    Accuracy(usize),
    /// A gradient's squared length, by its place in [`PARTS`].
    Gradient(usize),
}

/// The figures of a step where they were computed: a GPU is asked for them once, when all its work is on its way.
#[derive(Default)]
struct Terms(Vec<(Figure, Tensor)>);

impl Terms {
    fn keep(&mut self, name: &'static str, value: &Value) {
        self.0.push((Figure::Loss(name), value.tensor().clone()));
    }

    fn tell(&mut self, figure: Figure, numbers: impl IntoIterator<Item = Tensor>) {
        self.0.extend(numbers.into_iter().map(|number| (figure, number)));
    }

    fn read(self) -> Result<Losses> {
        let (figures, scalars): (Vec<_>, Vec<_>) = self.0.into_iter().unzip();
        let numbers = Tensor::stack(&scalars, 0)?.to_vec1::<f32>()?;
        let all = |figure| figures.iter().zip(&numbers).filter(move |(f, _)| **f == figure).map(|(_, n)| f64::from(*n));
        let find = |name| all(Figure::Loss(name)).next().unwrap_or(0.0);
        let length = |part| all(Figure::Gradient(part)).next().unwrap_or(0.0).sqrt();
        let accuracy = |j| {
            let mut both = all(Figure::Accuracy(j));
            both.next().zip(both.next()).map(|(hr, lr)| [hr, lr])
        };
        Ok(Losses {
            total: find("total"),
            rec: find("rec"),
            cls: find("cls"),
            tri: find("tri"),
            adv: find("adv"),
            disc: find("disc"),
            accuracy: [1, 2, 3, 4, 5].map(accuracy),
            gradients: GradientNorms {
                extractor: length(0),
                decoder: length(1),
                classifier: length(2),
                discriminators: length(DISCRIMINATORS),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelConfig;
    use crate::nn::testing::noise;
    use crate::train::config::Adversarial;
    use candle_core::Device;

    fn learner(loss: LossConfig) -> Learner {
        let config = ModelConfig {
            depth: 18,
            base_width: 2,
            levels: vec![4, 5],
            classes: 2,
            height: 64,
            width: 32,
            ..ModelConfig::default()
        };
        Learner::new(Rain::new(config, 1, &Device::Cpu).unwrap(), loss, OptimConfig::default()).unwrap()
    }

    fn batch(labels: [i64; 4]) -> Batch {
        let triplets = vec![(0, 1, 2), (1, 0, 3), (2, 3, 0), (3, 2, 1)];
        Batch {
            x_h: noise(1, &[4, 3, 64, 32]),
            x_l: Some(noise(2, &[4, 3, 64, 32])),
            target: None,
            labels: labels.into(),
            triplets,
        }
    }

    #[test]
    fn a_weight_of_zero_removes_the_term() {
        let off = LossConfig { adv: 0.0, rec: 0.0, cls: 0.0, tri: 0.0, ..LossConfig::default() };
        let gradients = |loss| learner(loss).step_traced(&batch([0, 0, 1, 1]), 0.01, 0.01).unwrap();
        let (values, trace) = gradients(LossConfig { cls: 1.0, ..off.clone() });
        assert!(values.cls > 0.0 && (values.rec, values.tri, values.adv, values.disc) == (0.0, 0.0, 0.0, 0.0));
        assert!(trace.gradients.keys().all(|k| !k.starts_with("decoder.")) && trace.reconstruction.is_none());
        let (values, trace) = gradients(LossConfig { rec: 1.0, ..off.clone() });
        assert!(values.rec > 0.0 && values.total == values.rec);
        assert!(trace.gradients.keys().all(|k| !k.starts_with("classifier.")));
        let (values, trace) = gradients(LossConfig { adv: 1.0, ..off });
        assert!(values.adv > 0.0 && values.disc > 0.0);
        assert!(trace.gradients.keys().all(|k| k.starts_with("extractor.")));
    }

    #[test]
    fn a_batch_without_labels_only_reconstructs_and_deceives() {
        let values = learner(LossConfig::default()).step(&batch([-1; 4]), 0.01, 0.01).unwrap();
        assert_eq!((values.cls, values.tri), (0.0, 0.0));
        assert!((values.total - values.adv - values.rec).abs() < 1e-5);
    }

    #[test]
    fn gradients_and_accuracies_are_those_of_the_step() {
        let (values, trace) = learner(LossConfig::default()).step_traced(&batch([0, 0, 1, 1]), 0.01, 0.01).unwrap();
        let by_hand = |prefix: &str| {
            let of_part = trace.gradients.iter().filter(|(name, _)| name.starts_with(prefix));
            let squares = of_part.flat_map(|(_, t)| t.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            squares.map(|g| f64::from(g) * f64::from(g)).sum::<f64>().sqrt()
        };
        let norms = values.gradients;
        for (norm, prefix) in [(norms.extractor, "extractor."), (norms.decoder, "decoder."), (norms.classifier, "cl")] {
            assert!(norm > 0.0 && (norm / by_hand(prefix) - 1.0).abs() < 1e-5, "{prefix} {norm} {}", by_hand(prefix));
        }
        assert!(norms.discriminators > 0.0);
        assert!(values.accuracy[..3].iter().all(Option::is_none));
        assert!(values.accuracy[3..].iter().all(|a| a.is_some_and(|a| a.iter().all(|x| (0.0..=1.0).contains(x)))));
    }

    #[test]
    fn every_form_learns_and_minimax_turns_the_discriminators_gradient() {
        for adversarial in [Adversarial::NonSaturating, Adversarial::Minimax, Adversarial::LeastSquares] {
            let mut learner = learner(LossConfig { adversarial, batch_hard: true, ..LossConfig::default() });
            let first = learner.step(&batch([0, 0, 1, 1]), 0.002, 0.001).unwrap();
            let mut last = first;
            for _ in 0..15 {
                last = learner.step(&batch([0, 0, 1, 1]), 0.002, 0.001).unwrap();
            }
            assert!(last.rec < first.rec && last.total.is_finite(), "{adversarial:?}: {first:?} {last:?}");
        }
    }

    #[test]
    fn hr_alone_trains_without_discriminators() {
        let mut learner = learner(LossConfig { adv: 0.0, rec: 0.0, ..LossConfig::default() });
        let values = learner.step(&Batch { x_l: None, ..batch([0, 0, 1, 1]) }, 0.01, 0.01).unwrap();
        assert!(values.cls > 0.0 && values.adv == 0.0 && !learner.model().has_decoder());
    }

    #[test]
    fn bf16_learns_as_f32_does_and_keeps_its_masters_in_f32() {
        let run = |precision| {
            let optim = OptimConfig { precision, ..OptimConfig::default() };
            let loss = LossConfig { batch_hard: true, ..LossConfig::default() };
            let model = Rain::new(learner(loss.clone()).model().config().clone(), 1, &Device::Cpu).unwrap();
            let mut learner = Learner::new(model, loss, optim).unwrap();
            let losses: Vec<Losses> =
                (0..8).map(|_| learner.step(&batch([0, 0, 1, 1]), 0.002, 0.001).unwrap()).collect();
            assert!(learner.state().unwrap().iter().all(|(n, t)| t.dtype() == DType::F32 || n.ends_with("steps")));
            losses
        };
        let (exact, rounded) = cuda::emulated::with(1, || (run(Precision::F32), run(Precision::Bf16)));
        let near = |a: f64, b: f64, share: f64| assert!((a - b).abs() < share * a, "{a} {b}: {exact:?} {rounded:?}");
        near(exact[0].total, rounded[0].total, 0.01);
        // Hardest triplets are not the same ones for long; the other terms stay together.
        for (a, b) in exact.iter().zip(&rounded) {
            near(a.rec, b.rec, 0.03);
            near(a.cls, b.cls, 0.06);
            near(a.adv, b.adv, 0.03);
            near(a.disc, b.disc, 0.03);
        }
        assert!(exact[7].total < 0.8 * exact[0].total && rounded[7].total < 0.8 * rounded[0].total);
    }

    #[test]
    fn state_taken_back_goes_on_bit_by_bit() {
        let numbers = |l: &Learner| -> Vec<Vec<f32>> {
            l.model().tensors().values().map(|t| t.flatten_all().unwrap().to_vec1().unwrap()).collect()
        };
        let mut whole = learner(LossConfig::default());
        for _ in 0..4 {
            whole.step(&batch([0, 0, 1, -1]), 0.01, 0.01).unwrap();
        }
        let mut first = learner(LossConfig::default());
        for _ in 0..2 {
            first.step(&batch([0, 0, 1, -1]), 0.01, 0.01).unwrap();
        }
        let saved: BTreeMap<String, Tensor> =
            first.state().unwrap().into_iter().map(|(n, t)| (n, t.copy().unwrap())).collect();
        let mut second = learner(LossConfig::default());
        second.restore(&saved).unwrap();
        for _ in 0..2 {
            second.step(&batch([0, 0, 1, -1]), 0.01, 0.01).unwrap();
        }
        assert!(numbers(&whole) == numbers(&second));
    }
}
