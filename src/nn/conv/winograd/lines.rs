//! The transforms along one line, lane by lane. Loops stand where closures would do: those are not compiled with the
//! instruction set of the task around them.

/// Rows of a register tile at most.
pub const ROWS: usize = 8;

/// The points at which the polynomials meet: 0, A, -A, B, -B and infinity. With 1 and 2 the rounding is twice as large.
const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

/// G times a column of each kernel.
#[inline(always)]
pub fn kernel_line([first, second, third]: [&[f64; ROWS]; 3], out: &mut [[f64; ROWS]; 6]) {
    const A1: f64 = A as f64;
    const B1: f64 = B as f64;
    const A2: f64 = A1 * A1;
    const B2: f64 = B1 * B1;
    const NEAR: f64 = 1.0 / (2.0 * A2 * (A2 - B2));
    const FAR: f64 = 1.0 / (2.0 * B2 * (B2 - A2));
    for l in 0..ROWS {
        let (near, far) = (first[l] + A2 * third[l], first[l] + B2 * third[l]);
        out[0][l] = first[l] * (1.0 / (A2 * B2));
        out[1][l] = (near + A1 * second[l]) * NEAR;
        out[2][l] = (near - A1 * second[l]) * NEAR;
        out[3][l] = (far + B1 * second[l]) * FAR;
        out[4][l] = (far - B1 * second[l]) * FAR;
        out[5][l] = third[l];
    }
}

/// B' times six numbers, lane by lane.
#[inline(always)]
pub fn turn_in<const LANES: usize>(d: [&[f32; LANES]; 6], out: &mut [[f32; LANES]; 6]) {
    for l in 0..LANES {
        let (near, near_odd) = (d[4][l] - B2 * d[2][l], A * (d[3][l] - B2 * d[1][l]));
        let (far, far_odd) = (d[4][l] - A2 * d[2][l], B * (d[3][l] - A2 * d[1][l]));
        out[0][l] = (A2 * B2) * d[0][l] - (A2 + B2) * d[2][l] + d[4][l];
        out[1][l] = near + near_odd;
        out[2][l] = near - near_odd;
        out[3][l] = far + far_odd;
        out[4][l] = far - far_odd;
        out[5][l] = (A2 * B2) * d[1][l] - (A2 + B2) * d[3][l] + d[5][l];
    }
}

/// A' times six numbers, lane by lane.
#[inline(always)]
pub fn turn_out<const LANES: usize>(m: [&[f32; LANES]; 6], out: &mut [[f32; LANES]; 4]) {
    for l in 0..LANES {
        let (near, near_odd) = (m[1][l] + m[2][l], A * (m[1][l] - m[2][l]));
        let (far, far_odd) = (m[3][l] + m[4][l], B * (m[3][l] - m[4][l]));
        out[0][l] = m[0][l] + near + far;
        out[1][l] = near_odd + far_odd;
        out[2][l] = A2 * near + B2 * far;
        out[3][l] = A2 * near_odd + B2 * far_odd + m[5][l];
    }
}

/// A times four numbers, lane by lane.
#[inline(always)]
pub fn slope_in<const LANES: usize>(d: [&[f32; LANES]; 4], out: &mut [[f32; LANES]; 6]) {
    for l in 0..LANES {
        let (near, near_odd) = (d[0][l] + A2 * d[2][l], A * (d[1][l] + A2 * d[3][l]));
        let (far, far_odd) = (d[0][l] + B2 * d[2][l], B * (d[1][l] + B2 * d[3][l]));
        out[0][l] = d[0][l];
        out[1][l] = near + near_odd;
        out[2][l] = near - near_odd;
        out[3][l] = far + far_odd;
        out[4][l] = far - far_odd;
        out[5][l] = d[3][l];
    }
}

/// G' times six numbers, lane by lane.
#[inline(always)]
pub fn slope_out<const LANES: usize>(m: [&[f32; LANES]; 6], out: &mut [[f32; LANES]; 3]) {
    const NEAR: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
    const FAR: f32 = 1.0 / (2.0 * B2 * (B2 - A2));
    for l in 0..LANES {
        let (near, near_odd) = (NEAR * (m[1][l] + m[2][l]), (A * NEAR) * (m[1][l] - m[2][l]));
        let (far, far_odd) = (FAR * (m[3][l] + m[4][l]), (B * FAR) * (m[3][l] - m[4][l]));
        out[0][l] = (1.0 / (A2 * B2)) * m[0][l] + near + far;
        out[1][l] = near_odd + far_odd;
        out[2][l] = A2 * near + B2 * far + m[5][l];
    }
}
