"""Compares the oracles' parameter names and shapes with listings of the released checkpoints.

    python check_listings.py FOLDER     # FOLDER holds unet.txt, swinir.txt, ...
"""
import pathlib
import sys

from baselines import DnCNN, NAFNet
from networks import GuidedUNet, UNet
from restormer import Restormer
from sr3 import SR3UNet
from windows import SwinIR, Uformer


BUFFERS = "relative_position_index", "attn_mask", "num_batches_tracked"  # of published files, not used here


def listed(path):
    """{name: shape} of a listing: one `name<TAB>64x3x3x3` a line, `#` for comments."""
    lines = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    lines = [line for line in lines if not line[0].endswith(BUFFERS)]
    return {name: tuple(int(d) for d in shape.split("x")) for name, shape in lines}


def main(folder):
    wrong = 0
    for name, net in (("unet", UNet()), ("nafnet", NAFNet()), ("dncnn", DnCNN()), ("swinir", SwinIR()),
                      ("uformer", Uformer()), ("restormer", Restormer()),
                      ("diffusion_guided", GuidedUNet()), ("diffusion_sr3", SR3UNet())):
        theirs = listed(pathlib.Path(folder) / f"{name}.txt")
        ours = {key: tuple(value.shape) for key, value in net.state_dict().items() if not key.endswith(BUFFERS)}
        differing = sorted(key for key in theirs.keys() | ours.keys() if theirs.get(key) != ours.get(key))
        for key in differing:
            print(f"{name}: {key}: listed {theirs.get(key)}, here {ours.get(key)}")
        wrong += len(differing)
        print(f"{name}: {len(ours)} parameters, {sum(p.numel() for p in net.parameters()):,} weights, "
              f"{len(differing)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
