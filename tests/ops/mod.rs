//! Every op with a side on the GPU, on inputs that meet each of its paths; shared by the tests of the emulated device and
//! of a real one. Each op is compared with the processor's and with finite differences.

use candle_core::{DType, Device, Result, Tensor};
use rain::nn::activation::{add, add_relu, cast, leaky_relu, relu, reverse_gradient, weighted_sum};
use rain::nn::conv::{conv2d, conv2d_bias};
use rain::nn::linear::{linear, rows};
use rain::nn::loss::{bce_with_logits, cross_entropy, hardest_triplet, l1, squared_error, triplet};
use rain::nn::norm::{batch_norm, batch_norm_onto};
use rain::nn::pool::{Border, global_average, max_pool};
use rain::nn::tape::{Tape, Value};
use rain::nn::upsample::nearest2x;
use rand::{RngExt, SeedableRng};

/// From inputs to a result, recorded on the tape.
pub type Call = Box<dyn Fn(&Tape, &[Value]) -> Result<Value>>;

/// An op, what it is fed with, and what may be asked of it.
pub struct Op {
    pub name: String,
    /// On the processor, `f32`.
    pub inputs: Vec<Tensor>,
    /// The first so many inputs are maps and may be `bf16`.
    pub maps: usize,
    /// Whether a finite difference means something (no kink near), and the sizes are small.
    pub smooth: bool,
    pub f: Call,
}

/// Numbers in -1..1, the same for the same seed.
pub fn noise(seed: u64, shape: &[usize]) -> Tensor {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// Noise with nothing between -0.1 and 0.1, where the kinks are.
fn split(seed: u64, shape: &[usize]) -> Tensor {
    let moved: Vec<f32> = numbers(&noise(seed, shape)).iter().map(|x| x + 0.1 * x.signum()).collect();
    Tensor::from_vec(moved, shape, &Device::Cpu).unwrap()
}

/// Numbers 0.05 apart in random order: a small step never changes the largest of them.
fn spread(shape: &[usize]) -> Tensor {
    let noise = numbers(&noise(1, shape));
    let mut order: Vec<usize> = (0..noise.len()).collect();
    order.sort_by(|a, b| noise[*a].total_cmp(&noise[*b]));
    let mut values = vec![0f32; noise.len()];
    order.iter().enumerate().for_each(|(rank, i)| values[*i] = 0.05 * rank as f32 - 1.0);
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn times(x: &Tensor, factor: f64, offset: f64) -> Tensor {
    x.affine(factor, offset).unwrap()
}

/// Convolutions as `b, ci, h, w, co, k, stride, padding`: each kernel side, stride and padding that RAIN uses, odd sizes.
const CONVOLUTIONS: [[usize; 8]; 12] = [
    [1, 1, 1, 1, 1, 1, 1, 0],
    [2, 3, 5, 7, 4, 1, 1, 0],
    [2, 5, 7, 6, 3, 1, 2, 0],
    [2, 3, 6, 5, 7, 3, 1, 1],
    [2, 4, 8, 6, 5, 3, 2, 1],
    [2, 4, 7, 9, 5, 3, 2, 1],
    [1, 2, 5, 4, 3, 3, 2, 0],
    [2, 3, 9, 8, 3, 7, 2, 3],
    [5, 2, 2, 1, 3, 3, 2, 1],
    [1, 2, 6, 6, 3, 3, 3, 1],
    [3, 40, 9, 16, 33, 3, 1, 1],
    [3, 16, 8, 4, 24, 1, 1, 0],
];

/// The table.
pub fn ops() -> Vec<Op> {
    let mut all = Vec::new();
    type F = fn(&Tape, &[Value]) -> Result<Value>;
    let mut op = |name: &str, inputs: Vec<Tensor>, maps, smooth, f: Call| {
        all.push(Op { name: name.into(), inputs, maps, smooth, f });
    };
    let map = [2, 3, 4, 5];
    let (x, y) = (split(1, &map), times(&split(2, &map), 3.0, 0.0));
    let plain: [(&str, F); 3] = [
        ("relu", |t, v| relu(t, &v[0])),
        ("leaky_relu", |t, v| leaky_relu(t, &v[0], 0.2)),
        ("one tensor, two consumers", |t, v| add(t, &leaky_relu(t, &v[0], 0.2)?, &v[0])),
    ];
    for (name, f) in plain {
        op(name, vec![x.clone()], 1, true, Box::new(f));
    }
    // Gradient reversal is no gradient: it is compared only.
    op("reverse_gradient", vec![x.clone()], 1, false, Box::new(|t, v| reverse_gradient(t, &v[0], 0.5)));
    op("add", vec![x.clone(), y.clone()], 2, true, Box::new(|t, v| add(t, &v[0], &v[1])));
    op("add_relu", vec![x.clone(), y], 2, false, Box::new(|t, v| add_relu(t, &v[0], &v[1])));
    op("rows", vec![noise(1, &[5, 2, 2, 1])], 1, true, Box::new(|t, v| rows(t, &v[0], 1, 3)));

    for [b, ci, h, w, co, k, s, p] in CONVOLUTIONS {
        let small = ci < 10;
        let inputs = vec![noise(1, &[b, ci, h, w]), noise(2, &[co, ci, k, k])];
        let biased = [&inputs[..], &[noise(3, &[co])]].concat();
        let name = format!("{b}x{ci}x{h}x{w} to {co}, {k}x{k}/{s}, padding {p}");
        op(&format!("conv2d {name}"), inputs, 2, small, Box::new(move |t, v| conv2d(t, &v[0], &v[1], s, p)));
        let f = move |t: &Tape, v: &[Value]| conv2d_bias(t, &v[0], &v[1], &v[2], s, p);
        op(&format!("conv2d_bias {name}"), biased, 2, small && k == 3, Box::new(f));
    }

    for shape in [[2, 3, 3, 2], [4, 3, 1, 1], [1, 3, 5, 7], [8, 3, 32, 24]] {
        let inputs = vec![noise(1, &shape), times(&noise(2, &[3]), 1.0, 2.0), noise(3, &[3])];
        let small = shape[0] < 8;
        for relu in [false, true] {
            let f = move |t: &Tape, v: &[Value]| Ok(batch_norm(t, &v[0], &v[1], &v[2], relu)?.0);
            op(&format!("batch_norm {shape:?} {relu}"), inputs.clone(), 1, small && !relu, Box::new(f));
            // x and the shortcut are the maps, so they come first.
            let onto =
                vec![inputs[0].clone(), times(&split(4, &shape), 5.0, 0.0), inputs[1].clone(), inputs[2].clone()];
            let f = move |t: &Tape, v: &[Value]| Ok(batch_norm_onto(t, &v[0], &v[2], &v[3], &v[1], relu)?.0);
            op(&format!("batch_norm_onto {shape:?} {relu}"), onto, 2, small && !relu, Box::new(f));
        }
    }
    // 1000 +- 0.01: the textbook E[x^2] - E[x]^2 would return rubbish.
    let far = vec![times(&noise(1, &[8, 2, 24, 24]), 0.01, 1000.0), noise(2, &[2]), noise(3, &[2])];
    op("batch_norm far off", far, 0, false, Box::new(|t, v| Ok(batch_norm(t, &v[0], &v[1], &v[2], false)?.0)));

    for shape in [[1, 2, 5, 6], [2, 1, 4, 7], [1, 1, 3, 3], [1, 2, 1, 2], [2, 3, 16, 9]] {
        for border in [Border::Padded, Border::Ceil] {
            let f = move |t: &Tape, v: &[Value]| max_pool(t, &v[0], border);
            op(&format!("max_pool {shape:?} {border:?}"), vec![spread(&shape)], 1, true, Box::new(f));
        }
    }
    let ties = Tensor::ones((1, 2, 7, 6), DType::F32, &Device::Cpu).unwrap();
    op("max_pool of equals", vec![ties], 1, false, Box::new(|t, v| max_pool(t, &v[0], Border::Padded)));
    op("global_average", vec![noise(1, &[2, 3, 7, 5])], 1, true, Box::new(|t, v| global_average(t, &v[0])));
    op("nearest2x", vec![noise(1, &[2, 3, 3, 2])], 1, true, Box::new(|t, v| nearest2x(t, &v[0])));
    op(
        "linear",
        vec![noise(1, &[3, 4]), noise(2, &[5, 4]), noise(3, &[5])],
        0,
        true,
        Box::new(|t, v| linear(t, &v[0], &v[1], &v[2])),
    );

    for (z, small) in
        [(times(&noise(1, &[3, 1, 2, 4]), 4.0, 0.0), true), (times(&noise(1, &[70, 1, 9, 10]), 30.0, 0.0), false)]
    {
        for target in [0.0, 1.0] {
            let f = move |t: &Tape, v: &[Value]| bce_with_logits(t, &v[0], target);
            op(&format!("bce_with_logits {target} {small}"), vec![z.clone()], 1, small, Box::new(f));
            let f = move |t: &Tape, v: &[Value]| squared_error(t, &v[0], target);
            op(&format!("squared_error {target} {small}"), vec![z.clone()], 1, small, Box::new(f));
        }
    }
    for (shape, small) in [([2, 3, 4, 5], true), ([4, 3, 32, 16], false)] {
        let target = noise(7, &shape);
        let x = (&target + split(8, &shape)).unwrap();
        let f = move |t: &Tape, v: &[Value]| l1(t, &v[0], &target.to_device(v[0].tensor().device())?);
        op(&format!("l1 {shape:?}"), vec![x], 1, small, Box::new(f));
    }
    for smoothing in [0.0, 0.1] {
        let logits = times(&noise(2, &[4, 5]), 3.0, 0.0);
        let f = move |t: &Tape, v: &[Value]| cross_entropy(t, &v[0], &[1, -1, 4, 0], smoothing);
        op(&format!("cross_entropy {smoothing}"), vec![logits], 1, true, Box::new(f));
        let wide = times(&noise(2, &[3, 751]), 40.0, 0.0);
        let f = move |t: &Tape, v: &[Value]| cross_entropy(t, &v[0], &[700, 0, -1], smoothing);
        op(&format!("cross_entropy wide {smoothing}"), vec![wide], 1, false, Box::new(f));
    }
    let unlabelled = |t: &Tape, v: &[Value]| cross_entropy(t, &v[0], &[-1, -1], 0.0);
    op("cross_entropy without a label", vec![noise(1, &[2, 3])], 1, true, Box::new(unlabelled));
    const TRIPLETS: [(u32, u32, u32); 4] = [(0, 1, 2), (1, 0, 3), (2, 2, 0), (3, 0, 1)];
    for margin in [0.3, 9.0] {
        let f = move |t: &Tape, v: &[Value]| triplet(t, &v[0], &TRIPLETS, margin);
        op(&format!("triplet {margin}"), vec![noise(3, &[4, 6])], 0, true, Box::new(f));
        let f = move |t: &Tape, v: &[Value]| hardest_triplet(t, &v[0], &[7, 3, 7, 3, -1, 3, 9], margin);
        op(&format!("hardest_triplet {margin}"), vec![noise(4, &[7, 33])], 0, false, Box::new(f));
    }
    let alone = |t: &Tape, v: &[Value]| hardest_triplet(t, &v[0], &[1, 1, 1, -1], 2.0);
    op("hardest_triplet without a negative", vec![noise(4, &[4, 5])], 0, true, Box::new(alone));
    op("triplet of none", vec![noise(4, &[4, 5])], 0, true, Box::new(|t, v| triplet(t, &v[0], &[], 2.0)));
    let equal = Tensor::ones((3, 4), DType::F32, &Device::Cpu).unwrap();
    op("triplet of equals", vec![equal], 0, false, Box::new(|t, v| triplet(t, &v[0], &[(0, 1, 2)], 2.0)));
    let both = |t: &Tape, v: &[Value]| {
        let terms = [(0.5, triplet(t, &v[0], &TRIPLETS, 9.0)?), (2.0, cross_entropy(t, &v[0], &[0, 1, 2, 3], 0.0)?)];
        weighted_sum(t, &terms)
    };
    op("weighted_sum", vec![noise(3, &[4, 6])], 0, true, Box::new(both));
    all
}

/// The numbers of a tensor, wherever it lies.
pub fn numbers(t: &Tensor) -> Vec<f32> {
    t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// An op's result on `device`, and the gradients of its inputs when the result is weighted by fixed noise.
pub fn evaluate(op: &Op, device: &Device, dtype: DType) -> Result<Vec<Vec<f32>>> {
    let tape = Tape::new();
    let leaves = op.inputs.iter().enumerate().map(|(i, t)| {
        let t = if i < op.maps { t.to_dtype(dtype)? } else { t.clone() };
        Ok(tape.leaf(i, &t.to_device(device)?))
    });
    let leaves: Vec<Value> = leaves.collect::<Result<_>>()?;
    let y = (op.f)(&tape, &leaves)?;
    let result = numbers(y.tensor());
    let y = cast(&tape, &y, DType::F32)?;
    let weights = noise(99, y.tensor().dims()).to_device(y.tensor().device())?;
    let weighted = (y.tensor() * &weights)?;
    let weighted = tape.record(&[&y], weighted, move |dy, _| Ok(vec![Some((dy * weights)?)]));
    let mut gradients = tape.backward(&weighted)?;
    let zeros = |t: &Tensor| vec![0.0; t.elem_count()];
    let parts =
        op.inputs.iter().enumerate().map(|(i, t)| gradients.remove(&i).map_or_else(|| zeros(t), |g| numbers(&g)));
    Ok([result].into_iter().chain(parts).collect())
}

/// Asserts that two evaluations agree, each part to `tolerance` of its largest number.
pub fn assert_close(ours: &[Vec<f32>], theirs: &[Vec<f32>], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (part, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours.len(), theirs.len(), "{what}, part {part}");
        let scale = theirs.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
        for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
            assert!((a - b).abs() <= tolerance * scale, "{what}, part {part}, element {i}: {a}, expected {b}");
        }
    }
}

/// Asserts that an op's gradients on `device` agree with central differences taken there.
pub fn assert_differences(op: &Op, device: &Device) {
    const STEP: f32 = 1e-2;
    let gradients = evaluate(op, device, DType::F32).unwrap();
    let weigh = |inputs: &[Tensor]| -> f64 {
        let values: Vec<Value> = inputs.iter().map(|t| Value::constant(t.to_device(device).unwrap())).collect();
        let y = (op.f)(&Tape::new(), &values).unwrap();
        let weights = numbers(&noise(99, y.tensor().dims()));
        numbers(y.tensor()).iter().zip(weights).map(|(y, w)| f64::from(*y) * f64::from(w)).sum()
    };
    for (i, gradient) in gradients[1..].iter().enumerate() {
        let scale = gradient.iter().fold(1f32, |m, v| m.max(v.abs()));
        let base = numbers(&op.inputs[i]);
        // Every element of a small input, some forty of a larger one.
        for element in (0..base.len()).step_by(base.len().div_ceil(40).max(1)) {
            let at = |delta: f32| {
                let mut moved = base.clone();
                moved[element] += delta;
                let mut inputs = op.inputs.clone();
                inputs[i] = Tensor::from_vec(moved, op.inputs[i].dims(), &Device::Cpu).unwrap();
                weigh(&inputs)
            };
            let difference = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
            assert!(
                (difference - f64::from(gradient[element])).abs() < 6e-3 * f64::from(scale),
                "{}, input {i}, element {element}: gradient {}, finite difference {difference}",
                op.name,
                gradient[element]
            );
        }
    }
}
