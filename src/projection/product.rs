//! Matrix products on slices: the one place where projections call the `gemm` crate, behind checked sizes.

/// A row-major or transposed view of numbers: element (i, j) is `data[i * rows_apart + j * columns_apart]`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    rows_apart: usize,
    columns_apart: usize,
}

impl<'a> View<'a> {
    /// `data` as `[data.len() / columns, columns]`.
    pub fn rows(data: &'a [f32], columns: usize) -> Self {
        let rows = data.len().checked_div(columns).unwrap_or(0);
        Self { data, rows, columns, rows_apart: columns, columns_apart: 1 }
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            rows_apart: self.columns_apart,
            columns_apart: self.rows_apart,
            ..self
        }
    }
}

/// `out = a b`, `[a.rows, b.columns]` row-major, on the calling thread: the same bits whatever else runs.
pub(super) fn multiply(a: View, b: View, out: &mut [f32]) {
    assert_eq!(a.columns, b.rows);
    assert_eq!(out.len(), a.rows * b.columns);
    if a.columns == 0 {
        out.fill(0.0);
        return;
    }
    for view in [&a, &b] {
        assert!(view.data.len() >= view.rows * view.columns);
    }
    // SAFETY: a view covers rows * columns numbers of its slice, in either order (asserted above; the strides are only
    // ever set by `rows` and `transposed`), and `out` has its full size and is not aliased.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            b.columns as isize,
            false,
            a.data.as_ptr(),
            a.columns_apart as isize,
            a.rows_apart as isize,
            b.data.as_ptr(),
            b.columns_apart as isize,
            b.rows_apart as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_plain_and_transposed_views() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2 x 3
        let b = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]; // 3 x 2
        let mut out = [f32::NAN; 4];
        multiply(View::rows(&a, 3), View::rows(&b, 2), &mut out);
        assert_eq!(out, [4.0, 5.0, 10.0, 11.0]);
        let mut out = [f32::NAN; 9];
        multiply(View::rows(&a, 3).transposed(), View::rows(&b, 2).transposed(), &mut out);
        assert_eq!(out, [1.0, 4.0, 5.0, 2.0, 5.0, 7.0, 3.0, 6.0, 9.0]);
    }
}
