"""What a script with PyTorch does for one small picture: load the weights, read the PNG, restore, write.

    python peer_startup.py WIDTH MODEL.pt IN.png OUT.png
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "oracle"))

import numpy as np  # noqa: E402
import torch  # noqa: E402
from networks import UNet  # noqa: E402
from PIL import Image  # noqa: E402


def main():
    width, model, source, target = sys.argv[1:]
    net = UNet(int(width), 4).eval().to(memory_format=torch.channels_last)
    net.load_state_dict(torch.load(model, map_location="cpu", weights_only=True))
    x = torch.from_numpy(np.array(Image.open(source).convert("RGB"))).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        y = x + net(x.to(memory_format=torch.channels_last))
    y = (y.clamp(0, 1) * 255).round().to(torch.uint8)[0].permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(y).save(target)


main()
