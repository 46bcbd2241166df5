"""Writes golden/blocks.mat: arrays as the SIDD files have them (images x blocks x height x width x 3, uint8), by SciPy.

Value of image i, block j at row y, column x, channel c: (97 i + 31 j + 13 y + 5 x + 71 c) mod 256.
"""
import pathlib

import numpy as np
import scipy.io

i, j, y, x, c = np.ogrid[0:2, 0:3, 0:4, 0:5, 0:3]
blocks = ((97 * i + 31 * j + 13 * y + 5 * x + 71 * c) % 256).astype(np.uint8)
scipy.io.savemat(pathlib.Path(__file__).parent / "golden" / "blocks.mat",
                 {"ValidationNoisyBlocksSrgb": blocks, "note": "no picture"}, do_compression=True)
