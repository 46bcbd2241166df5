"""NAFNet and DnCNN in PyTorch, written from their papers and the parameter listings, in the manner of networks.py."""
import torch
import torch.nn.functional as F
from torch import nn

from grey import through_luma
from networks import conv3

# ---- NAFNet (Chen et al. 2022) -------------------------------------------------------------------------------


def simple_gate(x):
    a, b = x.chunk(2, 1)
    return a * b


class PixelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel of n,c,h,w."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def local_mean(x, window):
    """Of the window around each pixel, cut to the picture's size and moved inside it (Chu et al. 2022)."""
    sizes = [min(window, n) for n in x.shape[2:]]
    rows, columns = ([min(max(i - (k - 1) // 2, 0), n - k) for i in range(n)] for n, k in zip(x.shape[2:], sizes))
    return F.avg_pool2d(x, sizes, stride=1)[:, :, rows][:, :, :, columns]


class NAFBlock(nn.Module):
    """y = x + beta attend(gate(depthwise(conv(norm(x))))); y + gamma conv(gate(conv(norm(y)))).

    attend multiplies each channel with a linear function of all channels' means over the picture, or a window.
    """

    def __init__(self, c, window):
        super().__init__()
        self.window = window
        self.norm1, self.norm2 = PixelNorm(c, eps=1e-6), PixelNorm(c, eps=1e-6)
        self.conv1 = nn.Conv2d(c, 2 * c, 1)
        self.conv2 = nn.Conv2d(2 * c, 2 * c, 3, padding=1, groups=2 * c)
        self.sca = nn.ModuleDict({"1": nn.Conv2d(c, c, 1)})
        self.conv3 = nn.Conv2d(c, c, 1)
        self.conv4 = nn.Conv2d(c, 2 * c, 1)
        self.conv5 = nn.Conv2d(c, c, 1)
        self.beta, self.gamma = (nn.Parameter(torch.zeros(1, c, 1, 1)) for _ in range(2))

    def forward(self, x):
        h = simple_gate(self.conv2(self.conv1(self.norm1(x))))
        h = h * self.sca["1"](local_mean(h, self.window) if self.window else h.mean((2, 3), keepdim=True))
        y = x + self.beta * self.conv3(h)
        return y + self.gamma * self.conv5(simple_gate(self.conv4(self.norm2(y))))


class NAFNet(nn.Module):
    """x (n,3,h,w; multiples of 2^levels) -> the residual: the published network returns x + this."""

    def __init__(self, width=32, middle_blocks=12, encoder_blocks=(2, 2, 4, 8), decoder_blocks=(2, 2, 2, 2),
                 local=0):
        super().__init__()
        levels = len(encoder_blocks)

        def blocks(count, level):
            window = max(local >> level, 1) if local else 0
            return nn.Sequential(*(NAFBlock(width << level, window) for _ in range(count)))

        self.intro, self.ending = conv3(3, width), conv3(width, 3)
        self.encoders = nn.ModuleList(blocks(n, i) for i, n in enumerate(encoder_blocks))
        self.downs = nn.ModuleList(nn.Conv2d(width << i, width << i + 1, 2, stride=2) for i in range(levels))
        self.middle_blks = blocks(middle_blocks, levels)
        above = list(reversed(range(levels)))
        self.ups = nn.ModuleList(
            nn.ModuleDict({"0": nn.Conv2d(width << i + 1, width << i + 2, 1, bias=False)}) for i in above)
        self.decoders = nn.ModuleList(blocks(n, i) for n, i in zip(decoder_blocks, above))

    def forward(self, x):
        x, skips = self.intro(x), []
        for encoder, down in zip(self.encoders, self.downs):
            skips.append(encoder(x))
            x = down(skips[-1])
        x = self.middle_blks(x)
        for up, decoder in zip(self.ups, self.decoders):
            x = decoder(F.pixel_shuffle(up["0"](x), 2) + skips.pop())
        return self.ending(x)


# ---- DnCNN (Zhang et al. 2017) -------------------------------------------------------------------------------


class DnCNN(nn.Module):
    """x (n,3,h,w) -> what is added to x. Batch normalisation follows train()/eval().

    norm=False: as published with the normalisation in the convolutions; kair: beside biases, as that repository
    trains it; subtract: the layers give what is subtracted.
    """

    def __init__(self, width=64, depth=17, norm=True, subtract=False, grey=False, bias=False, kair=False):
        super().__init__()
        channels = 1 if grey else 3
        self.norm, self.subtract, self.grey = norm, subtract, grey
        if not norm:
            ends = [channels] + [width] * (depth - 1) + [channels]
            self.model = nn.ModuleDict({f"{2 * i}": conv3(ends[i], ends[i + 1]) for i in range(depth)})
            return
        bias, settings = bias or kair, {"eps": 1e-4, "momentum": 0.9} if kair else {}
        layers = {"0": nn.Conv2d(channels, width, 3, padding=1, bias=bias)}
        for i in range(1, depth - 1):
            layers[f"{3 * i - 1}"] = nn.Conv2d(width, width, 3, padding=1, bias=bias)
            layers[f"{3 * i}"] = nn.BatchNorm2d(width, **settings)
        layers[f"{3 * depth - 4}"] = nn.Conv2d(width, channels, 3, padding=1, bias=bias)
        self.list = "model" if kair else "dncnn"
        self.add_module(self.list, nn.ModuleDict(layers))

    def forward(self, x):
        y = through_luma(self.layers, x) if self.grey else self.layers(x)
        return -y if self.subtract else y

    def layers(self, x):
        if not self.norm:
            *inner, last = self.model.values()
            for conv in inner:
                x = F.relu(conv(x))
            return last(x)
        first, *middle, last = getattr(self, self.list).values()
        x = F.relu(first(x))
        for conv, norm in zip(middle[::2], middle[1::2]):
            x = F.relu(norm(conv(x)))
        return last(x)
