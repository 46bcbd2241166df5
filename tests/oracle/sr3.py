"""SR3's U-Net (Saharia et al. 2021) in PyTorch, in the form of its usual implementation, written from the description
of its layers and the listing of its parameters.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from networks import Norm, conv3


def sines_then_cosines(level, width):
    """level (n) -> (n,width): sin, then cos, of level * 10000^(-i / half), i < half = width // 2."""
    angle = level[:, None] / 10000 ** (torch.arange(width // 2, dtype=level.dtype) / (width // 2))
    return torch.cat([angle.sin(), angle.cos()], 1)


class ConvBlock(nn.Module):
    """conv(dropout(SiLU(norm(x))))."""

    def __init__(self, inputs, outputs, groups, dropout=0.0):
        super().__init__()
        self.dropout = dropout
        self.block = nn.ModuleDict({"0": Norm(groups, inputs), "3": conv3(inputs, outputs)})

    def forward(self, x):
        x = F.silu(self.block["0"](x))
        return self.block["3"](F.dropout(x, self.dropout, self.training))


class LevelLayer(nn.Module):
    """x + e, or x (1 + scale) + shift, from a linear layer of the embedding."""

    def __init__(self, width, channels, affine):
        super().__init__()
        self.affine = affine
        self.noise_func = nn.ModuleDict({"0": nn.Linear(width, channels * 2 if affine else channels)})

    def forward(self, x, embedding):
        e = self.noise_func["0"](embedding)[:, :, None, None]
        if not self.affine:
            return x + e
        scale, shift = e.chunk(2, 1)
        return x * (1 + scale) + shift


class ResBlock(nn.Module):
    def __init__(self, inputs, outputs, net):
        super().__init__()
        self.noise_func = LevelLayer(net.width, outputs, net.affine)
        self.block1 = ConvBlock(inputs, outputs, net.norm_groups)
        self.block2 = ConvBlock(outputs, outputs, net.norm_groups, net.dropout)
        if inputs != outputs:
            self.res_conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, embedding):
        h = self.block2(self.noise_func(self.block1(x), embedding))
        return h + (self.res_conv(x) if hasattr(self, "res_conv") else x)


class SelfAttention(nn.Module):
    """One head: scores q.k / sqrt(channels) between all positions."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = Norm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, 3, c, h * w).unbind(1)
        weights = torch.softmax(torch.einsum("nct,ncs->nts", q, k) / math.sqrt(c), 2)
        return x + self.out(torch.einsum("nts,ncs->nct", weights, v).reshape(n, c, h, w))


class Block(nn.Module):
    def __init__(self, inputs, outputs, net, attends):
        super().__init__()
        self.res_block = ResBlock(inputs, outputs, net)
        if attends:
            self.attn = SelfAttention(outputs, net.norm_groups)

    def forward(self, x, embedding):
        x = self.res_block(x, embedding)
        return self.attn(x) if hasattr(self, "attn") else x


class Resample(nn.Module):
    """A convolution of stride 2 down, or nearest neighbours and a convolution up."""

    def __init__(self, channels, stride):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride, 1)

    def forward(self, x, embedding):
        return self.conv(x if self.conv.stride[0] == 2 else F.interpolate(x, scale_factor=2, mode="nearest"))


class SR3UNet(nn.Module):
    """x (n,9,h,w) = [y_g, condition, condition'], level (n) = g -> the predicted noise (n,3,h,w).

    attention_rates: the down-sampling rates whose blocks attend; the first block of the middle always does. The
    published attn_res 16 at image_size 128 is rate 8.
    """

    def __init__(self, width=64, multipliers=(1, 2, 4, 8), res_blocks=2, attention_rates=(8,), dropout=0.2,
                 norm_groups=32, affine=False, inputs=9, outputs=3):
        super().__init__()
        self.width, self.dropout, self.norm_groups, self.affine = width, dropout, norm_groups, affine
        widths = [width * m for m in multipliers]
        attends = [1 << level in attention_rates for level in range(len(widths))]
        self.noise_level_mlp = nn.ModuleDict({"1": nn.Linear(width, 4 * width), "3": nn.Linear(4 * width, width)})

        self.downs = nn.ModuleList([conv3(inputs, width)])
        kept = [width]
        for level, c in enumerate(widths):
            for _ in range(res_blocks):
                self.downs.append(Block(kept[-1], c, self, attends[level]))
                kept.append(c)
            if level + 1 < len(widths):
                self.downs.append(Resample(c, 2))
                kept.append(c)

        self.mid = nn.ModuleList([Block(c, c, self, True), Block(c, c, self, False)])

        self.ups = nn.ModuleList()
        for level in reversed(range(len(widths))):
            for _ in range(res_blocks + 1):
                self.ups.append(Block(c + kept.pop(), widths[level], self, attends[level]))
                c = widths[level]
            if level > 0:
                self.ups.append(Resample(c, 1))
        self.final_conv = ConvBlock(c, outputs, norm_groups)

    def forward(self, x, level):
        e = self.noise_level_mlp["1"](sines_then_cosines(level, self.width))
        e = self.noise_level_mlp["3"](F.silu(e))
        skips = []
        for i, layer in enumerate(self.downs):
            x = layer(x, e) if i else layer(x)
            skips.append(x)
        for block in self.mid:
            x = block(x, e)
        for layer in self.ups:
            x = layer(torch.cat([x, skips.pop()], 1) if isinstance(layer, Block) else x, e)
        return self.final_conv(x)
