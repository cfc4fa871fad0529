//! RAIN whole: F, G, D_j and C, their tensors by name, and the two things an analyst asks of it.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::classifier::Classifier;
use super::config::ModelConfig;
use super::decoder::Decoder;
use super::discriminator::Discriminator;
use super::extractor::Extractor;
use super::weights::{self, LoadReport};
use crate::error::{Error, Result};
use crate::nn::layer::Pass;
use crate::nn::parameter::{Parameter, Registry};
use crate::nn::tape::Value;

/// The model of the paper's figure 2.
pub struct Rain {
    config: ModelConfig,
    registry: Registry,
    device: Device,
    /// F.
    pub extractor: Extractor,
    /// G.
    pub decoder: Decoder,
    /// D_j by level j.
    pub discriminators: BTreeMap<usize, Discriminator>,
    /// C.
    pub classifier: Classifier,
    /// Whether G was ever trained.
    decodes: bool,
}

impl Rain {
    /// Random weights, a function of `seed` alone.
    ///
    /// # Errors
    /// When the settings cannot be built; the message says which.
    pub fn new(config: ModelConfig, seed: u64, device: &Device) -> Result<Self> {
        config.check()?;
        let registry = Registry::new(seed, device);
        let root = registry.root();
        let extractor = Extractor::new(&config, &root.pp("extractor"))?;
        let decoder = Decoder::new(&config, &root.pp("decoder"))?;
        let scope = root.pp("discriminators");
        let discriminators = config
            .levels
            .iter()
            .map(|j| Ok((*j, Discriminator::new(&config, *j, &scope.pp(j))?)))
            .collect::<Result<_>>()?;
        let classifier = Classifier::new(&config, &root.pp("classifier"))?;
        Ok(Self {
            config,
            registry,
            device: device.clone(),
            extractor,
            decoder,
            discriminators,
            classifier,
            decodes: true,
        })
    }

    /// Opens a file that [`Self::save`] wrote.
    ///
    /// # Errors
    /// When the file is missing, damaged, not a model of Rain, or of another shape than its header says.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let file = weights::read_model(path)?;
        let mut model = Self::new(file.config, 0, device)?;
        weights::fill(&model.tensors(), &file.tensors, path)?;
        model.decodes = file.decodes;
        Ok(model)
    }

    /// Writes the whole model as safetensors, atomically; `card` (data, command, seed, figures) goes into the header.
    ///
    /// # Errors
    /// When the file cannot be written; an older file of that name is intact then.
    pub fn save(&self, path: &Path, card: &serde_json::Value) -> Result<()> {
        weights::write_model(path, &self.config, self.decodes, card, &self.tensors())
    }

    /// Says that G takes no part in training, so that a saved model promises no reconstructions.
    pub fn without_decoder(mut self) -> Self {
        self.decodes = false;
        self
    }

    /// Says whether [`Self::embed`] looks at the mirror image of an image too.
    pub fn with_mirror(mut self, mirror: bool) -> Self {
        self.config.mirror = mirror;
        self.extractor.mirror = mirror;
        self
    }

    /// The model's shape.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The device that holds the weights.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether reconstructions mean anything.
    pub fn has_decoder(&self) -> bool {
        self.decodes
    }

    /// Every tensor by name, running statistics included.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.registry.tensors()
    }

    /// The parameters of F, G and C: what descends the total loss.
    pub fn main_parameters(&self) -> BTreeMap<String, Parameter> {
        self.registry.parameters(&["extractor.", "decoder.", "classifier."])
    }

    /// The parameters of the discriminators.
    pub fn discriminator_parameters(&self) -> BTreeMap<String, Parameter> {
        self.registry.parameters(&["discriminators."])
    }

    /// Loads F from published weights: safetensors or `.pth` with torchvision's names.
    ///
    /// # Errors
    /// When the file cannot be read, a tensor has another shape, or nothing in it belongs to F.
    pub fn load_extractor(&mut self, path: &Path) -> Result<LoadReport> {
        weights::load_extractor(path, &self.tensors())
    }

    /// `x [b,3,H,W]`, normalised, to the embedding `[b,d]`, in evaluation mode. G, D and C do no work.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn embed(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.extractor.embed(x)?)
    }

    /// `x [b,3,H,W]` to G(F(x)) `[b,3,H,W]`, both normalised, in evaluation mode. A reconstruction, not evidence.
    ///
    /// # Errors
    /// When the decoder was not trained, or the shapes do not fit.
    pub fn reconstruct(&self, x: &Tensor) -> Result<Tensor> {
        if !self.decodes {
            return Err(Error::input(
                "This model was trained without its decoder",
                "Open a model that was trained with a reconstruction weight above 0",
            ));
        }
        let pass = Pass::evaluation();
        let f = self.extractor.forward(&pass, &Value::constant(x.clone()))?;
        Ok(self.decoder.forward(&pass, f.level(5))?.tensor().clone())
    }
}
