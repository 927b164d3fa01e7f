//! A convolutional variational autoencoder (Kingma & Welling 2014): images to latents and back.
//!
//! Its latents are what a diffusion in latent space learns (Vahdat, Kreis & Kautz 2021; Rombach et al.
//! 2022). The decoder says the probability of 8-bit pixels, so that the bound is one on their bits.

mod bound;
mod config;
mod likelihood;
mod plan;
mod posterior;

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

pub use self::bound::{LatentBound, bits_per_dimension};
pub use self::config::AutoencoderConfig;
pub use self::likelihood::log_discretised_logistic;
pub use self::posterior::Posterior;
use crate::block::{
    Downsample, DownsampleConfig, GroupNorm, PlainBlock, Upsample, convolve, norm_silu_convolve,
};
use crate::parallel;
use crate::profile::layer;

/// An encoder q(z | x) and a decoder P(x | z), built by [`AutoencoderConfig::init`].
///
/// The encoder's answer is a Gaussian for each latent, the decoder's the centre of a logistic
/// distribution for each pixel. Its scale s is one number for all pixels and is learned with the weights,
/// which balances the bound's two terms by itself (Rybkin, Daniilidis & Levine 2021).
#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder: Encoder,
    decoder: Decoder,
    /// ln s, `[1]`.
    log_scale: Param<Tensor<1>>,
    height: usize,
    width: usize,
}

/// The two terms of the bound, of each image in nats.
#[derive(Clone, Debug)]
pub struct Elbo {
    /// −ln P(x | z) at the draw z, `[batch]`.
    pub reconstruction: Tensor<1>,
    /// KL(q(z | x) ‖ N(0, I)), `[batch]`.
    pub kl: Tensor<1>,
}

impl Autoencoder {
    /// q(z | x).
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`, pixels in [−1, 1]
    /// - the posterior's: `[batch, latent_channels, height', width']`, see
    ///   [`AutoencoderConfig::latent_shape`]
    ///
    /// # Panics
    ///
    /// If x has another shape than the network was built for.
    pub fn encode(&self, x: Tensor<4>) -> Posterior {
        let [_, _, height, width] = x.dims();
        assert_eq!(
            [height, width],
            [self.height, self.width],
            "images of the size that the autoencoder was built for"
        );
        Posterior::from_moments(parallel::by_sample(x, |x, _| self.encoder.forward(x)))
    }

    /// The centres of P(x | z), which are also its medians: an image, but for values beyond ±1, which
    /// stand for more of black or white.
    ///
    /// # Shapes
    ///
    /// - z: `[batch, latent_channels, height', width']`
    /// - output: `[batch, channels, height, width]`
    ///
    /// # Panics
    ///
    /// If z has another shape than the latents.
    pub fn decode(&self, z: Tensor<4>) -> Tensor<4> {
        let size = [self.height, self.width];
        parallel::by_sample(z, |z, _| self.decoder.forward(z, size))
    }

    /// Both terms of the bound at z = mean + σ ε.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`, pixels in [−1, 1]
    /// - epsilon: `[batch, latent_channels, height', width']`
    ///
    /// # Panics
    ///
    /// If either has another shape than the network was built for.
    pub fn elbo(&self, x: Tensor<4>, epsilon: Tensor<4>) -> Elbo {
        let posterior = self.encode(x.clone());
        let mean = self.decode(posterior.draw(epsilon));
        Elbo {
            reconstruction: likelihood::negative_log(x, mean, self.log_scale.val()),
            kl: posterior.kl(),
        }
    }

    /// −ln P(x | z) of each image in nats, summed on the host in double precision.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`, pixels in [−1, 1]
    /// - z: `[batch, latent_channels, height', width']`
    ///
    /// # Panics
    ///
    /// If either has another shape than the network was built for.
    pub fn reconstruction(&self, x: &Tensor<4>, z: Tensor<4>) -> Vec<f64> {
        let [batch, ..] = x.dims();
        let mean = self.decode(z);
        assert_eq!(x.dims(), mean.dims(), "an image for each latent");
        let host = |x: &Tensor<4>| -> Vec<f64> { x.to_data().iter::<f64>().collect() };
        let (x, mean, log_scale) = (host(x), host(&mean), self.log_scale());
        let len = x.len().checked_div(batch).unwrap_or(0).max(1);
        (x.chunks(len).zip(mean.chunks(len)))
            .map(|(x, mean)| {
                let pixels = x.iter().zip(mean);
                -pixels
                    .map(|(&x, &mean)| log_discretised_logistic(x, mean, log_scale))
                    .sum::<f64>()
            })
            .collect()
    }

    /// ln s of the decoder.
    pub fn log_scale(&self) -> f64 {
        self.log_scale.val().into_scalar::<f64>()
    }
}

/// From images down to the moments of latents.
#[derive(Module, Debug)]
struct Encoder {
    input: Conv2d,
    down: Vec<DownLevel>,
    norm: GroupNorm,
    output: Conv2d,
}

impl Encoder {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let _span = layer!("encoder");
        let mut hidden = convolve(&self.input, x.permute([0, 2, 3, 1]));
        for level in &self.down {
            for block in &level.blocks {
                hidden = block.forward(hidden);
            }
            if let Some(down) = &level.down {
                hidden = down.forward(hidden);
            }
        }
        let moments = norm_silu_convolve(&self.norm, None, &self.output, hidden, None);
        moments.permute([0, 3, 1, 2])
    }
}

/// Blocks, and the way to half the size.
#[derive(Module, Debug)]
struct DownLevel {
    blocks: Vec<PlainBlock>,
    down: Option<Downsample>,
}

/// From latents up to the centres of pixels.
#[derive(Module, Debug)]
struct Decoder {
    input: Conv2d,
    up: Vec<UpLevel>,
    norm: GroupNorm,
    output: Conv2d,
}

impl Decoder {
    /// To images of `size`, height and width.
    fn forward(&self, z: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let _span = layer!("decoder");
        let mut sizes = vec![size];
        for _ in 1..self.up.len() {
            sizes.push(sizes[sizes.len() - 1].map(DownsampleConfig::halved));
        }
        let mut hidden = convolve(&self.input, z.permute([0, 2, 3, 1]));
        for (level, size) in self.up.iter().zip(sizes.into_iter().rev()) {
            if let Some(up) = &level.up {
                hidden = up.forward(hidden, size);
            }
            for block in &level.blocks {
                hidden = block.forward(hidden);
            }
        }
        let image = norm_silu_convolve(&self.norm, None, &self.output, hidden, None);
        image.permute([0, 3, 1, 2])
    }
}

/// The way to twice the size, and blocks.
#[derive(Module, Debug)]
struct UpLevel {
    up: Option<Upsample>,
    blocks: Vec<PlainBlock>,
}
