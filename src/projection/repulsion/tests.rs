use rand::RngExt;

use super::*;
use crate::data::seeded;

/// Clusters inside a square of side `span`.
fn layout(n: usize, span: f32, seed: u64) -> Vec<[f32; 2]> {
    let mut rng = seeded::rng(seed, "test layout", &[]);
    let centres: Vec<[f32; 2]> = (0..12).map(|_| [0; 2].map(|_| rng.random_range(-0.5..0.5) * span)).collect();
    (0..n)
        .map(|i| {
            let wide = if i.is_multiple_of(7) { 0.4 } else { 0.05 };
            centres[i % 12].map(|c| (c + rng.random_range(-wide..wide) * span).clamp(-0.5 * span, 0.5 * span))
        })
        .collect()
}

/// The definition, in double precision.
fn by_definition(y: &[[f32; 2]]) -> (Vec<[f64; 2]>, f64) {
    let mut z = 0.0;
    let force = (0..y.len())
        .map(|i| {
            let mut f = [0.0; 2];
            for j in (0..y.len()).filter(|&j| j != i) {
                let d = [0, 1].map(|a| f64::from(y[i][a]) - f64::from(y[j][a]));
                let k = 1.0 / (1.0 + d[0] * d[0] + d[1] * d[1]);
                z += k;
                (0..2).for_each(|a| f[a] += k * k * d[a]);
            }
            f
        })
        .collect();
    (force, z)
}

/// Relative errors of forces (L2, all together) and of Z.
fn errors(exact: bool, y: &[[f32; 2]]) -> (f64, f64) {
    let (expected, z) = by_definition(y);
    let mut force = vec![[0.0; 2]; y.len()];
    let mut repulsion = Repulsion::with(exact);
    let got = repulsion.compute(y, &mut force);
    let (mut wrong, mut all) = (0.0, 0.0);
    for (f, e) in force.iter().zip(&expected) {
        for a in 0..2 {
            wrong += (f64::from(f[a]) - e[a]).powi(2);
            all += e[a] * e[a];
        }
    }
    ((wrong / all).sqrt(), (got - z).abs() / z)
}

#[test]
fn pairs_worked_by_hand() {
    for exact in [true, false] {
        let mut force = [[0.0; 2]; 2];
        // K = 1/2 both ways; the force is K² times the difference.
        let z = Repulsion::with(exact).compute(&[[0.5, 0.0], [-0.5, 0.0]], &mut force);
        assert!((z - 1.0).abs() < 1e-2, "{z}");
        for (f, e) in force.iter().flatten().zip([0.25, 0.0, -0.25, 0.0]) {
            assert!((f - e).abs() < 1e-2, "{force:?}");
        }
    }
}

#[test]
fn all_pairs_agree_with_the_definition() {
    for n in [1, 2, 15, 16, 17, 700] {
        let (force, z) = errors(true, &layout(n, 10.0, 1));
        assert!(n == 1 || force < 1e-5 && z < 1e-5, "{n}: {force} {z}");
    }
}

#[test]
fn interpolation_agrees_with_the_definition_at_every_scale() {
    // From the first iteration's thousandth to a wide map.
    for (span, bound) in [(1e-3, 1e-4), (0.1, 1e-4), (2.0, 1e-4), (20.0, 1e-3), (60.0, 2e-3), (200.0, 1e-2)] {
        let (force, z) = errors(false, &layout(1500, span, 2));
        println!("span {span}: force {force:.1e} Z {z:.1e}");
        assert!(force < bound, "span {span}: relative error of the forces {force}");
        assert!(z < bound, "span {span}: relative error of Z {z}");
    }
}

#[test]
fn a_layout_too_wide_for_the_longest_transform_is_still_near_enough() {
    // The nodes lie 1.2 apart, further than the kernel varies, so forces between neighbours blur; none grows large.
    let y = layout(1500, 2200.0, 2);
    let (expected, z) = by_definition(&y);
    let mut force = vec![[0.0; 2]; y.len()];
    let got = Repulsion::with(false).compute(&y, &mut force);
    assert!((got / z - 1.0).abs() < 0.05, "{got} {z}");
    let wrong = force.iter().zip(&expected).flat_map(|(f, e)| [0, 1].map(|a| (f64::from(f[a]) - e[a]).abs()));
    assert!(wrong.fold(0.0, f64::max) < 0.5);
}

#[test]
fn the_grid_is_kept_while_it_fits_and_gives_what_a_fresh_one_gives() {
    let mut repulsion = Repulsion::with(false);
    let y = layout(1500, 30.0, 3);
    let mut force = vec![[0.0; 2]; y.len()];
    for stretch in [1.0, 1.01, 1.2, 0.5, 3.0, 1.0] {
        let y: Vec<[f32; 2]> = y.iter().map(|p| p.map(|x| x * stretch)).collect();
        let z = repulsion.compute(&y, &mut force);
        let mut fresh = vec![[0.0; 2]; y.len()];
        let expected = Repulsion::with(false).compute(&y, &mut fresh);
        assert!((z / expected - 1.0).abs() < 1e-3, "{stretch}: {z} {expected}");
    }
}

#[test]
fn points_that_coincide_do_not_move_one_another() {
    for exact in [true, false] {
        let mut force = vec![[9.0; 2]; 1200];
        let z = Repulsion::with(exact).compute(&vec![[0.25, -3.0]; 1200], &mut force);
        assert!((z / (1200.0 * 1199.0) - 1.0).abs() < 1e-4, "{z}");
        assert!(force.iter().flatten().all(|f| f.abs() < 1e-2), "{:?}", force[0]);
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let y = layout(20_000, 40.0, 4);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut force = vec![[0.0; 2]; y.len()];
        let z = pool.install(|| Repulsion::with(false).compute(&y, &mut force));
        (z.to_bits(), force.iter().flatten().map(|f| f.to_bits()).collect::<Vec<_>>())
    };
    assert_eq!(on(1), on(2));
    assert_eq!(on(1), on(3));
}
