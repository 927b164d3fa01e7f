//! From a configured data set to its samples.

use anyhow::{Context, Result};
use data::{ImageSet, Mnist, PointSet, Source};
use ndarray::{Array2, Array4};

use crate::config::DataConfig;
use crate::failure::Fault;

/// A data set in memory.
pub enum Dataset {
    /// Images.
    Images(ImageSet),
    /// Points of the plane.
    Points(PointSet),
}

impl Dataset {
    /// Loads or draws it.
    pub fn load(config: &DataConfig) -> Result<Self> {
        Ok(match config {
            DataConfig::Mnist { path, split } => {
                Self::Images(Mnist::load(path, *split).with_context(|| {
                    Fault::failed(format!("the data set at {} cannot be used", path.display()))
                        .hint("MNIST is four files in one folder; --set data.path=FOLDER names it")
                })?)
            }
            DataConfig::Toy { name, count, seed } => Self::Points(name.sample(*count, *seed)),
        })
    }

    /// As a training loop wants it.
    pub fn source(&self) -> &dyn Source {
        match self {
            Self::Images(images) => images,
            Self::Points(points) => points,
        }
    }

    /// What its samples are called.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Images(_) => "images",
            Self::Points(_) => "points",
        }
    }

    /// The first `count` samples, `[N, C, H, W]`, or all if there are fewer.
    pub fn first(&self, count: usize) -> Result<Array4<f32>> {
        let source = self.source();
        let indices: Vec<usize> = (0..count.min(source.len())).collect();
        let mut values = Vec::new();
        source.write_samples(&indices, &mut values)?;
        let [channels, height, width] = source.sample_shape();
        let shape = (indices.len(), channels, height, width);
        Ok(Array4::from_shape_vec(shape, values).expect("a source writes samples of its shape"))
    }
}

/// Points `[N, 2]` of states `[N, 2, 1, 1]`; none if the states are something else.
pub fn points_of(states: &Array4<f32>) -> Option<Array2<f32>> {
    let (count, 2, 1, 1) = states.dim() else {
        return None;
    };
    Some(Array2::from_shape_fn((count, 2), |(i, j)| {
        states[[i, j, 0, 0]]
    }))
}
