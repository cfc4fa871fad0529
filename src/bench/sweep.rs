//! How the cost of a pass grows with batch and image area.

use serde::Serialize;

use super::compute::Network;
use super::measure::Measured;
use crate::error::Result;

/// The cost of one batch size and image size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// Images (of a step: pairs) in the batch.
    pub batch: usize,
    /// Input height in pixels.
    pub height: usize,
    /// Input width in pixels.
    pub width: usize,
    /// Median seconds by the clock on the wall.
    pub wall_s: f64,
    /// Median seconds of all cores together; those of the wall where the system does not tell.
    pub cpu_s: f64,
    /// The line's answer for this size, in seconds of all cores together.
    pub line_s: f64,
}

impl Row {
    /// Millions of pixels in the batch.
    pub fn megapixels(&self) -> f64 {
        (self.batch * self.height * self.width) as f64 / 1e6
    }
}

/// Costs, and the straight line that fits them best: `fixed_s + per_megapixel_s * megapixels`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sweep {
    /// By batch, then by size.
    pub rows: Vec<Row>,
    /// What a pass costs whatever its size, in seconds of all cores together.
    pub fixed_s: f64,
    /// What a million pixels cost, in seconds of all cores together.
    pub per_megapixel_s: f64,
    /// The largest distance of a cost from the line, as a share of the line.
    pub largest_deviation: f64,
}

/// The sizes of a sweep around `network`: its image at 1 to 16 (twice its own) images, and its batch at a quarter, the same
/// and four times the area, as far as the network takes such images.
pub fn sizes(network: &Network) -> Vec<Network> {
    let mut all = Vec::new();
    let most = 2 * network.batch;
    let batches = std::iter::successors(Some(most), |batch| batch.is_multiple_of(2).then_some(batch / 2)).take(5);
    all.extend(batches.map(|batch| Network { batch, ..network.clone() }));
    all.reverse();
    for (times, over) in [(1, 2), (3, 2), (2, 1)] {
        let (height, width) = (network.height * times / over, network.width * times / over);
        all.push(Network { height, width, ..network.clone() });
    }
    all.retain(|one| one.config().check().is_ok());
    all
}

/// Times `work` on each of [`sizes`] and fits the line; `on` hears of each size before its turn.
///
/// # Errors
/// Those of `work`.
pub fn sweep(
    sizes: &[Network],
    work: &mut dyn FnMut(&Network) -> Result<Measured>,
    on: &mut dyn FnMut(usize),
) -> Result<Sweep> {
    let mut rows = Vec::with_capacity(sizes.len());
    for (done, size) in sizes.iter().enumerate() {
        on(done);
        let Measured { wall_s, cpu_s, .. } = work(size)?;
        let cpu = cpu_s.unwrap_or(wall_s).median;
        let Network { batch, height, width, .. } = *size;
        rows.push(Row { batch, height, width, wall_s: wall_s.median, cpu_s: cpu, line_s: 0.0 });
    }
    Ok(fit(rows))
}

/// Least squares of the relative errors, so that small sizes count as much as large ones.
fn fit(mut rows: Vec<Row>) -> Sweep {
    let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for row in &rows {
        let (x, y) = (row.megapixels(), row.cpu_s);
        let weight = 1.0 / (y * y).max(1e-18);
        w += weight;
        wx += weight * x;
        wy += weight * y;
        wxx += weight * x * x;
        wxy += weight * x * y;
    }
    let determinant = w * wxx - wx * wx;
    let slope = if determinant > 0.0 { (w * wxy - wx * wy) / determinant } else { 0.0 };
    let fixed = if w > 0.0 { (wy - slope * wx) / w } else { 0.0 };
    let mut largest = 0f64;
    for row in &mut rows {
        row.line_s = fixed + slope * row.megapixels();
        largest = largest.max((row.cpu_s / row.line_s - 1.0).abs());
    }
    Sweep { rows, fixed_s: fixed, per_megapixel_s: slope, largest_deviation: largest }
}

#[cfg(test)]
mod tests {
    use super::super::measure::Spread;
    use super::*;

    fn network(batch: usize) -> Network {
        Network { depth: 50, base_width: 64, batch, height: 256, width: 128, seed: 1 }
    }

    #[test]
    fn a_straight_line_is_found() {
        let cost = |size: &Network| {
            let seconds = 0.01 + 2.0 * (size.batch * size.height * size.width) as f64 / 1e6;
            let spread = Spread { median: seconds, least: seconds, most: seconds };
            Ok(Measured { repeats: 1, wall_s: spread, cpu_s: None, peak_memory_mib: None })
        };
        let sizes = sizes(&network(8));
        let mut heard = 0;
        let sweep = sweep(&sizes, &mut { cost }, &mut |_| heard += 1).unwrap();
        assert_eq!((sweep.rows.len(), heard), (8, 8));
        assert!((sweep.fixed_s - 0.01).abs() < 1e-9 && (sweep.per_megapixel_s - 2.0).abs() < 1e-9, "{sweep:?}");
        assert!(sweep.largest_deviation < 1e-9);
        // A cost that grows with the square is seen.
        let bent = sweep.rows.iter().map(|row| Row { cpu_s: row.megapixels().powi(2), ..*row }).collect();
        assert!(fit(bent).largest_deviation > 0.5);
    }

    #[test]
    fn sizes_suit_the_network() {
        let batches: Vec<usize> = sizes(&network(8)).iter().map(|n| n.batch).collect();
        assert_eq!(batches, [1, 2, 4, 8, 16, 8, 8, 8]);
        let areas: Vec<_> = sizes(&network(4)).iter().map(|n| (n.height, n.width)).collect();
        assert!(areas.contains(&(128, 64)) && areas.contains(&(512, 256)));
        // 48 is no multiple of 32: such sizes are left out.
        assert!(sizes(&Network { height: 32, width: 32, ..network(3) }).iter().all(|n| n.height != 48));
    }
}
