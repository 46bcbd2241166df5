"""Weights from a formula, so that golden files need not hold them. README.md states it for other languages."""
import math

import numpy as np
import torch


def mixed(p, count):
    """count numbers in [-1, 1), exact in float32, for the parameter at place p."""
    i = np.arange(1, count + 1, dtype=np.uint64)
    h = (i * 0x9E3779B1 ^ (p + 1) * 0x85EBCA77 & 0xFFFFFFFF) & 0xFFFFFFFF
    h ^= h >> np.uint64(16)
    h = h * 0x7FEB352D & 0xFFFFFFFF
    h ^= h >> np.uint64(15)
    h = h * 0x846CA68B & 0xFFFFFFFF
    h ^= h >> np.uint64(16)
    return (h >> np.uint64(8)).astype(np.float64) / 2**23 - 1


def value(name, shape, p):
    """float32 weights: uniform with Kaiming's variance; norm weights and running variances about 1, biases and running
    means about 0, all +-0.1."""
    v = mixed(p, math.prod(shape))
    if len(shape) > 1:
        v = math.sqrt(6 / math.prod(shape[1:])) * v
    else:
        v = (1 if name.endswith(("weight", "running_var")) else 0) + 0.1 * v
    return torch.from_numpy(v.astype(np.float32).reshape(shape))


def fill(named):
    """named: {name: parameter}; the place p of a parameter is that of its name among the sorted names."""
    with torch.no_grad():
        for p, name in enumerate(sorted(named)):
            named[name].copy_(value(name, tuple(named[name].shape), p))
