"""k-diffusion and diffusers on the cases of examples/error_against_nfe.rs: the same mixtures, starts, grids
and exact flows, in float64.

    cargo run -p solvers --example error_against_nfe -- --json cases.json
    python error_against_nfe.py cases.json

Prints the second table of docs/solvers.md. Errors are root mean squares of x/alpha per sample.
"""

import json
import math
import sys
import types

import torch
from diffusers import DPMSolverMultistepScheduler, HeunDiscreteScheduler
from multistep import sampling


def denoiser(case):
    """E[x0 | x] at noise level sigma, x of shape [batch, dim]."""
    weights, means = torch.tensor(case["weights"]), torch.tensor(case["means"])

    def mean(x, sigma):
        sigma = torch.as_tensor(sigma, dtype=torch.float64).reshape(-1, 1)
        variance = case["std"] ** 2 + sigma**2
        logits = weights.log() - ((x[:, None] - means) ** 2).sum(2) / (2 * variance)
        posterior = torch.softmax(logits, dim=1)
        return (x * case["std"] ** 2 + posterior @ means * sigma**2) / variance

    return mean


def by_k_diffusion(solver, model, x, sigmas):
    run = lambda f, **options: f(model, x, sigmas, disable=True, **options)
    match solver:
        case "dpm-solver++-2m":
            return run(sampling.sample_dpmpp_2m)
        case "dpm-solver++-3m":
            return run(sampling.sample_dpmpp_3m_sde, eta=0.0, noise_sampler=lambda *_: 0.0)
        case "edm":
            return run(sampling.sample_heun)
        case "ddim":
            return run(sampling.sample_euler)


def by_diffusers(solver, model, x, sigmas):
    orders = {"ddim": 1, "dpm-solver++-2m": 2, "dpm-solver++-3m": 3}
    if solver in orders:
        return dpm_solver(orders[solver], model, x, sigmas)
    if solver == "edm":
        return heun(model, x, sigmas)


def dpm_solver(order, model, x, sigmas):
    """In diffusers the state is alpha x, alpha = 1/sqrt(1 + sigma^2)."""
    scheduler = DPMSolverMultistepScheduler(
        prediction_type="sample",
        solver_order=order,
        solver_type="heun" if order == 3 else "midpoint",
        lower_order_final=False,
        euler_at_final=False,
        # "zero" would make the last step of order 1.
        final_sigmas_type="sigma_min",
    )
    module = sys.modules[DPMSolverMultistepScheduler.__module__]
    module.torch = types.SimpleNamespace(**{**vars(torch), "float32": torch.float64})
    steps = len(sigmas) - 1
    scheduler.set_timesteps(steps)
    scheduler.sigmas = sigmas.clone()
    scheduler.timesteps = torch.arange(steps, 0, -1)
    alphas = (1 + sigmas**2).rsqrt()
    x = alphas[0] * x
    for i, t in enumerate(scheduler.timesteps):
        x = scheduler.step(model(x / alphas[i], sigmas[i]), t, x).prev_sample
    return x / alphas[-1]


def heun(model, x, sigmas):
    scheduler = HeunDiscreteScheduler(prediction_type="epsilon")
    scheduler.set_timesteps(len(sigmas) - 1)
    scheduler.sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
    scheduler.timesteps = torch.arange(len(scheduler.sigmas), 0, -1)
    scheduler.set_begin_index(0)
    evaluated = torch.cat([sigmas[:1], sigmas[1:].repeat_interleave(2)])
    for i in range(2 * (len(sigmas) - 1)):
        epsilon = (x - model(x, evaluated[i])) / evaluated[i]
        x = scheduler.step(epsilon, scheduler.timesteps[min(i, len(scheduler.timesteps) - 1)], x)
        x = x.prev_sample
    return x


def main(path):
    with open(path) as file:
        cases = json.load(file)
    worst = 0.0
    print("| world | family | solver | NFE | ours | k-diffusion | diffusers |")
    print("|---|---|---|---|---|---|---|")
    for case in cases:
        model, exact = denoiser(case), torch.tensor(case["exact"])
        for run in case["runs"]:
            start, sigmas = torch.tensor(case["start"]), torch.tensor(run["sigmas"])
            errors = []
            for other in (by_k_diffusion, by_diffusers):
                x = other(run["solver"], model, start, sigmas)
                if x is not None:
                    errors.append(((x - exact) ** 2).sum(1).mean().sqrt().item())
            if not errors:
                continue
            worst = max(worst, *(abs(math.log(error / run["error"])) for error in errors))
            world = case["world"].replace("eight Gaussians in ", "")
            columns = " | ".join(f"{error:.4e}" for error in (run["error"], *errors))
            print(f"| {world} | {case['family']} | {run['solver']} | {run['nfe']} | {columns} |")
    print(f"\nLargest relative difference: {worst:.1e}")


if __name__ == "__main__":
    main(sys.argv[1])
