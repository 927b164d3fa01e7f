//! The bound of a run in latents: reconstruction and prior, in bits per dimension of the images.
//!
//! ```text
//! −ln P(x) ≤ E_q[−ln P(x | z)] + E_q[ln q(z | x) − ln p(z)]
//! ```
//!
//! (Vahdat, Kreis & Kautz 2021, eq. 2.) ln p(z) is the prior's flow's, of the latents as it knows them, and
//! ln |∂ standardised/∂ z| beside it.

use std::time::Instant;

use anyhow::{Result, anyhow};
use ndarray::{Axis, Slice};
use runtime::Selected;
use score_net::{LatentBound, bits_per_dimension};
use sde_core::noise::CounterNoise;
use serde_json::json;
use solvers::likelihood::{Likelihood, LikelihoodReport};

use super::{LikelihoodArgs, Subject, write};
use crate::latents::LatentSpace;
use crate::reconstructions::{draw, mean_and_error};
use crate::runs::Chosen;
use crate::sampling::{default_batch, to_tensor};
use crate::terminal::{Progress, say};

/// Evaluates the bound, prints its terms and writes them as JSON.
pub fn run(
    args: &LikelihoodArgs,
    chosen: &Chosen,
    subject: &Subject,
    latents: &LatentSpace,
    likelihood: &Likelihood,
    selected: &Selected,
) -> Result<()> {
    let started = Instant::now();
    let manifest = chosen.checkpoint.manifest();
    let process = manifest.sde.build()?;
    let sde = process.affine()?;
    let model = chosen.checkpoint.model(&selected.device)?;
    let score = model.under(sde);
    let autoencoder = latents.coder().autoencoder();

    let count = subject.values.len_of(Axis(0));
    let dim = subject.values.len() / count.max(1);
    let batch = args
        .batch
        .unwrap_or_else(|| default_batch(latents.coder().image));
    let mut bar = Progress::new("likelihood", count as u64, 0);
    let (mut bounds, mut reports, mut evaluations) = (Vec::new(), Vec::new(), 0);
    for first in (0..count).step_by(batch) {
        let rows = Slice::from(first..(first + batch).min(count));
        // Levels 0 to 255.
        let images = subject
            .values
            .slice_axis(Axis(0), rows)
            .mapv(|level| level / 127.5 - 1.0);
        let x = to_tensor(&images, &selected.device);
        let mut of_images = vec![Vec::new(); images.len_of(Axis(0))];
        for number in 0..args.draws as u64 {
            let drawn = draw(autoencoder, x.clone(), (args.seed, first as u64, number));
            // Each draw has probes of its own.
            let probes = args.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let noise = CounterNoise::new(probes);
            let noise = noise.starting_at(first as u64);
            let z = latents.standardised(drawn.z.clone(), &selected.device)?;
            let report = likelihood.evaluate(sde, &score, &z, noise)?;
            let kl: Vec<f64> = drawn.posterior.kl().into_data().iter::<f64>().collect();
            let reconstruction = autoencoder.reconstruction(&x, drawn.z);
            let log_posterior = drawn.posterior.log_densities(&drawn.epsilon);
            for (image, terms) in of_images.iter_mut().enumerate() {
                terms.push(LatentBound {
                    reconstruction: reconstruction[image],
                    log_posterior: log_posterior[image],
                    log_prior: latents.log_density(report.nats_per_point[image]),
                    standard_kl: kl[image],
                });
            }
            evaluations = report.evaluations.max(evaluations);
            // Of several draws the first stands for the images: they are not further data.
            if number == 0 {
                reports.push(report);
            }
        }
        bounds.extend(of_images);
        bar.advance((first + batch).min(count) as u64);
        bar.tell(&figure(terms(&bounds, dim).total));
    }
    drop(bar);
    let report = LikelihoodReport::combined(&reports).ok_or_else(|| anyhow!("no data"))?;
    let terms = terms(&bounds, dim);
    let seconds = started.elapsed().as_secs_f64();
    say(format!(
        "{}: {}, step {}, {seconds:.0} s on {selected}\n",
        (chosen.run.as_ref()).map_or("checkpoint", |run| &run.config.name),
        subject.what,
        manifest.step
    ));
    say(table(&terms, &report, args, evaluations));
    let value = |(value, error): (f64, f64)| json!({ "value": value, "standard_error": error });
    let record = json!({
        "step": manifest.step,
        "data": subject.what,
        "tolerance": args.tolerance,
        "seed": args.seed,
        "sigma_min": args.sigma_min.unwrap_or(super::SIGMA_MIN),
        "data_end": format!("{:?}", args.data_end).to_lowercase(),
        "evaluations": evaluations,
        "draws": args.draws,
        "seconds": seconds,
        "unit": "bits per dimension",
        "bound": {
            "total": value(terms.total),
            "reconstruction": value(terms.reconstruction),
            "prior": value(terms.prior),
        },
        "standard_normal_prior": {
            "total": value(terms.standard_total),
            "kl": value(terms.standard_kl),
        },
        "log_density_of_standardised_latents": report,
    });
    write(args, chosen, subject, &record)
}

/// Means over the images in bits per dimension, each with its standard error.
struct Terms {
    total: (f64, f64),
    reconstruction: (f64, f64),
    prior: (f64, f64),
    standard_total: (f64, f64),
    standard_kl: (f64, f64),
}

/// Of every image's draws.
fn terms(bounds: &[Vec<LatentBound>], dim: usize) -> Terms {
    let mean = |value: &dyn Fn(&LatentBound) -> f64| {
        let of_image = |draws: &Vec<LatentBound>| {
            let nats = draws.iter().map(value).sum::<f64>() / draws.len() as f64;
            bits_per_dimension(nats, dim)
        };
        mean_and_error(&bounds.iter().map(of_image).collect::<Vec<_>>())
    };
    Terms {
        total: mean(&LatentBound::total),
        reconstruction: mean(&|bound| bound.reconstruction),
        prior: mean(&LatentBound::prior),
        standard_total: mean(&LatentBound::standard_total),
        standard_kl: mean(&|bound| bound.standard_kl),
    }
}

fn figure((mean, error): (f64, f64)) -> String {
    format!("{mean:.4} ± {error:.4}")
}

fn table(
    terms: &Terms,
    report: &LikelihoodReport,
    args: &LikelihoodArgs,
    evaluations: usize,
) -> String {
    let row = |name: &str, value: String| format!("{name:38}{value}");
    let solver = report.budget.solver.map_or_else(
        || "not measured (--no-check)".to_owned(),
        |error| {
            format!(
                "{:.4} nats in the mean, {:.4} at most for one",
                error.shift, error.largest
            )
        },
    );
    [
        row("bits per dimension, at most", figure(terms.total)),
        row("  reconstruction, −log₂ P(x | z)", figure(terms.reconstruction)),
        row("  prior, log₂ q(z | x) − log₂ p(z)", figure(terms.prior)),
        row("with a standard normal prior, at most", figure(terms.standard_total)),
        row("  its KL", figure(terms.standard_kl)),
        String::new(),
        row("the solver's error", solver),
        format!(
            "Tolerance {}, {} draws of z an image, {} evaluations of the score with a product of its Jacobian.",
            args.tolerance, args.draws, evaluations
        ),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terms_add_up_and_each_image_counts_once() {
        let bound = |reconstruction, log_posterior, log_prior| LatentBound {
            reconstruction,
            log_posterior,
            log_prior,
            standard_kl: 1.0,
        };
        let bounds = vec![
            vec![bound(3.0, -1.0, -2.0), bound(5.0, -1.0, -4.0)],
            vec![bound(1.0, 0.0, -0.5), bound(1.0, 0.0, -0.5)],
        ];
        let Terms {
            total,
            reconstruction,
            prior,
            standard_total,
            ..
        } = terms(&bounds, 2);
        let bits = |nats: f64| nats / (2.0 * std::f64::consts::LN_2);
        assert!((reconstruction.0 - bits(2.5)).abs() < 1e-12);
        assert!((prior.0 - bits(1.25)).abs() < 1e-12);
        assert!((total.0 - reconstruction.0 - prior.0).abs() < 1e-12);
        assert!((standard_total.0 - bits(3.5)).abs() < 1e-12);
        // Of 4 + 2 and 1 + 0.5 nats: half their distance.
        assert!((total.1 - bits(2.25)).abs() < 1e-12);
    }
}
