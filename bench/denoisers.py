"""Classical denoisers beside `noiseda eval`, on pairs of noisy and clean pictures of the same names.

    python bench/denoisers.py noisy/ clean/ --program build/src/cli/noiseda --model run/model.safetensors

Needs scikit-image and PyWavelets, for BM3D the package bm3d. Every figure is one of `noiseda eval`, also those of the
classical denoisers: their results are written as PNG and measured by it.

Each denoiser has one setting for all pictures: the best in PSNR of those listed in SETTINGS, tried on every k-th picture
of the very test (--every, 5), which is in the denoisers' favour: a model may not look at the test's targets. A setting's
noise level is `e2`, twice what scikit-image estimates from the picture, or `f6`, 6 of 255 whatever the picture.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from skimage.color import rgb2ycbcr, ycbcr2rgb
from skimage.io import imread, imsave
from skimage.metrics import peak_signal_noise_ratio
from skimage.restoration import denoise_nl_means, denoise_wavelet, estimate_sigma


def non_local_means(x, sigma, strength):
    return denoise_nl_means(x, h=strength * sigma, sigma=sigma, patch_size=5, patch_distance=6, fast_mode=True,
                            channel_axis=-1)


def wavelet(method):
    return lambda x, sigma, _: denoise_wavelet(x, sigma=sigma, method=method, mode="soft", convert2ycbcr=True,
                                               rescale_sigma=True, channel_axis=-1)


def smooth(x, step):
    """A cubic B-spline with holes: rows and columns, the picture reflected at its edges."""
    for axis in 0, 1:
        width = [(0, 0)] * x.ndim
        width[axis] = (2 * step, 2 * step)
        p, n = np.pad(x, width, mode="reflect"), x.shape[axis]
        x = sum(w * np.take(p, np.arange(n) + i * step, axis) for i, w in enumerate((1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16)))
    return x


# Standard deviation that white noise of deviation 1 has in each detail of the wavelet above.
SPREAD = 0.890, 0.201, 0.086, 0.042, 0.021


def a_trous(x, sigma, colour):
    """As darktable's `denoise (profiled)` in the mode `wavelets`: an undecimated wavelet with soft thresholds at twice the
    noise, colour thresholded `colour` times as hard as brightness."""
    y = rgb2ycbcr(x) / 255
    out, hard = np.zeros_like(y), 2 * sigma * np.array([1, colour, colour])
    for level, spread in enumerate(SPREAD):
        coarse = smooth(y, 1 << level)
        detail, limit = y - coarse, hard * spread
        out += np.sign(detail) * np.maximum(np.abs(detail) - limit, 0)
        y = coarse
    return ycbcr2rgb((out + y) * 255)


def bm3d(x, sigma, _):
    import bm3d as package
    return package.bm3d_rgb(x, sigma)


def bm3d_quick(x, sigma, _):
    """The low-complexity profile, for choosing the level: a tenth of the time."""
    import bm3d as package
    return package.bm3d_rgb(x, sigma, profile=package.BM3DProfileLC())


BM3D_LEVELS = ["f6", "f8", "f10", "f13", "f18"]
LEVELS = ["e1", "e3", "f2", "f4", "f6", "f8", "f10", "f13"]
# name: what it is, what chooses its setting, the second parameter's values
SETTINGS = {
    "nlm": (non_local_means, non_local_means, [0.6, 0.8, 1.0]),
    "bayes": (wavelet("BayesShrink"), wavelet("BayesShrink"), [1]),
    "visu": (wavelet("VisuShrink"), wavelet("VisuShrink"), [1]),
    "atrous": (a_trous, a_trous, [1, 2, 4]),
    "bm3d": (bm3d, bm3d_quick, [1]),
}
VISU_LEVELS = ["e0.5", "e1", "f0.5", "f1", "f1.5", "f2", "f3", "f4"]  # its threshold grows with the picture


def level(x, text):
    number = float(text[1:])
    return number / 255 if text[0] == "f" else number * estimate_sigma(x, channel_axis=-1, average_sigmas=True)


def run(denoise, x, setting):
    y = denoise(x, max(level(x, setting[0]), 1e-4), setting[1])
    return np.rint(np.clip(y, 0, 1) * 255).astype(np.uint8)


def choose(name, pictures):
    """The setting of the highest mean PSNR over the pictures."""
    trial, best, found = SETTINGS[name][1], None, []
    for noise in {"visu": VISU_LEVELS, "bm3d": BM3D_LEVELS}.get(name, LEVELS):
        for second in SETTINGS[name][2]:
            psnr = np.mean([peak_signal_noise_ratio(b, run(trial, a / 255, (noise, second))) for a, b in pictures])
            found.append(f"{noise}/{second}:{psnr:.3f}")
            if best is None or psnr > best[0]:
                best = psnr, (noise, second)
    print(f"  {name} {' '.join(found)}", file=sys.stderr, flush=True)
    return best[1]


def evaluate(program, protocol, arguments):
    out = subprocess.run([program, "eval", "--protocol", protocol, "--json", *arguments], check=True, stdout=subprocess.PIPE)
    return json.loads(out.stdout)["mean"]


def picture(path):
    x = imread(path)
    return np.stack([x] * 3, -1) if x.ndim == 2 else x[..., :3]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=pathlib.Path)
    parser.add_argument("target", type=pathlib.Path)
    parser.add_argument("--program", default="noiseda")
    parser.add_argument("--model", action="append", default=[], help="to be measured as well; may be repeated")
    parser.add_argument("--denoisers", default=",".join(SETTINGS))
    parser.add_argument("--protocol", default="rgb")
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=LEVEL/SECOND", help="no search for this one")
    args = parser.parse_args()
    inputs, given = sorted(args.input.iterdir()), dict(s.split("=") for s in args.set)
    targets = {p.stem: p for p in args.target.iterdir()}
    sample = [(picture(p), picture(targets[p.stem])) for p in inputs[::args.every]]
    print(f"| {args.protocol} on {len(inputs)} pairs | setting | PSNR | SSIM | seconds a picture |\n|---|---|---|---|---|")

    def row(name, setting, mean, seconds):
        print(f"| {name} | {setting} | {mean['psnr']:.3f} | {mean['ssim']:.4f} | {seconds} |", flush=True)

    target = ["--target", str(args.target)]
    row("input", "", evaluate(args.program, args.protocol, ["--input", str(args.input), *target]), "")
    for name in filter(None, args.denoisers.split(",")):
        if name in given:
            noise, second = given[name].split("/")
            setting = noise, float(second)
        else:
            setting = choose(name, sample)
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            for p in inputs:
                imsave(f"{folder}/{p.stem}.png", run(SETTINGS[name][0], picture(p) / 255, setting), check_contrast=False)
            seconds = (time.process_time() - start) / len(inputs)
            row(name, "/".join(map(str, setting)), evaluate(args.program, args.protocol, ["--input", folder, *target]),
                f"{seconds:.1f}")
    for model in args.model:
        row(model, "", evaluate(args.program, args.protocol, ["--model", model, "--input", str(args.input), *target]), "")


if __name__ == "__main__":
    main()
