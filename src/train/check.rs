//! Refuses settings that cannot work, before anything is read or written.

use super::config::RunConfig;
use crate::{Error, Result};

/// Whether a run with these settings can start.
///
/// # Errors
/// [`Error::Input`] naming the first setting that cannot work, and what it may be.
pub fn check(config: &RunConfig) -> Result<()> {
    let (data, loss, optim, schedule) = (&config.data, &config.loss, &config.optim, &config.schedule);
    let rates = |rates: &[f64]| rates.iter().all(|r| r.is_finite() && *r >= 1.0);
    let share = |x: f64| (0.0..=1.0).contains(&x);
    let not_negative = |x: f64| x.is_finite() && x >= 0.0;
    let rules = [
        (data.root.as_os_str().is_empty(), "data.root", "name the data set's folder with --data"),
        (data.rates.is_empty() || !rates(&data.rates), "data.rates", "list rates of 1 or more"),
        (
            data.use_lr && data.identities * data.images < 1,
            "data.identities",
            "set data.identities and data.images to 1 or more",
        ),
        (
            !data.use_lr && data.identities * data.images < 2,
            "data.images",
            "a batch needs two images, for its statistics",
        ),
        (!share(data.erasing), "data.erasing", "choose a probability from 0 to 1"),
        (!share(data.labelled), "data.labelled", "choose a share from 0 to 1"),
        (
            data.labelled == 0.0 && loss.adv == 0.0 && loss.rec == 0.0,
            "data.labelled",
            "without labels there is nothing to learn but loss.rec and loss.adv, so give one of them a weight",
        ),
        (!data.use_lr && loss.adv != 0.0, "loss.adv", "set it to 0 where data.use_lr is false"),
        (!data.use_lr && loss.rec != 0.0, "loss.rec", "set it to 0 where data.use_lr is false"),
        (!not_negative(loss.adv), "loss.adv", "choose a weight of 0 or more"),
        (!not_negative(loss.rec), "loss.rec", "choose a weight of 0 or more"),
        (!not_negative(loss.cls), "loss.cls", "choose a weight of 0 or more"),
        (!not_negative(loss.tri), "loss.tri", "choose a weight of 0 or more"),
        (!not_negative(loss.margin), "loss.margin", "choose a margin of 0 or more"),
        (!share(loss.label_smoothing), "loss.label_smoothing", "choose a share from 0 to 1"),
        (!not_negative(optim.lr), "optim.lr", "choose a rate of 0 or more"),
        (!not_negative(optim.lr_discriminator), "optim.lr_discriminator", "choose 0 or more"),
        (!not_negative(schedule.epochs) || schedule.epochs == 0.0, "schedule.epochs", "train for more than 0 epochs"),
        (!not_negative(schedule.warmup_epochs), "schedule.warmup_epochs", "choose 0 or more"),
        (
            !schedule.milestones.iter().all(|m| share(*m)),
            "schedule.milestones",
            "list fractions of the run, from 0 to 1",
        ),
        (!not_negative(schedule.gamma), "schedule.gamma", "choose a factor of 0 or more"),
        (!not_negative(schedule.validate_every), "schedule.validate_every", "choose 0 or more"),
        (!rates(&schedule.validate_rates), "schedule.validate_rates", "list rates of 1 or more"),
    ];
    match rules.iter().find(|(broken, ..)| *broken) {
        Some((_, key, remedy)) => {
            Err(Error::input(format!("The setting {key} cannot work"), format!("Change it: {remedy}")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::preset;

    #[test]
    fn every_preset_can_start_once_it_has_data() {
        for name in preset::names() {
            let mut config = preset::load(name).unwrap();
            assert!(check(&config).unwrap_err().to_string().contains("--data"));
            config.data.root = "somewhere".into();
            check(&config).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    #[test]
    fn each_refusal_names_its_setting() {
        for (assignment, key) in [
            ("data.rates=0.5", "data.rates"),
            ("data.rates=[]", "data.rates"),
            ("data.labelled=-0.1", "data.labelled"),
            ("data.use_lr=false", "loss.adv"),
            ("loss.rec=-1", "loss.rec"),
            ("loss.cls=nan", "loss.cls"),
            ("optim.lr=inf", "optim.lr"),
            ("schedule.epochs=0", "schedule.epochs"),
            ("schedule.milestones=30,60", "schedule.milestones"),
            ("schedule.validate_rates=nan", "schedule.validate_rates"),
            ("data.images=0", "data.identities"),
        ] {
            let mut config = preset::load("demo").unwrap();
            config.data.root = "somewhere".into();
            preset::set(&mut config, assignment).unwrap();
            let error = check(&config).unwrap_err().to_string();
            assert!(error.contains(key), "{assignment}: {error}");
        }
    }
}
