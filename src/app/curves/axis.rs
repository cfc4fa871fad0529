//! Scales: from figures to points on the screen, and the marks beside them.

/// How figures lie along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// By their logarithm; what is not above 0 is not shown.
    Log,
}

impl Scale {
    /// Where a figure lies.
    pub fn of(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.max(f64::MIN_POSITIVE).log10(),
        }
    }

    /// The figure that lies there.
    pub fn back(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Log => 10f64.powf(place),
        }
    }
}

/// From a range of places to a range of points.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// How figures lie along it.
    pub scale: Scale,
    /// Least and greatest place, after the scale.
    pub places: [f64; 2],
    /// The points of the two.
    pub points: [f32; 2],
}

impl Axis {
    /// The point of a figure.
    pub fn point(&self, value: f64) -> f32 {
        let [a, b] = self.places;
        let share = (self.scale.of(value) - a) / (b - a);
        self.points[0] + share as f32 * (self.points[1] - self.points[0])
    }

    /// The figure at a point.
    pub fn figure(&self, point: f32) -> f64 {
        let share = f64::from((point - self.points[0]) / (self.points[1] - self.points[0]));
        self.scale.back(self.places[0] + share * (self.places[1] - self.places[0]))
    }

    /// About `parts` round figures along the axis.
    pub fn marks(&self, parts: f64) -> Vec<f64> {
        let [a, b] = self.places;
        match self.scale {
            // Whole powers of ten, and 2 and 5 between them where there are few.
            Scale::Log if b - a > 0.7 => {
                let stride = ((b - a) / parts).ceil().max(1.0);
                let steps: &[f64] = if b - a < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let powers =
                    (0..).map(|i| (a / stride).floor() * stride + f64::from(i) * stride).take_while(|p| *p <= b);
                let all = powers.flat_map(|power| steps.iter().map(move |m| m * 10f64.powf(power)));
                all.filter(|v| (a..=b).contains(&v.log10())).collect()
            }
            Scale::Log => round(10f64.powf(a), 10f64.powf(b), parts),
            Scale::Linear => round(a, b, parts),
        }
    }
}

/// Multiples of 1, 2 or 5 times a power of ten in a range.
fn round(from: f64, to: f64, parts: f64) -> Vec<f64> {
    let rough = (to - from) / parts;
    if !(rough.is_finite() && rough > 0.0) {
        return Vec::new();
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough).unwrap_or(rough);
    ((from / step).ceil() as i64..=(to / step).floor() as i64).map(|i| i as f64 * step).collect()
}

/// A figure beside a curve's name.
pub fn figure(v: f64) -> String {
    match v.abs() {
        0.0 => "0".into(),
        x if x >= 10_000.0 => format!("{v:.1e}"),
        x if x >= 100.0 => format!("{v:.0}"),
        x if x >= 10.0 => format!("{v:.1}"),
        x if x >= 0.01 => format!("{v:.3}"),
        _ => format!("{v:.1e}"),
    }
}

/// A figure beside an axis: as short as its neighbours allow.
pub fn mark(v: f64) -> String {
    match v.abs() {
        0.0 => "0".into(),
        x if x >= 1e6 => short(v / 1e6, "M"),
        x if x >= 1000.0 => short(v / 1000.0, "k"),
        x if x >= 0.001 => {
            let text = format!("{v:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{v:.0e}"),
    }
}

fn short(v: f64, unit: &str) -> String {
    let text = format!("{v:.3}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few_at_any_range() {
        for (from, to) in [(0.0, 60.0), (1.0, 3.0), (0.0, 1401.0), (-0.02, 2.1), (0.0, 1e-3), (0.0, 1e6)] {
            let axis = Axis { scale: Scale::Linear, places: [from, to], points: [0.0, 100.0] };
            let found = axis.marks(4.0);
            assert!((2..=6).contains(&found.len()), "{from}..{to}: {found:?}");
        }
        for (from, to) in [(-5.0, 2.0), (-1.0, 0.2), (0.1, 0.3), (-0.5, 1.0), (-9.0, 9.0)] {
            let axis = Axis { scale: Scale::Log, places: [from, to], points: [0.0, 100.0] };
            let found = axis.marks(4.0);
            assert!((1..=7).contains(&found.len()), "{from}..{to}: {found:?}");
            assert!(found.iter().all(|v| (from - 1e-9..=to + 1e-9).contains(&v.log10())), "{found:?}");
        }
    }

    #[test]
    fn an_axis_leads_there_and_back() {
        for scale in [Scale::Linear, Scale::Log] {
            let axis = Axis { scale, places: [scale.of(0.01), scale.of(50.0)], points: [200.0, 10.0] };
            assert!((axis.point(0.01) - 200.0).abs() < 1e-3 && (axis.point(50.0) - 10.0).abs() < 1e-3);
            assert!((axis.figure(axis.point(3.0)) - 3.0).abs() < 1e-3);
        }
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(
            ["1.5k", "2k", "40", "0.5", "0", "1M"],
            [1500.0, 2000.0, 40.0, 0.5, 0.0, 1e6].map(mark).each_ref().map(String::as_str)
        );
        assert_eq!([figure(0.00035), figure(123.4), figure(0.5)], ["3.5e-4", "123", "0.500"]);
    }
}
