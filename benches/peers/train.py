"""Trains the PyTorch counterpart of a network on MNIST and samples it, for comparison of what both make
of the same time: the same initial distribution of weights, optimiser, schedule, batch and sampler.

    target/debug/peers <<< '{"do": "cases"}' > cases.json
    python benches/peers/train.py --cases cases.json --steps 4200 --out pytorch.npy
    tweedie evaluate --run runs/mnist --images pytorch.npy

`--steps` is what fits into the time: its rate in images/s from `cargo xtask bench peers`, times the
seconds, over the batch.
"""

import argparse
import copy
import gzip
import json
import math
import os
import time

import numpy as np
import torch
from torch import nn

from agreement import denoiser


def images(folder):
    """MNIST's training images, [N, 1, 28, 28] in [-1, 1]."""
    path = os.path.join(folder, "train-images-idx3-ubyte")
    opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz", "rb")
    with opened as file:
        values = np.frombuffer(file.read(), np.uint8, offset=16)
    return torch.from_numpy(values.reshape(-1, 1, 28, 28).astype(np.float32)) / 127.5 - 1


def initialise(network):
    """Glorot and Bengio's uniform distribution, biases 0, zero weights at the end of a branch."""
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            last = name.endswith("conv_out") or name.endswith("output")
            if last:
                nn.init.zeros_(module.weight)
            else:
                nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


def learning_rate(config, step, steps):
    """A linear warm-up, then a cosine down to a share of the peak."""
    warmup = config["warmup_steps"]
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    progress = max(0, step - warmup) / max(1, steps - warmup)
    last = config["final_learning_rate"]
    return config["learning_rate"] * rise * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * progress)))


def train(case, data, steps, seed, layout):
    torch.manual_seed(seed)
    config = case["training"]
    model = denoiser(case, layout=layout)
    initialise(model.network)
    model = model.to(memory_format=layout)
    average = copy.deepcopy(model).requires_grad_(False)
    parameters, averages = list(model.parameters()), list(average.parameters())
    optimizer = torch.optim.AdamW(
        parameters,
        lr=config["learning_rate"],
        betas=config["betas"],
        eps=config["epsilon"],
        weight_decay=config["weight_decay"],
        fused=True,
    )
    times = config["objective"]["time"]
    batch = config["batch_size"]
    order = torch.randperm(len(data))
    begun = time.perf_counter()
    for step in range(steps):
        first = step * batch % len(data)
        if first + batch > len(data):
            order = torch.randperm(len(data))
            first = 0
        x0 = data[order[first : first + batch]]
        noise = torch.randn_like(x0)
        sigma = torch.randn(batch).mul_(times["std"]).add_(times["mean"]).exp_()
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step, steps)
        optimizer.zero_grad(set_to_none=True)
        loss = model.loss(x0, noise, sigma)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, config["clip_norm"], foreach=True)
        optimizer.step()
        decay = min(config["ema_decay"], (1 + step) / (10 + step))
        torch._foreach_lerp_(averages, parameters, 1 - decay)
        if (step + 1) % 200 == 0:
            seconds = time.perf_counter() - begun
            print(f"step {step + 1}, loss {loss.item():.4f}, {seconds:.0f} s", flush=True)
    return average.eval()


@torch.inference_mode()
def sample(model, count, steps, churn, shape):
    """EDM's stochastic sampler (Karras et al. 2022, algorithm 2), 80 to 0.002, rho 7."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    low, high = 0.002 ** (1 / 7), 80.0 ** (1 / 7)
    levels = torch.cat([(high + ramp * (low - high)) ** 7, torch.zeros(1)])
    x = torch.randn(count, *shape) * levels[0].item()
    denoise = lambda x, sigma: model(x, torch.full((len(x),), sigma))
    for sigma, lower in zip(levels[:-1].tolist(), levels[1:].tolist()):
        raised = min(sigma * (1 + min(churn / steps, math.sqrt(2) - 1)), 80.0)
        x = x + math.sqrt(raised**2 - sigma**2) * torch.randn_like(x)
        slope = (x - denoise(x, raised)) / raised
        after = x + (lower - raised) * slope
        if lower > 0:
            again = (after - denoise(after, lower)) / lower
            after = x + (lower - raised) * (slope + again) / 2
        x = after
    return x


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", required=True)
    parser.add_argument("--case", default="default")
    parser.add_argument("--data", default="datasets/mnist")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--sampling-steps", type=int, default=64)
    parser.add_argument("--churn", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with open(args.cases) as file:
        cases = json.load(file)
    cases = cases.get("cases", cases) if isinstance(cases, dict) else cases
    case = next(case for case in cases if case["name"] == args.case)
    layout = torch.channels_last
    data = images(args.data).contiguous(memory_format=layout)
    model = train(case, data, args.steps, args.seed, layout)
    shape = case["model"]["shape"]
    parts = [
        sample(model, min(64, args.count - first), args.sampling_steps, args.churn, shape)
        for first in range(0, args.count, 64)
    ]
    np.save(args.out, torch.cat(parts).contiguous().numpy().astype(np.float32))


if __name__ == "__main__":
    main()
