//! Matrix products, a safe face of the kernels of the `gemm` crate, and loops compiled for the processor at hand.

use gemm_common::Parallelism;

/// A matrix over a slice, row by row, or the transpose of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// The matrix `[rows, columns]` whose rows follow one another in `data`.
    ///
    /// # Panics
    /// Where `data` holds another number of elements.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(rows.checked_mul(columns), Some(data.len()), "a matrix of {rows} by {columns}");
        Self { data, rows, columns, transposed: false }
    }

    /// The same elements with rows and columns exchanged; nothing moves in memory.
    pub(crate) const fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, transposed: !self.transposed, ..self }
    }

    /// The distances in memory between neighbouring rows and between neighbouring columns.
    const fn strides(&self) -> (usize, usize) {
        if self.transposed { (1, self.rows) } else { (self.columns, 1) }
    }
}

/// Writes the product `a b` to `dst`, `[a.rows, b.columns]`; what `dst` held is not read.
///
/// # Panics
/// Where the shapes do not fit.
pub(crate) fn multiply(dst: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    product(dst, a, b, false);
}

/// Adds the product `a b` to `dst`, `[a.rows, b.columns]`.
///
/// # Panics
/// Where the shapes do not fit.
pub(crate) fn multiply_add(dst: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    product(dst, a, b, true);
}

#[expect(unsafe_code, reason = "`gemm` takes raw pointers; the shapes are checked here")]
fn product(dst: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    assert_eq!(a.columns, b.rows, "the inner sizes of a product");
    assert_eq!(a.rows.checked_mul(b.columns), Some(dst.len()), "a product of {} by {}", a.rows, b.columns);
    // No stride is larger than the length of a slice of `f32`, which is below `isize::MAX`.
    let stride = |stride: usize| isize::try_from(stride).expect("a stride within a slice");
    // The kernel writes along columns, and `dst` stands row by row: what it computes is the transpose, `bᵀ aᵀ`. A single
    // column stands the same either way.
    let dst_column = stride(b.columns);
    let (a, b) = if b.columns > 1 { (b.transposed(), a.transposed()) } else { (a, b) };
    let ((a_row, a_column), (b_row, b_column)) = (a.strides(), b.strides());
    // SAFETY: `Matrix::new` has checked that `data.len() == rows * columns`, and `strides` are those of a dense matrix of
    // that size, so that each index `r * row + c * column` with `r < rows`, `c < columns` is within `data`; `dst` is a
    // dense matrix `[a.rows, b.columns]` or its transpose by the assertion, borrowed mutably and so apart from both.
    unsafe {
        gemm_f32::gemm::f32::get_gemm_fn()(
            a.rows,
            b.columns,
            a.columns,
            dst.as_mut_ptr(),
            dst_column,
            1,
            add,
            a.data.as_ptr(),
            stride(a_column),
            stride(a_row),
            b.data.as_ptr(),
            stride(b_column),
            stride(b_row),
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Writes the transpose of `src`, `[rows, columns]`, to `dst`, `[columns, rows]`.
pub(crate) fn transpose(dst: &mut [f32], src: &[f32], columns: usize) {
    assert_eq!(dst.len(), src.len(), "a transpose has as many elements");
    let rows = src.len() / columns;
    for (column, dst) in dst.chunks_exact_mut(rows).enumerate() {
        for (value, row) in dst.iter_mut().zip(src.chunks_exact(columns)) {
            *value = row[column];
        }
    }
}

/// A loop to be compiled for each width of vectors; its `call` is `#[inline(always)]`, and so is all that it calls.
pub(crate) use pulp::NullaryFnOnce as Kernel;

/// Runs a loop in the version for the widest vectors of the processor.
///
/// Additions and multiplications are not fused and not reordered, so that the result is the same for every width.
pub(crate) fn vectorised(kernel: impl Kernel<Output = ()>) {
    pulp::Arch::new().dispatch(kernel);
}

/// Adds `values` to `sums`, one by one.
pub(crate) fn add(sums: &mut [f32], values: &[f32]) {
    vectorised(Add { sums, values });
}

struct Add<'a> {
    sums: &'a mut [f32],
    values: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (sum, value) in self.sums.iter_mut().zip(self.values) {
            *sum += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A product by the definition, in `f64`.
    fn by_definition(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<f64> {
        let element = |row: &Vec<f64>, column: usize| row.iter().zip(b).map(|(x, other)| x * other[column]).sum();
        a.iter().flat_map(|row| (0..b[0].len()).map(move |column| element(row, column))).collect()
    }

    fn numbers(len: usize, start: f64) -> Vec<f32> {
        (0..len).map(|k| (start + k as f64).sin() as f32).collect()
    }

    fn rows(matrix: Matrix<'_>) -> Vec<Vec<f64>> {
        let (row, column) = matrix.strides();
        let element = |r: usize, c: usize| f64::from(matrix.data[r * row + c * column]);
        (0..matrix.rows).map(|r| (0..matrix.columns).map(|c| element(r, c)).collect()).collect()
    }

    #[test]
    fn a_product_is_the_sum_of_products_whatever_its_shape_and_orientation() {
        for [m, k, n] in
            [[1, 1, 1], [2, 3, 2], [32, 1, 40], [5, 2, 7], [33, 64, 17], [2, 600, 1], [1, 9, 31], [64, 48, 192]]
        {
            for orientation in 0..4 {
                let (a, b) = (numbers(m * k, 1.0), numbers(k * n, 2.0));
                let a = if orientation % 2 == 0 { Matrix::new(&a, m, k) } else { Matrix::new(&a, k, m).transposed() };
                let b = if orientation < 2 { Matrix::new(&b, k, n) } else { Matrix::new(&b, n, k).transposed() };
                let want = by_definition(&rows(a), &rows(b));
                let mut got = vec![f32::NAN; m * n];
                multiply(&mut got, a, b);
                let mut added = vec![1.0; m * n];
                multiply_add(&mut added, a, b);
                for ((got, added), want) in got.iter().zip(&added).zip(&want) {
                    assert!((f64::from(*got) - want).abs() < 2e-5, "{m} {k} {n}: {got} and {want}");
                    assert!((f64::from(*added) - want - 1.0).abs() < 2e-5, "{m} {k} {n}: {added} and 1 + {want}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "the inner sizes of a product")]
    fn a_product_of_sizes_that_do_not_fit_is_refused() {
        multiply(&mut [0.0; 4], Matrix::new(&[0.0; 4], 2, 2), Matrix::new(&[0.0; 6], 3, 2));
    }

    #[test]
    fn a_transpose_exchanges_rows_and_columns() {
        let mut got = [0.0; 6];
        transpose(&mut got, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3);
        assert_eq!(got.map(f32::to_bits), [1.0_f32, 4.0, 2.0, 5.0, 3.0, 6.0].map(f32::to_bits));
    }
}
