"""The numbers of tests/suite/golden_numbers.rs, from k-diffusion 0.1.1 and diffusers 0.42.1.

    pip install torch k-diffusion diffusers scipy torchsde tqdm
    python multistep.py

Two Gaussians on the line, N(-1, 0.5^2) with weight 0.3 and N(1.5, 0.5^2) with weight 0.7, in x/alpha and
sigma/alpha; all in float64. Noise is not random: draw number i is sin(1.3 (i + 1)) in every element.
"""

import importlib.util
import math
import os
import sys
import types

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

torch.set_default_dtype(torch.float64)

# k_diffusion/__init__.py imports its training code and what that needs; sampling.py needs one file of it.
folder = os.path.dirname(importlib.util.find_spec("k_diffusion").origin)
package = types.ModuleType("k_diffusion")
package.__path__ = [folder]
sys.modules["k_diffusion"] = package
utils = types.ModuleType("k_diffusion.utils")
utils.append_dims = lambda x, ndim: x[(...,) + (None,) * (ndim - x.ndim)]
sys.modules["k_diffusion.utils"] = utils
package.utils = utils
from k_diffusion import sampling  # noqa: E402

WEIGHTS = torch.tensor([0.3, 0.7])
MEANS = torch.tensor([-1.0, 1.5])
STD = 0.5
START = torch.tensor([[-60.0], [25.0], [90.0]])


def denoiser(x, sigma):
    """E[x0 | x] at noise level sigma, x of shape [batch, 1]."""
    sigma = torch.as_tensor(sigma, dtype=torch.float64).reshape(-1, 1)
    variance = STD**2 + sigma**2
    logits = WEIGHTS.log() - (x - MEANS) ** 2 / (2 * variance)
    posterior = torch.softmax(logits, dim=1)
    means = (MEANS * sigma**2 + x * STD**2) / variance
    return (posterior * means).sum(1, keepdim=True)


def karras(n, low=0.002, high=80.0, rho=7.0):
    ramp = torch.linspace(0, 1, n)
    return (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho


class Script:
    """Noise as a function of how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *_):
        self.calls += 1
        return torch.full_like(START, math.sin(1.3 * self.calls))


def show(name, x):
    print(f"{name}: [{', '.join(f'{value:.15g}' for value in x.flatten().tolist())}]")


def k_diffusion():
    sigmas = torch.cat([karras(8), torch.zeros(1)])
    run = lambda f, **kw: f(denoiser, START.clone(), sigmas, disable=True, **kw)
    show("k 2m", run(sampling.sample_dpmpp_2m))
    show("k heun", run(sampling.sample_heun))
    show("k euler", run(sampling.sample_euler))
    for eta in (0.0, 1.0, 0.6):
        noise = lambda: {"eta": eta, "noise_sampler": Script()}
        for kind in ("midpoint", "heun"):
            x = run(sampling.sample_dpmpp_2m_sde, solver_type=kind, **noise())
            show(f"k 2m-sde {kind} eta {eta}", x)
        show(f"k 3m-sde eta {eta}", run(sampling.sample_dpmpp_3m_sde, **noise()))


def diffusers():
    """DPM-Solver++ under VP: the state is alpha times the one above, alpha = 1/sqrt(1 + sigma^2)."""
    sigmas = torch.cat([karras(8), torch.zeros(1)])
    # It rounds states to float32; here it is not to.
    module = sys.modules[DPMSolverMultistepScheduler.__module__]
    module.torch = types.SimpleNamespace(**{**vars(torch), "float32": torch.float64})
    for order in (1, 2, 3):
        scheduler = DPMSolverMultistepScheduler(
            prediction_type="sample",
            solver_order=order,
            # The second of the three predictions that order 3 needs; k-diffusion's start of it.
            solver_type="heun" if order == 3 else "midpoint",
            lower_order_final=False,
            euler_at_final=False,
            final_sigmas_type="zero",
        )
        scheduler.set_timesteps(len(sigmas) - 1)
        scheduler.sigmas = sigmas.clone()
        scheduler.timesteps = torch.arange(len(sigmas) - 1, 0, -1) * 10
        alphas = (1 + sigmas**2).rsqrt()
        x = alphas[0] * START
        # Not to the last, sigma = 0, where the second-order formula divides by an infinite step.
        for i, t in enumerate(scheduler.timesteps[:-1]):
            prediction = denoiser(x / alphas[i], sigmas[i])
            x = scheduler.step(prediction, t, x).prev_sample
        show(f"diffusers dpm-solver++ order {order}, x/alpha at the last sigma", x / alphas[-2])


def chain():
    """The DDPM chain of 1000 steps, beta from 0.0001 to 0.02; 10 of its times, 900, 800, ..., 0."""
    for eta in (0.0, 0.7):
        for clip in (False, True):
            scheduler = DDIMScheduler(clip_sample=clip, clip_sample_range=0.8)
            scheduler.alphas_cumprod = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
            scheduler.final_alpha_cumprod = torch.tensor(1.0)
            scheduler.set_timesteps(10)
            show(f"diffusers ddim eta {eta} clip {clip}", walk(scheduler, eta=eta))
    for variance in ("fixed_small", "fixed_large"):
        for clip in (False, True):
            scheduler = DDPMScheduler(
                variance_type=variance, clip_sample=clip, clip_sample_range=0.8
            )
            scheduler.alphas = 1 - torch.linspace(1e-4, 0.02, 1000)
            scheduler.betas = 1 - scheduler.alphas
            scheduler.alphas_cumprod = torch.cumprod(scheduler.alphas, 0)
            scheduler.one = torch.tensor(1.0)
            scheduler.set_timesteps(10)
            show(f"diffusers ddpm {variance} clip {clip}", walk(scheduler))


def walk(scheduler, eta=None):
    """A run of `scheduler` on START/60, with the scripted noise."""
    x, script = START / 60, Script()
    module = sys.modules[type(scheduler).__module__]
    original, module.randn_tensor = module.randn_tensor, lambda *_, **__: script()
    for t in scheduler.timesteps:
        a = scheduler.alphas_cumprod[t]
        sigma = ((1 - a) / a).sqrt()
        epsilon = (x / a.sqrt() - denoiser(x / a.sqrt(), sigma)) / sigma
        if eta is None:
            x = scheduler.step(epsilon, t, x).prev_sample
        else:
            x = scheduler.step(epsilon, t, x, eta=eta).prev_sample
    module.randn_tensor = original
    return x


if __name__ == "__main__":
    k_diffusion()
    diffusers()
    chain()
