//! Which curves a run has, and how several runs lie over one another.

use crate::app::curves::{Chart, Curve};
use crate::app::state::history::{Figure, History, validation};
use crate::app::theme::Palette;

/// The charts of one run.
pub fn of_run<'a>(history: &'a History, palette: &Palette) -> Vec<Chart<'a>> {
    let [blue, amber, green, orange, pink] = palette.series;
    let steps = |name: &str, figure: Figure, colour, dashed| Curve {
        name: name.into(),
        colour,
        table: &history.steps,
        column: figure.column(),
        dashed,
    };
    let ranks = |name: &str, column, colour| Curve {
        name: name.into(),
        colour,
        table: &history.validation,
        column,
        dashed: false,
    };
    let chart = |title, unit, curves| Chart { title, unit, across: "step", curves, points: false, percent: false };
    let levels = [pink, orange, green, blue, amber]; // by level from 1: the usual 4 and 5 are blue and amber
    let accuracy = (1..=5).flat_map(|j| {
        [
            steps(&format!("D{j} HR"), Figure::High(j), levels[j - 1], false),
            steps(&format!("D{j} LR"), Figure::Low(j), levels[j - 1], true),
        ]
    });
    let accuracy: Vec<Curve> = accuracy.filter(|curve| curve.table.column(curve.column).is_some()).collect();
    vec![
        chart(
            "Identity",
            "loss",
            vec![
                steps("classification", Figure::Cls, amber, false),
                steps("triplet", Figure::Tri, green, false),
                steps("total", Figure::Total, blue, false),
            ],
        ),
        chart("Reconstruction", "mean abs. error", vec![steps("HR + LR", Figure::Rec, blue, false)]),
        chart(
            "Adversarial",
            "loss",
            vec![steps("extractor", Figure::Adv, blue, false), steps("discriminator", Figure::Disc, orange, false)],
        ),
        Chart {
            title: "Validation",
            unit: "held-out people",
            across: "step",
            curves: vec![
                ranks("rank-1", validation::RANK1, blue),
                ranks("mAP", validation::MAP, amber),
                ranks("rank-1, hardest rate", validation::HARDEST, green),
            ],
            points: true,
            percent: true,
        },
        Chart {
            title: "Discriminator accuracy",
            unit: "50 % is guessing",
            across: "step",
            curves: accuracy,
            points: false,
            percent: true,
        },
        chart(
            "Gradient norms",
            "length",
            vec![
                steps("extractor", Figure::GradientExtractor, blue, false),
                steps("decoder", Figure::GradientDecoder, amber, false),
                steps("classifier", Figure::GradientClassifier, green, false),
                steps("discriminators", Figure::GradientDiscriminators, orange, false),
            ],
        ),
        chart(
            "Learning rates",
            "a step",
            vec![
                steps("F, G and C", Figure::Lr, blue, false),
                steps("discriminators", Figure::LrDiscriminator, orange, false),
            ],
        ),
        chart("Pace", "a second", vec![steps("images", Figure::Speed, blue, false)]),
    ]
}

/// The same figure of several runs over one another; each run has its name and colour.
pub fn of_runs<'a>(runs: &[(String, egui::Color32, &'a History)]) -> Vec<Chart<'a>> {
    let steps = |title, unit, figure: Figure| Chart {
        title,
        unit,
        across: "step",
        curves: runs
            .iter()
            .map(|(name, colour, history)| Curve {
                name: name.clone(),
                colour: *colour,
                table: &history.steps,
                column: figure.column(),
                dashed: false,
            })
            .filter(|curve| curve.table.column(curve.column).is_some())
            .collect(),
        points: false,
        percent: false,
    };
    let ranks = |title, unit, column| Chart {
        title,
        unit,
        across: "step",
        curves: runs
            .iter()
            .map(|(name, colour, history)| Curve {
                name: name.clone(),
                colour: *colour,
                table: &history.validation,
                column,
                dashed: false,
            })
            .collect(),
        points: true,
        percent: true,
    };
    vec![
        ranks("Validation rank-1", "mean of the training rates", validation::RANK1),
        ranks("Rank-1 at the hardest rate", "held-out people", validation::HARDEST),
        ranks("Validation mAP", "mean of the training rates", validation::MAP),
        steps("Total", "loss", Figure::Total),
        steps("Classification", "loss", Figure::Cls),
        steps("Triplet", "loss", Figure::Tri),
        steps("Reconstruction", "mean abs. error", Figure::Rec),
        steps("Discriminator", "loss", Figure::Disc),
    ]
}
