//! `tweedie edit vary`: pictures like one.

use anyhow::Result;
use clap::Args;
use sde_core::families::VariancePreserving;
use sde_core::{AffineSde, Sigma, Time};
use solvers::editing::SdEdit;

use super::DrawArgs;
use super::session::{Session, first};
use super::subject::SubjectArgs;
use crate::failure::Fault;
use crate::pictures::{Cell, label};

/// Arguments of `edit vary`.
#[derive(Debug, Args)]
#[command(after_help = "\
The picture is noised to an intermediate time and taken down from there (SDEdit, Meng et al. 2022): a \
sketch becomes a picture, a picture another like it. Of digits a strength of 0.2 retouches strokes, 0.35 \
draws another like it, and 0.5 often another digit.

Examples:
  tweedie edit vary --sample 3 --strength 0.2
  tweedie edit vary --image sketch.png --strength 0.5 --count 16")]
pub struct VaryArgs {
    #[command(flatten)]
    pub subject: SubjectArgs,
    /// How much is made anew, above 0 to 1: the time t0 of SDEdit, where 1 leaves nothing of the picture. It
    /// means the same noise level under every process, that of the published variance-preserving one
    #[arg(
        long,
        value_name = "T0",
        default_value_t = 0.35,
        help_heading = "Picture"
    )]
    pub strength: f64,
    #[command(flatten)]
    pub draw: DrawArgs,
}

/// Varies.
pub fn run(args: &VaryArgs) -> Result<()> {
    let strength = args.strength;
    if !(strength > 0.0 && strength <= 1.0) {
        return Err(Fault::usage(format!(
            "--strength {strength}: it must be above 0, which would change nothing, and 1 at most"
        ))
        .hint("of digits 0.2 retouches strokes, 0.35 draws another like it, and 0.5 often another digit")
        .into());
    }
    let session = Session::open(&args.draw.model)?;
    let shape = session.shape();
    let subject = args.subject.read(&session.chosen, shape)?.of_size(shape)?;
    let config = session.config(&args.draw)?;
    let sde = session.sde()?;
    let edit = SdEdit {
        sigma: level(strength, sde),
    };
    let least = sde.marginal(sde.t_min_sampling()).sigma_ratio();
    if edit.sigma.0 <= least.0 {
        return Err(Fault::usage(format!(
            "--strength {strength}: its noise of {} is below where this run ends, {}",
            label(edit.sigma.0),
            label(least.0)
        ))
        .hint("take a larger one: 0.2 retouches strokes")
        .into());
    }
    let spec = session.spec(&config);
    let varied = session.edit(&args.draw, &config, |editor| {
        editor.vary(edit, spec, &subject.values)
    })?;
    let before = vec![Cell {
        caption: "original".to_owned(),
        image: first(&subject.values),
    }];
    let how = format!("strength {strength}, from noise of {}", label(edit.sigma.0));
    session.write_variants(
        &args.draw.output,
        ("vary", &subject.name, &how),
        before,
        &varied,
    )
}

/// σ/α of the published process at t = `strength`, or the most that `sde` reaches.
fn level(strength: f64, sde: &dyn AffineSde) -> Sigma {
    let published = VariancePreserving::default()
        .marginal(Time(strength))
        .sigma_ratio();
    let most = sde.marginal(sde.t_max()).sigma_ratio();
    Sigma(published.0.min(most.0))
}

#[cfg(test)]
mod tests {
    use sde_core::families::Edm;

    use super::*;

    /// SDEdit's t₀ of 0.3 to 0.6 under VP, and EDM's end, 80, where VP's is 152.
    #[test]
    fn a_strength_is_a_noise_level_whatever_the_process() {
        let edm = Edm::default();
        for (strength, expected) in [(0.3, 1.2), (0.6, 6.1), (1.0, 80.0)] {
            let Sigma(found) = level(strength, &edm);
            assert!((found - expected).abs() < 0.05, "{strength}: {found}");
        }
    }
}
