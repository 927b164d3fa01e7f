"""What is timed, as a good user of PyTorch would write it."""

import copy
import time

import torch

from agreement import denoiser

# How PyTorch is run, and in which memory layout: the faster where there are two.
MODES = {
    "eager": ["contiguous"],
    "channels_last": ["channels_last"],
    "compile": ["contiguous", "channels_last"],
    "compile-bf16": ["channels_last"],
}
# The images to learn from, in memory.
DATASET = 256


def prepare(case, kind, batch, mode):
    """A function to repeat, and what to say of it."""
    make = {"train": training, "evaluate": evaluation}[kind]
    made = {layout: make(case, batch, layout, mode) for layout in MODES[mode]}
    layout, *others = made
    if others:
        layout = min(made, key=lambda layout: brief(made[layout][0]))
    work, model = made[layout]
    parameters = sum(p.numel() for p in model.parameters())
    return work, {"parameters": parameters, "layout": layout}


def brief(work):
    """The least time of a few repetitions, after those in which it is compiled."""
    times = []
    for _ in range(8):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times[3:])


def build(case, layout):
    memory_format = getattr(torch, {"contiguous": "contiguous_format"}.get(layout, layout))
    model = denoiser(case, layout=memory_format).to(memory_format=memory_format)
    return model, memory_format


def compiled(function, mode, **options):
    """Compiled for its shapes, and in bf16 where that is asked for."""
    if not mode.startswith("compile"):
        return function
    function = torch.compile(function, dynamic=False, fullgraph=True, options=options)
    if mode == "compile":
        return function

    def half(*inputs):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return function(*inputs)

    return half


def training(case, batch, layout, mode):
    """One step: draw, forward, loss, backward, clip, AdamW, EMA."""
    model, memory_format = build(case, layout)
    average = copy.deepcopy(model).requires_grad_(False)
    parameters = list(model.parameters())
    averages = list(average.parameters())
    config = case["training"]
    optimizer = torch.optim.AdamW(
        parameters,
        lr=config["learning_rate"],
        betas=config["betas"],
        eps=config["epsilon"],
        weight_decay=config["weight_decay"],
        fused=True,
    )
    shape = case["model"]["shape"]
    images = (torch.rand(DATASET, *shape) * 2 - 1).contiguous(memory_format=memory_format)
    times = config["objective"]["time"]
    loss_of = compiled(model.loss, mode)

    def step():
        x0 = images[torch.randint(DATASET, (batch,))]
        noise = torch.randn_like(x0)
        sigma = torch.randn(batch).mul_(times["std"]).add_(times["mean"]).exp_()
        optimizer.zero_grad(set_to_none=True)
        loss_of(x0, noise, sigma).backward()
        torch.nn.utils.clip_grad_norm_(parameters, config["clip_norm"], foreach=True)
        optimizer.step()
        torch._foreach_lerp_(averages, parameters, 1 - config["ema_decay"])

    return step, model


def evaluation(case, batch, layout, mode):
    """One evaluation as a denoiser, without gradients."""
    model, memory_format = build(case, layout)
    model.eval().requires_grad_(False)
    x = torch.randn(batch, *case["model"]["shape"]).contiguous(memory_format=memory_format)
    sigma = torch.ones(batch)
    # Weights that stay as they are can be packed for the kernels once.
    denoise = compiled(model, mode, freezing=True)

    @torch.inference_mode()
    def evaluate():
        denoise(x, sigma)

    return evaluate, model
