"""Restormer (Zamir et al. 2022) in PyTorch, written from the description of its layers and the listing of its
parameters. It returns the residual: the published network adds its input at the end, here the caller does.
"""
import torch
import torch.nn.functional as F
from torch import nn

from grey import through_luma


class LayerNorm(nn.Module):
    """Over the channels, eps 1e-5; without bias the mean is not subtracted."""

    def __init__(self, channels, bias):
        super().__init__()
        self.body = nn.ParameterDict({"weight": nn.Parameter(torch.ones(channels))})
        if bias:
            self.body["bias"] = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        deviation = torch.sqrt(x.var(1, keepdim=True, unbiased=False) + 1e-5)
        weight = self.body["weight"][:, None, None]
        if "bias" not in self.body:
            return x / deviation * weight
        return (x - x.mean(1, keepdim=True)) / deviation * weight + self.body["bias"][:, None, None]


class ChannelAttention(nn.Module):
    """softmax(temperature cos(q_i, k_j)) v_j between the channels of each head; cosines over all pixels."""

    def __init__(self, channels, heads, bias):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=bias)
        self.qkv_dwconv = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=bias)
        self.project_out = nn.Conv2d(channels, channels, 1, bias=bias)

    def forward(self, x):
        n, c, h, w = x.shape
        heads = self.temperature.shape[0]
        q, k, v = self.qkv_dwconv(self.qkv(x)).reshape(n, 3, heads, c // heads, h * w).unbind(1)
        products = torch.einsum("nhip,nhjp->nhij", q, k)
        cosines = products / (q.norm(dim=3)[:, :, :, None] * k.norm(dim=3)[:, :, None])
        out = torch.softmax(self.temperature * cosines, 3) @ v
        return self.project_out(out.reshape(n, c, h, w))


class FeedForward(nn.Module):
    """A depth-wise convolution among hidden channels; GELU of the first half times the second."""

    def __init__(self, channels, expansion, bias):
        super().__init__()
        hidden = int(channels * expansion)
        self.project_in = nn.Conv2d(channels, 2 * hidden, 1, bias=bias)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=bias)
        self.project_out = nn.Conv2d(hidden, channels, 1, bias=bias)

    def forward(self, x):
        gate, value = self.dwconv(self.project_in(x)).chunk(2, 1)
        return self.project_out(F.gelu(gate) * value)


class TransformerBlock(nn.Module):
    def __init__(self, channels, heads, settings):
        super().__init__()
        self.norm1 = LayerNorm(channels, settings.norm_bias)
        self.attn = ChannelAttention(channels, heads, settings.bias)
        self.norm2 = LayerNorm(channels, settings.norm_bias)
        self.ffn = FeedForward(channels, settings.expansion, settings.bias)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.ffn(self.norm2(x))


def resampling(channels, outputs):
    return nn.ModuleDict({"body": nn.ModuleDict({"0": nn.Conv2d(channels, outputs, 3, padding=1, bias=False)})})


class Restormer(nn.Module):
    """x (n,3,h,w; h and w multiples of 2^(levels-1)) -> the residual, of the same shape. Levels: len(blocks).

    dual_pixel: x (n,6,h,w), two views -> the picture (n,3,h,w).
    """

    def __init__(self, width=48, blocks=(4, 6, 6, 8), refinement=4, heads=(1, 2, 4, 8), expansion=2.66, bias=False,
                 norm_bias=False, grey=False, dual_pixel=False):
        super().__init__()
        self.expansion, self.bias, self.norm_bias, self.levels = expansion, bias, norm_bias, len(blocks)
        self.grey, self.dual_pixel = grey, dual_pixel
        channels = 1 if grey else 6 if dual_pixel else 3
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(channels, width, 3, padding=1, bias=False)})
        last = self.levels - 1
        for i in range(last):
            c = width << i
            setattr(self, f"encoder_level{i + 1}", self._stage(c, heads[i], blocks[i]))
            setattr(self, f"down{i + 1}_{i + 2}", resampling(c, c // 2))
            setattr(self, f"up{i + 2}_{i + 1}", resampling(2 * c, 4 * c))
            if i > 0:
                setattr(self, f"reduce_chan_level{i + 1}", nn.Conv2d(2 * c, c, 1, bias=bias))
            setattr(self, f"decoder_level{i + 1}", self._stage(c if i else 2 * c, heads[i], blocks[i]))
        self.latent = self._stage(width << last, heads[last], blocks[last])
        self.refinement = self._stage(2 * width, heads[0], refinement)
        if dual_pixel:
            self.skip_conv = nn.Conv2d(width, 2 * width, 1, bias=bias)
        self.output = nn.Conv2d(2 * width, 1 if grey else 3, 3, padding=1, bias=bias)

    def _stage(self, channels, heads, blocks):
        return nn.Sequential(*(TransformerBlock(channels, heads, self) for _ in range(blocks)))

    def _resample(self, name, x):
        return getattr(self, name)["body"]["0"](x)

    def forward(self, x):
        return through_luma(self.residual, x) if self.grey else self.residual(x)

    def residual(self, x):
        first = x = self.patch_embed["proj"](x)
        skips = []
        for i in range(1, self.levels):
            x = getattr(self, f"encoder_level{i}")(x)
            skips.append(x)
            x = F.pixel_unshuffle(self._resample(f"down{i}_{i + 1}", x), 2)
        x = self.latent(x)
        for i in range(self.levels - 1, 0, -1):
            x = F.pixel_shuffle(self._resample(f"up{i + 1}_{i}", x), 2)
            x = torch.cat([x, skips.pop()], 1)
            if i > 1:
                x = getattr(self, f"reduce_chan_level{i}")(x)
            x = getattr(self, f"decoder_level{i}")(x)
        x = self.refinement(x)
        return self.output(x + self.skip_conv(first) if self.dual_pixel else x)
