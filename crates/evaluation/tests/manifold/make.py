"""Writes reference.json: precision, recall, density and coverage of the published program.

    pip install prdc scikit-learn numpy
    python make.py

`prdc` 0.2 is the implementation of Naeem et al. 2020; its precision and recall are those of Kynkäänniemi et
al. 2019. Its points inside a ball exclude the edge, which points without ties do not tell.
"""

import json

import numpy as np
from prdc import compute_prdc

random = np.random.default_rng(0)
worlds = {
    "moved": (random.normal(size=(40, 3)), random.normal(size=(55, 3)) * 0.8 + 0.7),
    "fewer modes": (
        random.normal(size=(60, 2)) + 6 * random.integers(0, 2, size=(60, 1)),
        random.normal(size=(60, 2)),
    ),
}
reference = {
    name: {
        "real": real.round(6).tolist(),
        "samples": samples.round(6).tolist(),
        "by k": {
            k: {key: float(value) for key, value in compute_prdc(real.round(6), samples.round(6), k).items()}
            for k in [1, 3, 5]
        },
    }
    for name, (real, samples) in worlds.items()
}
with open("reference.json", "w") as file:
    json.dump(reference, file)
