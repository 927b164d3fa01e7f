"""Writes reference.json: a DiT of diffusers on numbers that a formula gives, and the published sizes.

    pip install torch==2.* diffusers==0.35.2
    python make.py

diffusers' `DiTTransformer2DModel` is the port in which the published weights (Peebles & Xie 2023) are
run. Its embedding of a step number and a class is exchanged for one of c_noise; the rest is as it is.
All in float64. Parameters are taken in the order in which ours are visited, each as Burn lays it out.
"""

import json
import math

import torch
from diffusers import DiTTransformer2DModel
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from torch import nn
from torch.nn import functional as F

DEPTH, WIDTH, HEADS, PATCH, WAVES = 2, 16, 2, 2, 8
CHANNELS, CHANNELS_OUT, SIDE = 2, 4, 8
# Exact in float32, so are the phases of the highest frequency, 250.
C_NOISE = [-0.75, 0.5]


def numbers(shape, ordinal):
    """sin(0.37·i + ordinal), row by row."""
    count = math.prod(shape)
    return torch.sin(0.37 * torch.arange(count, dtype=torch.float64) + ordinal).reshape(shape)


class Embedding(nn.Module):
    """Waves of c_noise, a layer, SiLU, a layer."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(WAVES, WIDTH)
        self.outer = nn.Linear(WIDTH, WIDTH)

    def forward(self, c_noise, *_, **__):
        count = WAVES // 2
        frequency = 250.0 * 10_000.0 ** (-torch.arange(count, dtype=torch.float64) / (count - 1))
        phase = c_noise[:, None] * frequency
        waves = math.sqrt(2.0) * torch.cat([phase.cos(), phase.sin()], 1)
        return self.outer(F.silu(self.inner(waves)))


def layers(model, embedding):
    """Our layers in our order: a name and the layers of theirs that it stands for, side by side."""
    yield "embedding.inner", [embedding.inner]
    yield "embedding.outer", [embedding.outer]
    yield "input", [model.pos_embed.proj]
    for i, block in enumerate(model.transformer_blocks):
        yield f"blocks.{i}.modulation", [block.norm1.linear]
        yield f"blocks.{i}.qkv", [block.attn1.to_q, block.attn1.to_k, block.attn1.to_v]
        yield f"blocks.{i}.projection", [block.attn1.to_out[0]]
        yield f"blocks.{i}.inner", [block.ff.net[0].proj]
        yield f"blocks.{i}.outer", [block.ff.net[2]]
    yield "output.modulation", [model.proj_out_1]
    yield "output.linear", [model.proj_out_2]


def as_burn(values):
    """[out, in…] as [in, out]."""
    return values.flatten(1).T


def fill(model, embedding):
    ordinal = 0
    for _, parts in layers(model, embedding):
        outs = [part.weight.shape[0] for part in parts]
        ins = parts[0].weight[0].numel()
        weight = 0.3 * numbers((ins, sum(outs)), ordinal)
        bias = 0.3 * numbers((sum(outs),), ordinal + 1)
        ordinal += 2
        for part, w, b in zip(parts, weight.split(outs, 1), bias.split(outs), strict=True):
            part.weight.data = w.T.reshape(part.weight.shape).contiguous()
            part.bias.data = b.clone()


def small():
    model = DiTTransformer2DModel(
        num_attention_heads=HEADS,
        attention_head_dim=WIDTH // HEADS,
        in_channels=CHANNELS,
        out_channels=CHANNELS_OUT,
        num_layers=DEPTH,
        sample_size=SIDE,
        patch_size=PATCH,
        num_embeds_ada_norm=1,
        # Of the norm before an MLP, the only one that it is for: the other two have the published 1e-6, too.
        norm_eps=1e-6,
    ).double()
    model.eval()
    # What it keeps is rounded to float32.
    grid = SIDE // PATCH
    positions = get_2d_sincos_pos_embed(WIDTH, grid, base_size=grid, output_type="pt")
    rounding = (model.pos_embed.pos_embed[0] - positions).abs().max()
    assert positions.dtype == torch.float64 and rounding < 1e-7
    model.pos_embed.pos_embed = positions[None]
    embedding = Embedding().double()
    for block in model.transformer_blocks:
        block.norm1.emb = embedding
    fill(model, embedding)
    x = numbers((2, CHANNELS, SIDE, SIDE), 100).requires_grad_()
    c_noise = torch.tensor(C_NOISE, dtype=torch.float64)
    output = model(x, timestep=c_noise, class_labels=torch.zeros(2, dtype=torch.long)).sample
    loss = (output - numbers(output.shape, 200)).square().mean()
    loss.backward()
    gradients = []
    for name, parts in layers(model, embedding):
        weight = torch.cat([as_burn(part.weight.grad) for part in parts], 1)
        bias = torch.cat([part.bias.grad for part in parts])
        for kind, grad in [("weight", weight), ("bias", bias)]:
            along = (grad * numbers(grad.shape, 300)).sum().item()
            gradients.append({"name": f"{name}.{kind}", "norm": grad.norm().item(), "along": along})
    return {
        "output": output.flatten().tolist(),
        "loss": loss.item(),
        "gradient_of_x": x.grad.flatten().tolist(),
        "gradients": gradients,
    }


class Counted(nn.Module):
    """The layers of the published network that have weights (its positions are fixed)."""

    def __init__(self, depth, width, patch, waves=256, channels=4, classes=1000):
        super().__init__()
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.time = nn.ModuleList([nn.Linear(waves, width), nn.Linear(width, width)])
        self.classes = nn.Embedding(classes + 1, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({
                "attention": nn.MultiheadAttention(width, 1),
                "mlp": nn.ModuleList([nn.Linear(width, 4 * width), nn.Linear(4 * width, width)]),
                "modulation": nn.Linear(width, 6 * width),
            })
            for _ in range(depth)
        )
        self.last = nn.ModuleList([nn.Linear(width, 2 * width), nn.Linear(width, patch * patch * 2 * channels)])


def sizes():
    """Parameters of DiT-S/2 to DiT-XL/2, those of the table of classes among them."""
    found = {}
    with torch.device("meta"):
        for name, depth, width in [("S", 12, 384), ("B", 12, 768), ("L", 24, 1024), ("XL", 28, 1152)]:
            model = Counted(depth, width, 2)
            found[name] = {"parameters": sum(p.numel() for p in model.parameters())}
    return found


if __name__ == "__main__":
    with open("reference.json", "w") as file:
        json.dump({"small": small(), "sizes": sizes()}, file, indent=1)
        file.write("\n")
