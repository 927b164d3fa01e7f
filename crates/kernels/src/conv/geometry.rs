//! Sizes of a convolution, and one sample laid out for it.

/// The sizes of a convolution with a square kernel of odd side, padded by half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub batch: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    pub channels_in: usize,
    pub channels_out: usize,
    /// The kernel's side.
    pub kernel: usize,
    pub stride: usize,
}

impl Geometry {
    /// Height and width of the output: the input's over the stride, rounded up.
    pub fn size_out(&self) -> [usize; 2] {
        self.size.map(|side| side.div_ceil(self.stride))
    }

    /// The same for a kernel of one pixel, to which a sample is one row of pixels; others as they are.
    pub fn in_one_row(&self) -> Self {
        let [height, width] = self.size;
        match (self.kernel, self.stride) {
            (1, 1) => Self {
                size: [1, height * width],
                ..*self
            },
            _ => *self,
        }
    }

    /// Elements of one sample of the input.
    pub fn len_in(&self) -> usize {
        self.size[0] * self.size[1] * self.channels_in
    }

    /// Elements of one sample of the output.
    pub fn len_out(&self) -> usize {
        let [height, width] = self.size_out();
        height * width * self.channels_out
    }

    /// Elements of the kernel.
    pub fn len_weight(&self) -> usize {
        self.channels_out * self.channels_in * self.kernel * self.kernel
    }
}

/// A sample in a frame of zeros, so that every window of the kernel lies in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Height and width with the zeros.
    pub framed: [usize; 2],
    pub channels: usize,
    /// Zeros above and to the left.
    pub before: usize,
    /// Height and width of the sample.
    size: [usize; 2],
}

impl Frame {
    /// The input, as the forward pass and the gradient of the kernel read it.
    pub fn of_input(geometry: &Geometry) -> Self {
        Self {
            framed: geometry.size.map(|side| side + geometry.kernel - 1),
            channels: geometry.channels_in,
            before: geometry.kernel / 2,
            size: geometry.size,
        }
    }

    /// The output's gradient, as the gradient of the input reads it: a pixel lay in the windows of as
    /// many outputs as half a kernel has strides, on either side.
    pub fn of_gradient(geometry: &Geometry) -> Self {
        let around = (geometry.kernel / 2).div_ceil(geometry.stride);
        Self {
            framed: geometry.size_out().map(|side| side + 2 * around),
            channels: geometry.channels_out,
            before: around,
            size: geometry.size_out(),
        }
    }

    /// Elements of a framed row.
    pub fn row(&self) -> usize {
        self.framed[1] * self.channels
    }

    pub fn len(&self) -> usize {
        self.framed[0] * self.row()
    }

    /// Whether the frame adds nothing, so that the sample can be read where it is.
    pub fn is_bare(&self) -> bool {
        self.framed == self.size
    }

    /// Writes samples, each into a frame of its own, into `scratch`.
    pub fn fill<'a>(&self, samples: &'a [f32], scratch: &'a mut Framed) -> &'a [f32] {
        if self.is_bare() {
            return samples;
        }
        let [height, width] = self.size;
        let len = height * width * self.channels;
        let framed = samples.len() / len * self.len();
        let values = scratch.zeros_of(*self, framed);
        for (sample, frame) in (samples.chunks_exact(len)).zip(values.chunks_exact_mut(self.len()))
        {
            self.fill_one(sample, frame);
        }
        values
    }

    fn fill_one(&self, sample: &[f32], frame: &mut [f32]) {
        let [_, width] = self.size;
        for (y, row) in sample.chunks_exact(width * self.channels).enumerate() {
            let start = (self.before + y) * self.row() + self.before * self.channels;
            frame[start..start + row.len()].copy_from_slice(row);
        }
    }
}

/// Framed samples, and memory for more of them.
///
/// What is zero stays zero from call to call, only pixels being written: it is cleared when another
/// frame comes.
#[derive(Default)]
pub(super) struct Framed {
    of: Option<Frame>,
    values: Vec<f32>,
}

impl Framed {
    /// Memory for `len` elements of frames, zero where their pixels are not.
    fn zeros_of(&mut self, frame: Frame, len: usize) -> &mut [f32] {
        if self.of != Some(frame) || self.values.len() < len {
            self.of = Some(frame);
            self.values.clear();
            self.values.resize(len, 0.0);
        }
        &mut self.values[..len]
    }
}
