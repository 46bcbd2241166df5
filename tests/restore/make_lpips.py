"""Makes golden/lpips.txt with the lpips package: kind height width distance. Weights are those of ../oracle/formula.py
under torchvision's and lpips' names; pictures those of pair() in ../image/make_goldens.py, rounded to 8 bits.
Needs torch, torchvision, lpips. Pretrained weights are not needed."""
import pathlib
import re
import sys
import warnings

import lpips
import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent / "oracle"))
import formula  # noqa: E402

warnings.filterwarnings("ignore")


def pair(height, width):
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    a = 30 + 5 * x + 3 * y + 40 * c + (x * y) % 97 * 4
    b = a + (x * 31 + y * 17 + c * 11) % 83 - 37
    return [np.rint(np.clip((v % 1021).astype(np.float32) / np.float32(1000), 0, 1) * np.float32(255)) for v in (a, b)]


def named(model):
    """The parameters as a user's file names them."""
    out = {}
    for name, value in model.named_parameters():
        inner = re.fullmatch(r"net\.slice\d\.(\d+\.\w+)", name)
        if inner:
            out["features." + inner[1]] = value
        elif re.fullmatch(r"lin\d\.model\.1\.weight", name):
            out[name] = value
    return out


lines = []
for kind, sizes in ("alex", [(64, 64), (75, 98)]), ("vgg", [(32, 32), (37, 50)]):
    model = lpips.LPIPS(net=kind, pretrained=False, pnet_rand=True, verbose=False).double().eval()
    weights = named(model)
    formula.fill(weights)
    for height, width in sizes:
        a, b = (torch.from_numpy(v.astype(np.float64) / 255 * 2 - 1).permute(2, 0, 1)[None] for v in pair(height, width))
        with torch.no_grad():
            lines.append("%s %d %d %.9f" % (kind, height, width, model(a, b).item()))
(HERE / "golden/lpips.txt").write_text("\n".join(lines) + "\n")
