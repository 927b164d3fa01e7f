"""The U-Net of crates/score-net in PyTorch, with the same names, and EDM's preconditioning around it.

Shapes are [batch, channels, height, width]; a noise level sigma is the standard deviation of the
noise on data of standard deviation sigma_data.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

SQRT_HALF = math.sqrt(0.5)


def conv3x3(channels_in, channels_out, stride=1):
    return nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1)


def group_norm(channels, most):
    """As many groups as divide the channels, at most `most`, with at least four channels each."""
    limit = min(most, channels // 4)
    groups = next((n for n in range(limit, 0, -1) if channels % n == 0), 1)
    return nn.GroupNorm(groups, channels, eps=1e-5)


class NoiseEmbedding(nn.Module):
    """DDPM's sinusoidal embedding of 250 c_noise (Ho et al. 2020), and two layers after it."""

    def __init__(self, features):
        super().__init__()
        count = features // 2
        exponents = torch.arange(count, dtype=torch.float64) / max(count - 1, 1)
        frequencies = (250.0 * 10_000.0**-exponents).float()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.inner = nn.Linear(features, features)
        self.outer = nn.Linear(features, features)

    def forward(self, c_noise):
        """[batch] to [batch, features]."""
        phase = c_noise[:, None] * self.frequencies
        waves = torch.cat([phase.cos(), phase.sin()], dim=1) * math.sqrt(2.0)
        return F.silu(self.outer(F.silu(self.inner(waves))))


class ResidualBlock(nn.Module):
    """GroupNorm, SiLU, convolution; twice, the second time scaled and shifted by the embedding
    (Dhariwal & Nichol 2021); the sum with the input over the root of two (Song et al. 2021).
    """

    def __init__(self, channels_in, channels_out, features, groups):
        super().__init__()
        self.norm_in = group_norm(channels_in, groups)
        self.conv_in = conv3x3(channels_in, channels_out)
        self.embedding = nn.Linear(features, 2 * channels_out)
        self.norm_out = group_norm(channels_out, groups)
        self.conv_out = conv3x3(channels_out, channels_out)
        changes = channels_in != channels_out
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if changes else None

    def forward(self, x, embedding):
        hidden = self.conv_in(F.silu(self.norm_in(x)))
        scale, shift = self.embedding(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = torch.addcmul(shift, self.norm_out(hidden), scale + 1)
        hidden = self.conv_out(F.silu(hidden))
        skip = x if self.skip is None else self.skip(x)
        return hidden.add_(skip).mul_(SQRT_HALF)


class SelfAttention(nn.Module):
    """Attention between the pixels (Ho et al. 2020), the sum with the input over the root of two."""

    def __init__(self, channels, heads, groups, layout):
        super().__init__()
        self.norm = group_norm(channels, groups)
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.output = nn.Conv2d(channels, channels, 1)
        self.heads = heads
        self.layout = layout

    def forward(self, x):
        batch, channels, height, width = x.shape
        normed = self.norm(x)

        def heads(project):
            """[batch, heads, pixels, channels of a head]."""
            shape = (batch, self.heads, channels // self.heads, height * width)
            return project(normed).view(shape).transpose(2, 3)

        mixed = F.scaled_dot_product_attention(
            heads(self.query), heads(self.key), heads(self.value)
        )
        mixed = mixed.transpose(1, 2).reshape(batch, height, width, channels)
        mixed = mixed.permute(0, 3, 1, 2).contiguous(memory_format=self.layout)
        return self.output(mixed).add_(x).mul_(SQRT_HALF)


class Stage(nn.Module):
    """A block, and attention where the level attends."""

    def __init__(self, channels_in, channels_out, attend, config, layout):
        super().__init__()
        groups = config["groups"]
        self.block = ResidualBlock(channels_in, channels_out, config["embedding"], groups)
        self.attention = (
            SelfAttention(channels_out, config["heads"], groups, layout) if attend else None
        )

    def forward(self, x, embedding):
        x = self.block(x, embedding)
        return x if self.attention is None else self.attention(x)


class Resampling(nn.Module):
    """Halves by a convolution of stride 2, or convolves and doubles the nearest way."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.conv = conv3x3(channels_in, channels_out, stride)

    def forward(self, x, size=None):
        x = self.conv(x)
        if size is None:
            return x
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        # What was halved with rounding up comes out one larger.
        return x[:, :, : size[0], : size[1]] if x.shape[2:] != size else x


class Level(nn.Module):
    """The stages of one resolution; `down` after the last or `up` before the first."""

    def __init__(self, stages, down=None, up=None):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.down = down
        self.up = up


class Middle(nn.Module):
    """A block, attention and a block at the lowest resolution."""

    def __init__(self, first, second):
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x, embedding):
        return self.second(self.first(x, embedding), embedding)


class UNet(nn.Module):
    """F(x, c_noise), as `UNetConfig` describes it for images of `shape` [channels, height, width]."""

    def __init__(self, config, shape, layout=torch.contiguous_format):
        super().__init__()
        unknown = {"dropout": 0.0, "scale_shift": True, "time_embedding": "sinusoidal"}
        for field, only in unknown.items():
            if config[field] != only:
                raise ValueError(f"network.{field} = {config[field]}: only {only} is written here")
        self.patch = config["patch"]
        depth = shape[0] * self.patch**2
        widths = [multiplier * config["channels"] for multiplier in config["multipliers"]]
        heights = [-(-(shape[1] // self.patch) // 2**level) for level in range(len(widths))]
        attends = [height in config["attention"] for height in heights]
        last = len(widths) - 1

        def stage(channels_in, channels_out, attend):
            return Stage(channels_in, channels_out, attend, config, layout)

        channels = config["channels"]
        self.embedding = NoiseEmbedding(config["embedding"])
        self.input = conv3x3(depth, channels)
        skips = [channels]
        self.down = nn.ModuleList()
        for index, (width, attend) in enumerate(zip(widths, attends)):
            stages = []
            for _ in range(config["blocks"]):
                stages.append(stage(channels, width, attend))
                channels = width
                skips.append(channels)
            halving = Resampling(channels, channels, 2) if index < last else None
            if halving is not None:
                skips.append(channels)
            self.down.append(Level(stages, down=halving))
        self.middle = Middle(
            stage(channels, channels, config["middle_attention"]),
            stage(channels, channels, False),
        )
        self.up = nn.ModuleList()
        for index in range(last, -1, -1):
            doubling = Resampling(channels, widths[index], 1) if index < last else None
            channels = widths[index]
            count = config["blocks"] + 1
            stages = [stage(channels + skips.pop(), channels, attends[index]) for _ in range(count)]
            self.up.append(Level(stages, up=doubling))
        self.norm = group_norm(channels, config["groups"])
        self.output = conv3x3(channels, depth)

    def forward(self, x, c_noise):
        embedding = self.embedding(c_noise)
        x = F.pixel_unshuffle(x, self.patch) if self.patch > 1 else x
        x = self.input(x)
        skips = [x]
        for level in self.down:
            for stage in level.stages:
                x = stage(x, embedding)
                skips.append(x)
            if level.down is not None:
                x = level.down(x)
                skips.append(x)
        x = self.middle(x, embedding)
        for level in self.up:
            if level.up is not None:
                x = level.up(x, skips[-1].shape[2:])
            for stage in level.stages:
                x = stage(torch.cat([x, skips.pop()], dim=1), embedding)
        x = self.output(F.silu(self.norm(x)))
        return F.pixel_shuffle(x, self.patch) if self.patch > 1 else x


class Denoiser(nn.Module):
    """D(x, sigma) = c_skip x + c_out F(c_in x, c_noise) (Karras et al. 2022, table 1)."""

    def __init__(self, network, sigma_data):
        super().__init__()
        self.network = network
        self.sigma_data = sigma_data

    def forward(self, x, sigma):
        """x [batch, channels, height, width], sigma [batch]."""
        sigma = sigma[:, None, None, None]
        square = sigma**2 + self.sigma_data**2
        c_skip = self.sigma_data**2 / square
        c_out = sigma * self.sigma_data * square.rsqrt()
        c_in = square.rsqrt()
        c_noise = sigma.log().flatten() / 4
        return c_skip * x + c_out * self.network(c_in * x, c_noise)

    def loss(self, x0, noise, sigma):
        """The weighted mean squared error of D(x0 + sigma noise, sigma) (ibid., eq. 2)."""
        wide = sigma[:, None, None, None]
        weight = (wide**2 + self.sigma_data**2) / (wide * self.sigma_data) ** 2
        return (weight * (self(x0 + wide * noise, sigma) - x0) ** 2).mean()
