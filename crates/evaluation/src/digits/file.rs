//! Judges in safetensors files, so that one is trained once and read ever after.

use std::path::Path;

use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::Device;

use super::judge::DigitJudge;
use super::network::Network;
use super::training::JudgeOptions;
use crate::EvaluationError;

/// The version of what a judge is: raised when the network, the non-digits or the training change,
/// so that no figure is taken with a judge of another kind than its documentation speaks of.
const VERSION: &str = "1";

/// Keys of the file's metadata.
const VERSION_KEY: &str = "tweedie.digit_judge";
const OPTIONS_KEY: &str = "tweedie.digit_judge.options";

impl DigitJudge {
    /// Writes the judge to `path` as safetensors, with its options as metadata. What was there is
    /// replaced only once the new file is whole.
    ///
    /// # Errors
    /// [`EvaluationError::Unwritable`].
    pub fn save(&self, path: &Path) -> Result<(), EvaluationError> {
        let unwritable = |fault: String| EvaluationError::Unwritable {
            path: path.to_owned(),
            fault,
        };
        let options =
            serde_json::to_string(&self.options).map_err(|e| unwritable(e.to_string()))?;
        let mut store = SafetensorsStore::from_file(path)
            .overwrite(true)
            .metadata(VERSION_KEY, VERSION)
            .metadata(OPTIONS_KEY, options);
        self.network
            .save_into(&mut store)
            .map_err(|e| unwritable(e.to_string()))
    }

    /// Reads a judge that [`save`](Self::save) wrote, onto any device.
    ///
    /// # Errors
    /// [`EvaluationError::Unreadable`], or [`EvaluationError::NotAJudge`] for another, damaged or
    /// outdated file.
    pub fn load(path: &Path, device: &Device) -> Result<Self, EvaluationError> {
        let bytes = std::fs::read(path).map_err(|source| EvaluationError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let not_a_judge = |fault: String| EvaluationError::NotAJudge {
            path: path.to_owned(),
            fault,
        };
        let options = options(&bytes).map_err(not_a_judge)?;
        let device = device.clone().without_autodiff();
        let mut network = Network::new(options.seed, &device);
        network
            .load_from(&mut SafetensorsStore::from_bytes(Some(bytes)))
            .map_err(|e| not_a_judge(e.to_string()))?;
        Ok(Self {
            network,
            device,
            options,
        })
    }
}

/// The options in the header: eight bytes of its length, then JSON.
fn options(bytes: &[u8]) -> Result<JudgeOptions, String> {
    let no_header = || "it has no safetensors header".to_owned();
    let (length, rest) = bytes.split_first_chunk().ok_or_else(no_header)?;
    let header = usize::try_from(u64::from_le_bytes(*length))
        .ok()
        .and_then(|length| rest.get(..length))
        .ok_or_else(no_header)?;
    let header: serde_json::Value = serde_json::from_slice(header).map_err(|_| no_header())?;
    let entry = |key| header["__metadata__"][key].as_str();
    match entry(VERSION_KEY) {
        Some(VERSION) => {}
        Some(other) => return Err(format!("its version is {other}, and {VERSION} is read")),
        None => return Err(format!("its metadata have no {VERSION_KEY}")),
    }
    let options = entry(OPTIONS_KEY).ok_or(format!("its metadata have no {OPTIONS_KEY}"))?;
    serde_json::from_str(options).map_err(|error| format!("its options cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(seed: u64) -> DigitJudge {
        let device = Device::flex();
        DigitJudge {
            network: Network::new(seed, &device),
            device,
            options: JudgeOptions {
                seed,
                steps: 7,
                ..JudgeOptions::default()
            },
        }
    }

    fn some_pictures() -> Vec<f32> {
        (0..5 * 784)
            .map(|i| ((i * i) % 201) as f32 / 100.0 - 1.0)
            .collect()
    }

    #[test]
    fn a_judge_read_back_gives_the_same_verdicts_features_and_options() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("judge.safetensors");
        let pictures = some_pictures();
        judge(1).save(&path).unwrap();
        // The second replaces the first.
        let saved = judge(2);
        saved.save(&path).unwrap();
        let read = DigitJudge::load(&path, &Device::flex()).unwrap();
        assert_eq!(read.options(), saved.options());
        assert_eq!(
            read.classify(&pictures, 5).unwrap(),
            saved.classify(&pictures, 5).unwrap()
        );
        let features = read.features(&pictures, 5).unwrap();
        assert_eq!(features, saved.features(&pictures, 5).unwrap());
        assert_ne!(features, judge(1).features(&pictures, 5).unwrap());
    }

    #[test]
    fn a_missing_file_is_unreadable_and_a_missing_folder_unwritable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("judge.safetensors");
        assert!(matches!(
            DigitJudge::load(&path, &Device::flex()),
            Err(EvaluationError::Unreadable { .. })
        ));
        assert!(matches!(
            judge(0).save(&path),
            Err(EvaluationError::Unwritable { .. })
        ));
    }

    #[test]
    fn what_is_no_judge_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("judge.safetensors");
        judge(3).save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let fault = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            match DigitJudge::load(&path, &Device::flex()) {
                Err(EvaluationError::NotAJudge { fault, .. }) => fault,
                other => panic!("{other:?}"),
            }
        };
        let edited = |from: &str, to: &str| {
            assert_eq!(from.len(), to.len());
            let mut bytes = whole.clone();
            let at = bytes
                .windows(from.len())
                .position(|w| w == from.as_bytes())
                .unwrap();
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            bytes
        };
        assert!(fault(b"").contains("header"));
        assert!(fault(b"not safetensors at all").contains("header"));
        assert!(fault(&whole[..40]).contains("header"));
        assert!(
            fault(&edited(
                "tweedie.digit_judge\":\"1",
                "tweedie.digit_judge\":\"0"
            ))
            .contains("version is 0")
        );
        assert!(fault(&edited("learning_rate", "learning_fate")).contains("learning_fate"));
        // The header is whole, and values are missing at the end.
        assert!(!fault(&whole[..whole.len() - 4]).is_empty());
        assert!(
            fault(&edited("penultimate.weight", "penultimate.wright"))
                .contains("penultimate.weight")
        );
        // And untouched it is a judge.
        std::fs::write(&path, &whole).unwrap();
        DigitJudge::load(&path, &Device::flex()).unwrap();
    }
}
