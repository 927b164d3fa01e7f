"""Writes the networks and reference features that the tests of `evaluation::features` read.

    pip install torch onnx onnxscript numpy
    python make.py

Writes grey.onnx, fixed.onnx (the same for two images at a time), colour.onnx, spatial.onnx, and
reference.json, which holds images and what PyTorch makes of them.
"""

import json

import onnx
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


def network(channels: int, pooled: bool) -> nn.Module:
    """Convolutions, normalisation, pooling: the operations of a usual feature network."""
    layers = [
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
    ]
    if pooled:
        layers += [nn.Flatten(), nn.Linear(8, 5)]
    made = nn.Sequential(*layers)
    # Statistics of normalisation other than 0 and 1.
    made.train()
    made(torch.randn(64, channels, 12, 12))
    return made.eval()


def export(model: nn.Module, channels: int, size: int, path: str, fixed: bool = False) -> None:
    torch.onnx.export(
        model,
        (torch.zeros(2, channels, size, size),),
        path,
        input_names=["images"],
        output_names=["features"],
        dynamic_shapes=None if fixed else {"input": {0: torch.export.Dim("n")}},
        external_data=False,
        dynamo=True,
    )
    # The exporter leaves notes in the file, of where the program stood on its disk among others.
    made = onnx.load(path)
    del made.metadata_props[:]
    for part in [made.graph, *made.graph.node, *made.graph.value_info, *made.graph.input, *made.graph.output]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(made, path)


def listed(tensor: torch.Tensor) -> dict:
    values = [float(f"{value:.8g}") for value in tensor.double().flatten().tolist()]
    return {"shape": list(tensor.shape), "values": values}


with torch.no_grad():
    grey, colour, spatial = network(1, True), network(3, True), network(1, False)
    export(grey, 1, 12, "grey.onnx")
    export(grey, 1, 12, "fixed.onnx", fixed=True)
    export(colour, 3, 16, "colour.onnx")
    export(spatial, 1, 12, "spatial.onnx")

    # In [-1, 1], as the library has them.
    images = torch.rand(5, 1, 12, 12) * 2 - 1
    unit = (images + 1) / 2
    larger = F.interpolate(unit, (16, 16), mode="bilinear", antialias=True, align_corners=False)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    wide = torch.rand(1, 3, 10, 14)
    resized = {
        f"{mode}-{h}x{w}": listed(
            F.interpolate(wide, (h, w), mode=mode, antialias=True, align_corners=False).clamp(0, 1)
        )
        for mode in ["bilinear", "bicubic"]
        for h, w in [(5, 7), (16, 16), (7, 20)]
    }
    reference = {
        "images": listed(images),
        "grey of [-1, 1]": listed(grey(images)),
        "grey of [0, 1]": listed(grey(unit)),
        "spatial of [-1, 1]": listed(spatial(images).flatten(1)),
        "colour, resized, ImageNet": listed(colour((larger.expand(-1, 3, -1, -1) - mean) / std)),
        "wide": listed(wide),
        "resized": resized,
    }
with open("reference.json", "w") as file:
    json.dump(reference, file)
