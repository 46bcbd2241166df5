"""Writes golden.safetensors with the format's own library (needs torch, numpy, safetensors)."""
import numpy as np
import torch
from safetensors.torch import save_file

rng = np.random.default_rng(1)
# Every interesting magnitude for a half: random bits over its range and beyond, then ties and their neighbours.
x = (rng.standard_normal(256) * 2.0 ** rng.uniform(-28, 18, 256)).astype(np.float32)
halves = rng.integers(0, 0x7C00, 64).astype(np.uint16).view(np.float16).astype(np.float64)
above = np.nextafter(halves.astype(np.float16), np.float16(np.inf)).astype(np.float64)
above[np.isinf(above)] = 65536
ties = ((halves + above) / 2).astype(np.float32)
edges = np.array([0.0, -0.0, np.inf, -np.inf, 65504, 65519.99, 65520, -65520, 2**-14, 2**-24, 2**-25, -(2**-25),
                  np.nextafter(np.float32(2**-25), np.float32(1)), 1, -1, 3.0], np.float32)
x = np.concatenate([x, ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(np.inf)), edges])
x = torch.from_numpy(x).reshape(29, 16)
save_file(
    {
        "x": x,
        "half": x.half(),
        "brain": x.bfloat16(),
        "double": x[:2].double() / 3,
        "whole": torch.tensor([[1, -2, 3], [2**62, -(2**63), 0]]),
        "scalar": torch.tensor(0.5),
        "empty": torch.zeros(0, 3),
        "mask": torch.tensor([True, False, True]),
    },
    "golden.safetensors",
    metadata={"format": "pt", "note": 'quotes " and \\ and ü and \n and \u0007'},
)
