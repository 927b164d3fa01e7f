//! A network by its configuration: which kind, and how large.

mod error;
mod signature;
mod weights;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

pub use self::error::ConfigError;
pub(crate) use self::error::{MOST, MOST_LEVELS, at_most, nonempty, positive};
pub use self::signature::Signature;
pub use self::weights::Weights;
use crate::autoencoder::{Autoencoder, AutoencoderConfig};
use crate::dit::{DiT, DiTConfig};
use crate::mlp::{Mlp, MlpConfig};
use crate::unet::{NoisyClassifier, NoisyClassifierConfig, UNet, UNetConfig};

/// Configuration of a [`Network`], as it stands in an experiment file and beside the weights.
///
/// `kind` says which network, the other fields are that network's:
///
/// ```
/// # use score_net::{NetworkConfig, UNetConfig};
/// let text = "
///     kind = 'unet'
///     patch = 2
///     channels = 32
/// ";
/// let config: NetworkConfig = toml::from_str(text).unwrap();
/// assert_eq!(
///     config,
///     NetworkConfig::UNet(UNetConfig { patch: 2, channels: 32, ..UNetConfig::default() })
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum NetworkConfig {
    /// A U-Net, for images.
    #[serde(rename = "unet")]
    UNet(UNetConfig),
    /// A diffusion transformer, for images.
    #[serde(rename = "dit")]
    DiT(DiTConfig),
    /// An MLP, for points.
    #[serde(rename = "mlp")]
    Mlp(MlpConfig),
    /// A classifier of noised images.
    #[serde(rename = "classifier")]
    Classifier(NoisyClassifierConfig),
    /// A variational autoencoder of images: no score, but a space for one.
    #[serde(rename = "autoencoder")]
    Autoencoder(AutoencoderConfig),
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self::UNet(UNetConfig::default())
    }
}

impl NetworkConfig {
    /// Checks what can be checked without knowing the data.
    ///
    /// # Errors
    ///
    /// Names the field at fault.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::UNet(config) => config.validate(),
            Self::DiT(config) => config.validate(),
            Self::Mlp(config) => config.validate(),
            Self::Classifier(config) => config.validate(),
            Self::Autoencoder(config) => config.validate(),
        }
    }

    /// Whether it is an autoencoder or a classifier, and so none that a score can be made of.
    #[must_use]
    pub fn has_no_score(&self) -> bool {
        matches!(self, Self::Classifier(_) | Self::Autoencoder(_))
    }

    /// Builds the network for data of a shape, channels × height × width, or of another [`Signature`], its
    /// weights drawn from `seed`: the same ones on every device.
    ///
    /// A new network's output is exactly zero.
    ///
    /// # Errors
    ///
    /// Names the field that is at fault, or that does not go with the data's shape.
    pub fn init(
        &self,
        signature: impl Into<Signature>,
        seed: u64,
        device: &Device,
    ) -> Result<Network, ConfigError> {
        let signature = signature.into();
        match self {
            Self::UNet(config) => Ok(Network::UNet(config.init(signature, seed, device)?)),
            Self::DiT(config) => Ok(Network::DiT(config.init(signature, seed, device)?)),
            Self::Mlp(config) => Ok(Network::Mlp(config.init_for(signature, seed, device)?)),
            Self::Classifier(config) => {
                Ok(Network::Classifier(config.init(signature, seed, device)?))
            }
            Self::Autoencoder(config) => {
                let shape = signature.shape;
                Ok(Network::Autoencoder(config.init(shape, seed, device)?))
            }
        }
    }

    /// Number of trainable parameters for data of a shape, channels × height × width, or of another
    /// [`Signature`].
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn parameter_count(&self, signature: impl Into<Signature>) -> Result<usize, ConfigError> {
        let signature = signature.into();
        match self {
            Self::UNet(config) => config.parameter_count(signature),
            Self::DiT(config) => config.parameter_count(signature),
            Self::Mlp(config) => config.parameter_count_for(signature),
            Self::Classifier(config) => config.parameter_count(signature),
            Self::Autoencoder(config) => config.parameter_count(signature.shape),
        }
    }

    /// One paragraph for a reader: kind, levels, sizes and number of parameters, for data of a shape,
    /// channels × height × width, or of another [`Signature`].
    ///
    /// # Errors
    ///
    /// As [`init`](Self::init).
    pub fn describe(&self, signature: impl Into<Signature>) -> Result<String, ConfigError> {
        let signature = signature.into();
        let parameters = self.parameter_count(signature)?;
        let shape = signature.shape;
        let body = match self {
            Self::UNet(config) => config.describe(shape)?,
            Self::Autoencoder(config) => config.describe(shape)?,
            Self::DiT(config) => config.describe(shape)?,
            Self::Mlp(config) => format!(
                "MLP for points of {} coordinates: {} residual blocks of width {}, {} time \
                 embedding of {} features",
                shape.iter().product::<usize>(),
                config.blocks,
                config.width,
                format!("{:?}", config.time_embedding).to_lowercase(),
                config.embedding,
            ),
            Self::Classifier(config) => config.describe(shape)?,
        };
        let answer = match self {
            Self::Classifier(_) => format!(", tells {} classes apart", signature.classes),
            _ => signature.described(),
        };
        Ok(format!("{body}{answer}; {parameters} parameters"))
    }
}

/// A network of any kind: of `F(x, c_noise)`, the classifier that may guide one, or an autoencoder.
///
/// It is raw: what its output means, and how its input is scaled, is the preconditioning's affair.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one network per process"
)]
pub enum Network {
    /// A U-Net.
    UNet(UNet),
    /// A diffusion transformer.
    DiT(DiT),
    /// An MLP; images are flattened for it.
    Mlp(Mlp),
    /// A classifier, which answers with logits.
    Classifier(NoisyClassifier),
    /// An autoencoder, which has no [`forward`](Network::forward).
    Autoencoder(Autoencoder),
}

impl Network {
    /// Applies the network, every sample of no class.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, channels, height, width]`; output: the same with the signature's `channels_out`, of a
    ///   classifier its logits, `[batch, classes, 1, 1]`
    /// - c_noise: `[batch]`, ¼·ln(σ/α)
    ///
    /// # Panics
    ///
    /// If the shape is not the one the network was built for, or this is an
    /// [autoencoder](Self::as_autoencoder), which is no function of x and a noise level.
    pub fn forward(&self, x: Tensor<4>, c_noise: Tensor<1>) -> Tensor<4> {
        self.forward_given(x, c_noise, None)
    }

    /// Applies the network, every sample of a class of its own.
    ///
    /// # Shapes
    ///
    /// - x, c_noise, output: as of [`forward`](Self::forward)
    /// - classes: `[batch]`, indices below the signature's `classes`, or that number itself for a sample of no
    ///   class; None for all of them
    ///
    /// # Panics
    ///
    /// If the shape is not the one the network was built for, or classes are given to a network without any.
    pub fn forward_given(
        &self,
        x: Tensor<4>,
        c_noise: Tensor<1>,
        classes: Option<Tensor<1, Int>>,
    ) -> Tensor<4> {
        match self {
            Self::UNet(unet) => unet.forward(x, c_noise, classes),
            Self::DiT(dit) => dit.forward(x, c_noise, classes),
            Self::Mlp(mlp) => {
                let [batch, _, height, width] = x.dims();
                let output = mlp.forward(x.flatten(1, 3), c_noise, classes);
                let [_, features] = output.dims();
                output.reshape([batch, features / (height * width), height, width])
            }
            Self::Classifier(classifier) => {
                assert!(classes.is_none(), "a classifier is told no class");
                let logits = classifier.forward(x, c_noise);
                let [batch, classes] = logits.dims();
                logits.reshape([batch, classes, 1, 1])
            }
            Self::Autoencoder(_) => {
                panic!("an autoencoder has no score: encode and decode with it")
            }
        }
    }

    /// The autoencoder, if it is one.
    pub fn as_autoencoder(&self) -> Option<&Autoencoder> {
        match self {
            Self::Autoencoder(autoencoder) => Some(autoencoder),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_survive_toml_and_json() {
        let configs = [
            NetworkConfig::default(),
            NetworkConfig::DiT(DiTConfig::default()),
            NetworkConfig::Mlp(MlpConfig::default()),
            NetworkConfig::Autoencoder(AutoencoderConfig::default()),
        ];
        for config in configs {
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<NetworkConfig>(&text).unwrap(), config);
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(
                serde_json::from_str::<NetworkConfig>(&text).unwrap(),
                config
            );
        }
    }

    #[test]
    fn an_unknown_field_or_kind_is_refused() {
        let parse = |text| {
            toml::from_str::<NetworkConfig>(text)
                .unwrap_err()
                .to_string()
        };
        assert!(parse("kind = 'unet'\nchanels = 3").contains("chanels"));
        assert!(parse("kind = 'transformer'").contains("transformer"));
        assert!(parse("channels = 3").contains("kind"));
    }

    #[test]
    fn data_without_extent_are_refused() {
        for config in [
            NetworkConfig::default(),
            NetworkConfig::DiT(DiTConfig::default()),
            NetworkConfig::Mlp(MlpConfig::default()),
        ] {
            let error = config.init([1, 0, 4], 0, &Device::flex()).unwrap_err();
            assert_eq!(
                error,
                ConfigError::EmptyData {
                    channels: 1,
                    height: 0,
                    width: 4
                }
            );
        }
    }

    #[test]
    fn descriptions_say_levels_and_parameters() {
        let config = NetworkConfig::UNet(UNetConfig {
            patch: 2,
            channels: 32,
            multipliers: vec![1, 2],
            ..UNetConfig::default()
        });
        let text = config.describe([1, 28, 28]).unwrap();
        let parameters = config.parameter_count([1, 28, 28]).unwrap();
        for part in ["1x28x28", "32 channels at 14x14", "64 channels at 7x7"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.contains(&format!("{parameters} parameters")), "{text}");
    }
}
