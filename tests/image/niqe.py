"""NIQE in numpy, from the paper and the definitions of MATLAB's functions, block by block and with nothing separated:
what src/image/niqe*.c is compared with. Makes golden/niqe.txt (python niqe.py), and measures files:

    python niqe.py --model MODEL PICTURE...        # MODEL: a text file (docs/metrics.md), or .mat of the authors' release

golden/niqe.txt: feature I VALUE       the 36 numbers of the first block of textured(200, 300)
                 niqe HEIGHT WIDTH VALUE   of textured(HEIGHT, WIDTH), from model()
"""
import argparse
import pathlib

import numpy as np
from scipy.special import gamma

BLOCK = 96
SHAPES = 0.2 + 0.001 * np.arange(9801)
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))


def textured(height, width):
    """A picture of edges, waves and grain in whole numbers of 0 to 255, the same in C."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3].astype(np.int64)
    v = 90 + 20 * c + 40 * ((x // 23 + y // 31) % 3) + (x * x // 50 + y * 3) % 41 + (x * 7919 + y * 104729 + x * y * 31) % 29
    return (v % 256).astype(np.uint8)


def model():
    """A mean and a covariance from formulas, the same in C."""
    i = np.arange(36)
    mean = 0.3 + (i * 7 % 11) / 10
    a = np.cos(np.outer(i + 1, i + 2)) / 20
    return mean, a @ a.T + np.diag(0.01 + i / 500)


def rgb2gray(u):
    weights = np.linalg.inv([[1, 0.956, 0.621], [1, -0.272, -0.647], [1, -1.106, 1.703]])[0]
    return np.floor(u.astype(np.float64) @ weights + 0.5)


def imresize_half(x):
    """MATLAB's imresize(x, 0.5): cubic of a = -1/2, twice as wide, borders mirrored; rows, then columns."""
    def cubic(t):
        t = np.abs(t)
        return np.where(t <= 1, 1.5 * t**3 - 2.5 * t**2 + 1, np.where(t <= 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0))

    for _ in range(2):
        n = x.shape[0]
        u = (np.arange(1, n // 2 + 1) - 0.5) * 2 + 0.5
        at = np.floor(u - 4)[:, None] + np.arange(10)
        w = cubic((u[:, None] - at) / 2)
        w /= w.sum(1, keepdims=True)
        mirror = np.concatenate([np.arange(n), np.arange(n)[::-1]])
        x = (w[..., None] * x[mirror[(at.astype(int) - 1) % (2 * n)]]).sum(1).T
    return x


def normalised(x):
    y, z = np.mgrid[-3:4, -3:4]
    window = np.exp(-(y * y + z * z) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    p = np.pad(x, 3, mode="edge")
    mean, square = np.zeros_like(x), np.zeros_like(x)
    for i, j in np.ndindex(7, 7):
        part = p[i:i + x.shape[0], j:j + x.shape[1]]
        mean += window[i, j] * part
        square += window[i, j] * part**2
    deviation = np.sqrt(np.abs(square - mean**2))
    difference = x - mean
    difference[np.abs(difference) < 1e-8] = 0  # rounding, in flat areas
    return difference / (deviation + 1), deviation


def aggd(v):
    v = v.ravel()
    if not (v < 0).any() or not (v > 0).any():
        return np.nan, np.nan, np.nan
    left, right = np.sqrt(np.mean(v[v < 0] ** 2)), np.sqrt(np.mean(v[v > 0] ** 2))
    g = left / right
    r = np.mean(np.abs(v)) ** 2 / np.mean(v**2) * (g**3 + 1) * (g + 1) / (g**2 + 1) ** 2
    a = SHAPES[np.argmin((RATIOS - r) ** 2)]
    width = np.sqrt(gamma(1 / a) / gamma(3 / a))
    return a, left * width, right * width


def features_of(block):
    a, left, right = aggd(block)
    out = [a, (left + right) / 2]
    for shift in (0, 1), (1, 0), (1, 1), (-1, 1):
        a, left, right = aggd(block * np.roll(block, shift, (0, 1)))
        out += [a, (right - left) * gamma(2 / a) / gamma(1 / a), left, right]
    return out


def block_features(u):
    """rows x 36 and the mean deviation of each block, of a uint8 picture."""
    rows, columns = u.shape[0] // BLOCK, u.shape[1] // BLOCK
    x = rgb2gray(u[:rows * BLOCK, :columns * BLOCK])
    scales, sharpness = [], None
    for side in BLOCK, BLOCK // 2:
        n, deviation = normalised(x)
        cut = [(slice(i * side, (i + 1) * side), slice(j * side, (j + 1) * side)) for i in range(rows) for j in range(columns)]
        scales.append([features_of(n[c]) for c in cut])
        sharpness = [deviation[c].mean() for c in cut] if sharpness is None else sharpness
        x = imresize_half(x)
    return np.hstack(scales), np.array(sharpness)


def niqe(u, mean, covariance):
    f = block_features(u)[0]
    f = f[np.isfinite(f).all(1)]
    d = f.mean(0) - mean
    return np.sqrt(d @ np.linalg.pinv((np.cov(f.T) + covariance) / 2) @ d)


def read_model(path):
    if path.endswith(".mat"):
        from scipy.io import loadmat
        m = loadmat(path)
        names = [k for k in m if not k.startswith("_")]
        mean, covariance = (next(m[k] for k in names if s in k) for s in ("mu", "cov"))
        return np.ravel(mean), covariance
    lines = [line for line in open(path) if not line.startswith(("#", "//"))]
    numbers = np.array([float(v) for v in " ".join(lines).replace(",", " ").split()]).reshape(37, 36)
    return numbers[0], numbers[1:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("pictures", nargs="*")
    args = parser.parse_args()
    if args.pictures:
        from skimage.io import imread
        for path in args.pictures:
            print(f"{path} {niqe(imread(path)[..., :3], *read_model(args.model)):.6f}")
        return
    lines = [f"feature {i} {v:.12f}" for i, v in enumerate(block_features(textured(200, 300))[0][0])]
    for size in (200, 300), (96, 192), (330, 217):
        lines.append("niqe %d %d %.12f" % (*size, niqe(textured(*size), *model())))
    (pathlib.Path(__file__).parent / "golden" / "niqe.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
