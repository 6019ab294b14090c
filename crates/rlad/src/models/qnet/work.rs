//! The buffers of a gradient step.

/// The buffers of a step, which grow in the first one and stay.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) chunks: Vec<Chunk>,
    pub(super) gradient: Vec<f32>,
}

#[cfg(test)]
impl Work {
    pub(super) fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// Where the buffers are.
    pub(super) fn buffers(&self) -> Vec<*const f32> {
        let chunks = self.chunks.iter().flat_map(|chunk| {
            [&chunk.inputs, &chunk.gates, &chunk.cells, &chunk.hidden, &chunk.kept, &chunk.head_inputs, &chunk.gradient]
        });
        chunks.chain([&self.gradient]).map(|buffer| buffer.as_ptr()).collect()
    }
}

/// A part of the batch on its way through the network and back. Blocks are time-major.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// `[n_steps, n, n_features]`
    pub(super) inputs: Vec<f32>,
    /// `[n_steps, n, 4 n_units]`: sums, then values, then derivatives.
    pub(super) gates: Vec<f32>,
    /// `[1 + n_steps, n, n_units]`, the first block 0.
    pub(super) cells: Vec<f32>,
    pub(super) hidden: Vec<f32>,
    /// `[n, n_units]`
    pub(super) d_cells: Vec<f32>,
    pub(super) d_hidden: Vec<f32>,
    /// `[n, n_head_inputs]`: the factor of dropout, 0 or `1 / (1 − dropout)`.
    pub(super) kept: Vec<f32>,
    pub(super) head_inputs: Vec<f32>,
    pub(super) d_head_inputs: Vec<f32>,
    /// `[n, head_units]`
    pub(super) head_hidden: Vec<f32>,
    pub(super) d_head_hidden: Vec<f32>,
    /// `[n, 2]`
    pub(super) q: Vec<f32>,
    pub(super) gradient: Vec<f32>,
    /// The sum of weight times squared error.
    pub(super) loss: f64,
}
