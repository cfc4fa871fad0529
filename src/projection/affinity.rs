//! How strongly points attract one another: Gaussian similarities to the nearest neighbours, each point's width chosen
//! so that its effective number of neighbours is the perplexity, made symmetric.

use super::neighbours::Neighbours;
use super::pace::Pace;
use crate::Result;

/// Rows of one piece of work.
const ROWS: usize = 512;

/// The symmetric matrix P of t-SNE, which sums to 1, as sparse rows. Its diagonal is zero.
pub(super) struct Affinities {
    /// Where each row begins in the other two, and the end: n + 1 numbers.
    pub start: Vec<usize>,
    /// Columns, ascending in each row.
    pub to: Vec<u32>,
    /// Values, above zero.
    pub p: Vec<f32>,
    /// Sum of p ln p.
    pub negative_entropy: f64,
}

impl Affinities {
    /// Calibrates the similarities to `perplexity` and makes them symmetric.
    pub fn new(near: Neighbours, perplexity: f64, pace: &mut Pace) -> Result<Self> {
        let k = near.k;
        let n = near.index.len() / k;
        let mut conditional = near.squared;
        let mut items: Vec<_> = conditional.chunks_mut(ROWS * k).collect();
        pace.each(&mut items, 0.9..0.95, |rows| rows.chunks_exact_mut(k).for_each(|row| calibrate(row, perplexity)))?;
        let transposed = Transposed::new(&near.index, &conditional, n);
        pace.share(0.97)?;
        let mut pieces: Vec<(usize, Piece)> = (0..n.div_ceil(ROWS)).map(|i| (i * ROWS, Piece::default())).collect();
        pace.each(&mut pieces, 0.97..1.0, |(first, piece)| {
            let mut own = Vec::with_capacity(k);
            for i in *first..(*first + ROWS).min(n) {
                own.clear();
                own.extend(near.index[i * k..][..k].iter().copied().zip(conditional[i * k..][..k].iter().copied()));
                own.sort_unstable_by_key(|pair| pair.0);
                piece.merge(&own, transposed.row(i), 0.5 / n as f64);
            }
        })?;
        drop((near.index, conditional, transposed));
        let entries = pieces.iter().map(|(_, piece)| piece.to.len()).sum();
        let (mut start, mut to, mut p) =
            (Vec::with_capacity(n + 1), Vec::with_capacity(entries), Vec::with_capacity(entries));
        start.push(0);
        let mut negative_entropy = 0.0;
        for (_, piece) in pieces {
            to.extend_from_slice(&piece.to);
            p.extend_from_slice(&piece.p);
            for length in piece.lengths {
                start.push(start[start.len() - 1] + length);
            }
            negative_entropy += piece.negative_entropy;
        }
        Ok(Self { start, to, p, negative_entropy })
    }

    /// Columns and values of row `i`.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.start[i]..self.start[i + 1];
        (&self.to[range.clone()], &self.p[range])
    }
}

/// Replaces the squared distances of one point's neighbours, ascending, by similarities that sum to 1 and whose entropy
/// is the logarithm of the perplexity: Newton's method on the logarithm of the precision, kept inside a bracket.
fn calibrate(row: &mut [f32], perplexity: f64) {
    let k = row.len();
    let nearest = f64::from(row[0]);
    let d: Vec<f64> = row.iter().map(|&d| f64::from(d) - nearest).collect();
    let spread = d.iter().sum::<f64>() / k as f64;
    let wanted = perplexity.ln();
    if spread <= 0.0 || wanted >= (k as f64).ln() {
        row.fill(1.0 / k as f32);
        return;
    }
    let mut weights = vec![0.0; k];
    let (mut beta, mut low, mut high) = (1.0 / spread, 0.0, f64::INFINITY);
    for _ in 0..100 {
        weights.iter_mut().zip(&d).for_each(|(w, d)| *w = (-beta * d).exp());
        let sum: f64 = weights.iter().sum();
        let mean = weights.iter().zip(&d).map(|(w, d)| w * d).sum::<f64>() / sum;
        let square = weights.iter().zip(&d).map(|(w, d)| w * d * d).sum::<f64>() / sum;
        let excess = sum.ln() + beta * mean - wanted;
        if excess.abs() < 1e-8 {
            break;
        }
        if excess > 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        // The entropy falls by beta² times the variance of d as ln(beta) grows by one.
        let newton = beta * (excess / (beta * beta * (square - mean * mean))).clamp(-2.0, 2.0).exp();
        let inside = newton > low && newton < high;
        beta = match (inside, high.is_finite()) {
            (true, _) => newton,
            (false, true) => 0.5 * (low + high),
            (false, false) => 2.0 * beta,
        };
        if !(beta.is_finite() && beta > 0.0) {
            break;
        }
    }
    let sum: f64 = weights.iter().sum();
    row.iter_mut().zip(&weights).for_each(|(p, w)| *p = (w / sum) as f32);
}

/// The neighbour lists turned around: for each point, those that name it, ascending.
struct Transposed {
    start: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl Transposed {
    fn new(index: &[u32], values: &[f32], n: usize) -> Self {
        let k = index.len() / n;
        let mut start = vec![0usize; n + 1];
        index.iter().for_each(|&j| start[j as usize + 1] += 1);
        for i in 0..n {
            start[i + 1] += start[i];
        }
        let mut next = start.clone();
        let mut entries = vec![(0, 0.0); index.len()];
        for (at, (&j, &value)) in index.iter().zip(values).enumerate() {
            let slot = &mut next[j as usize];
            entries[*slot] = ((at / k) as u32, value);
            *slot += 1;
        }
        Self { start, entries }
    }

    fn row(&self, i: usize) -> &[(u32, f32)] {
        &self.entries[self.start[i]..self.start[i + 1]]
    }
}

/// Finished rows of P.
#[derive(Default)]
struct Piece {
    lengths: Vec<usize>,
    to: Vec<u32>,
    p: Vec<f32>,
    negative_entropy: f64,
}

impl Piece {
    /// Adds the row `factor * (a + b)`; both are sorted by column.
    fn merge(&mut self, a: &[(u32, f32)], b: &[(u32, f32)], factor: f64) {
        let before = self.to.len();
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            let column = match (a.get(i), b.get(j)) {
                (Some(x), Some(y)) => x.0.min(y.0),
                (Some(x), None) => x.0,
                (None, Some(y)) => y.0,
                (None, None) => break,
            };
            let mut sum = 0.0;
            while i < a.len() && a[i].0 == column {
                sum += f64::from(a[i].1);
                i += 1;
            }
            while j < b.len() && b[j].0 == column {
                sum += f64::from(b[j].1);
                j += 1;
            }
            let p = factor * sum;
            if p as f32 > 0.0 {
                self.to.push(column);
                self.p.push(p as f32);
                self.negative_entropy += p * p.ln();
            }
        }
        self.lengths.push(self.to.len() - before);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::Flow;

    fn perplexity_of(p: &[f32]) -> f64 {
        (-p.iter().map(|&p| f64::from(p)).filter(|&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>()).exp()
    }

    proptest! {
        #[test]
        fn the_perplexity_is_met(mut d in prop::collection::vec(0.0f32..1e3, 12..60), wanted in 2.0f64..9.0) {
            d.sort_by(f32::total_cmp);
            d.dedup();
            prop_assume!(d.len() >= 12);
            calibrate(&mut d, wanted);
            prop_assert!((perplexity_of(&d) - wanted).abs() < 1e-3, "{} for {wanted}", perplexity_of(&d));
            prop_assert!((d.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            prop_assert!(d.windows(2).all(|w| w[0] >= w[1]));
        }
    }

    #[test]
    fn equal_distances_share_equally_and_extremes_stay_finite() {
        for mut row in [vec![0.0; 4], vec![7.0; 4], vec![1.0, 2.0, 3.0, 4.0]] {
            calibrate(&mut row, 4.0);
            assert_eq!(row, [0.25; 4]);
        }
        // Half of the points coincide, and three are further than the perplexity asks for: nothing can be calibrated.
        for mut row in [vec![0.0, 0.0, 0.0, 1.0, 1.0, 1.0], vec![0.0, 1e-30, 1e30, 1e30], vec![1.0, 1.0 + 1e-7]] {
            calibrate(&mut row, 1.0 + 1e-9);
            assert!(row.iter().all(|p| p.is_finite()) && (row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        }
    }

    #[test]
    fn rows_worked_by_hand() {
        // Points 0, 1, 3 on a line, one neighbour each: 0 -> 1, 1 -> 0, 2 -> 1.
        let near = Neighbours { k: 1, index: vec![1, 0, 1], squared: vec![1.0, 1.0, 4.0] };
        let mut on = |_: &super::super::Progress| Flow::Continue;
        let p = Affinities::new(near, 1.0, &mut Pace::new(0, &mut on)).unwrap();
        assert_eq!(p.start, [0, 1, 3, 4]);
        assert_eq!(p.to, [1, 0, 2, 1]);
        let third = 1.0 / 3.0;
        assert_eq!(p.p, [third, third, 0.5 * third, 0.5 * third]);
        let third = 1.0f64 / 3.0;
        let expected = 2.0 * third * third.ln() + third * (0.5 * third).ln();
        assert!((p.negative_entropy - expected).abs() < 1e-12);
    }
}
