"""SwinIR and Uformer in PyTorch, written from their papers and parameter listings.

As in networks.py, only layers with parameters are modules, under the published names. Attention is Swin's in its own
terms (Liu et al. 2021): the picture is turned by the shift, cut into windows, and a mask of -100 keeps pixels from
opposite borders apart. Inside blocks pictures are n,h,w,c.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from grey import through_luma
from networks import conv3


def cut(x, size):
    """n,h,w,c -> n * windows, size * size, c."""
    n, h, w, c = x.shape
    return x.reshape(n, h // size, size, w // size, size, c).transpose(2, 3).reshape(-1, size * size, c)


def join(windows, size, n, h, w):
    """The way back from cut."""
    return windows.reshape(n, h // size, w // size, size, size, -1).transpose(2, 3).reshape(n, h, w, -1)


def relative_index(size):
    """Row of the bias table for each pair (query, key) of a window's pixels."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    y, x = y.flatten(), x.flatten()
    return (y[:, None] - y + size - 1) * (2 * size - 1) + x[:, None] - x + size - 1


def shift_mask(h, w, size, shift, dtype):
    """windows, 1, size * size, size * size: -100 between pixels that were not neighbours before the turn."""
    def regions(length):
        i = torch.arange(length)
        return (i >= length - size).long() + (i >= length - shift).long()

    region = cut((regions(h)[:, None] * 3 + regions(w))[None, :, :, None], size)[..., 0]
    return -100 * (region[:, None, :, None] != region[:, None, None, :]).to(dtype)


class WindowAttention(nn.Module):
    """x (n,h,w,c) -> the same shape. split: a linear layer for queries, one for keys and values (Uformer)."""

    def __init__(self, channels, heads, size, shift, split=False):
        super().__init__()
        self.heads, self.size, self.shift = heads, size, shift
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * size - 1) ** 2, heads))
        self.qkv = nn.Linear(channels, 3 * channels) if not split else nn.ModuleDict(
            {"to_q": nn.Linear(channels, channels), "to_kv": nn.Linear(channels, 2 * channels)})
        self.proj = nn.Linear(channels, channels)

    def queries_keys_values(self, x):
        if isinstance(self.qkv, nn.Linear):
            return self.qkv(x)
        return torch.cat([self.qkv["to_q"](x), self.qkv["to_kv"](x)], -1)

    def forward(self, x, modulator=None):
        n, h, w, c = x.shape
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
        x = cut(x, self.size)
        if modulator is not None:
            x = x + modulator
        qkv = self.queries_keys_values(x).reshape(len(x), self.size ** 2, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(2, 3) / math.sqrt(c // self.heads)
        scores = scores + self.relative_position_bias_table[relative_index(self.size)].permute(2, 0, 1)
        if self.shift:
            scores = scores + shift_mask(h, w, self.size, self.shift, x.dtype).repeat(n, 1, 1, 1)
        x = (scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, self.size ** 2, c)
        x = join(self.proj(x), self.size, n, h, w)
        return x.roll((self.shift, self.shift), (1, 2)) if self.shift else x


def shift_of(block, size):
    return size // 2 if block % 2 else 0


def channels_last(layer, x):
    """A layer on n,c,h,w applied to n,h,w,c."""
    return layer(x.movedim(-1, 1)).movedim(1, -1)


# ---- SwinIR (Liang et al. 2021), denoising -------------------------------------------------------------------


class SwinBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)) with one hidden layer and GELU."""

    def __init__(self, channels, heads, size, shift, hidden):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, size, shift)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(channels, hidden), "fc2": nn.Linear(hidden, channels)})

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class SwinGroup(nn.Module):
    """Blocks, every other one shifted, a convolution, and the input added."""

    def __init__(self, channels, depth, heads, size, hidden):
        super().__init__()
        self.residual_group = nn.ModuleDict({"blocks": nn.ModuleList(
            SwinBlock(channels, heads, size, shift_of(i, size), hidden) for i in range(depth))})
        self.conv = conv3(channels, channels)

    def forward(self, x):
        y = x
        for block in self.residual_group["blocks"]:
            y = block(y)
        return channels_last(self.conv, y) + x


class SwinIR(nn.Module):
    """x (n,3,h,w; multiples of the window) -> the residual, the published output minus x."""

    def __init__(self, width=180, depths=(6,) * 6, heads=(6,) * 6, window=8, mlp_ratio=2.0, range=1.0,
                 grey=False):
        super().__init__()
        hidden, channels = int(width * mlp_ratio), 1 if grey else 3
        self.range, self.grey = range, grey
        self.conv_first = conv3(channels, width)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(width)})
        self.layers = nn.ModuleList(SwinGroup(width, d, k, window, hidden) for d, k in zip(depths, heads))
        self.norm = nn.LayerNorm(width)
        self.conv_after_body, self.conv_last = conv3(width, width), conv3(width, channels)

    def forward(self, x):
        return through_luma(self.residual, x) if self.grey else self.residual(x)

    def residual(self, x):
        mean = torch.tensor([0.0] if self.grey else [0.4488, 0.4371, 0.4040], dtype=torch.float32).to(x)
        shallow = self.conv_first((x - mean[:, None, None]) * self.range)
        y = self.patch_embed["norm"](shallow.movedim(1, -1))
        for group in self.layers:
            y = group(y)
        return self.conv_last(self.conv_after_body(self.norm(y).movedim(-1, 1)) + shallow) / self.range


# ---- Uformer (Wang et al. 2022) ------------------------------------------------------------------------------


class UformerBlock(nn.Module):
    """x + attention(norm(x) [+ modulator]), then x + mlp(norm(x)) with a depth-wise convolution between its layers."""

    def __init__(self, channels, heads, size, shift, hidden, modulator):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, heads, size, shift, split=True)
        self.mlp = nn.ModuleDict({
            "linear1": nn.ModuleDict({"0": nn.Linear(channels, hidden)}),
            "dwconv": nn.ModuleDict({"0": nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)}),
            "linear2": nn.ModuleDict({"0": nn.Linear(hidden, channels)})})
        self.modulator = nn.Embedding(size ** 2, channels) if modulator else None

    def forward(self, x):
        x = x + self.attn(self.norm1(x), self.modulator.weight if self.modulator else None)
        y = F.gelu(self.mlp["linear1"]["0"](self.norm2(x)))
        y = F.gelu(channels_last(self.mlp["dwconv"]["0"], y))
        return x + self.mlp["linear2"]["0"](y)


class Uformer(nn.Module):
    """x (n,3,h,w; multiples of the window at the coarsest level) -> the residual.

    depths, heads: the encoder's levels, the bottleneck, the decoder's. image_size: levels at which such a picture is
    no larger than a window have windows of that size, never shifted. transposed_up: up-sampling by a transposed
    convolution, else bilinear (corners not aligned) and a convolution. shift False: no windows are shifted.
    """

    def __init__(self, width=32, depths=(2,) * 9, heads=(1, 2, 4, 8, 16, 16, 8, 4, 2), window=8, mlp_ratio=4.0,
                 image_size=256, modulators=0, transposed_up=0, shift=True):
        super().__init__()
        self.levels, self.transposed_up = len(depths) // 2, transposed_up

        def layer(stage, level, channels):
            size = min(window, image_size >> level)
            by = window if shift and image_size >> level > window else 0
            return nn.ModuleDict({"blocks": nn.ModuleList(
                UformerBlock(channels, heads[stage], size, shift_of(i, by), int(channels * mlp_ratio),
                             modulators and stage > self.levels) for i in range(depths[stage]))})

        def single(name, module):
            place = "1" if name == "deconv" and not transposed_up else "0"
            return nn.ModuleDict({name: nn.ModuleDict({place: module})})

        self.input_proj, self.output_proj = single("proj", conv3(3, width)), single("proj", conv3(2 * width, 3))
        for i in range(self.levels):
            c = width << i
            setattr(self, f"encoderlayer_{i}", layer(i, i, c))
            setattr(self, f"dowsample_{i}", single("conv", nn.Conv2d(c, 2 * c, 4, stride=2, padding=1)))
        self.conv = layer(self.levels, self.levels, width << self.levels)
        c = width << self.levels
        for i in range(self.levels):
            level = self.levels - 1 - i
            up = nn.ConvTranspose2d(c, width << level, 2, stride=2) if transposed_up else conv3(c, width << level)
            setattr(self, f"upsample_{i}", single("deconv", up))
            c = 2 * width << level
            setattr(self, f"decoderlayer_{i}", layer(self.levels + 1 + i, level, c))

    def blocks(self, name, x):
        """x: n,c,h,w."""
        x = x.movedim(1, -1)
        for block in getattr(self, name)["blocks"]:
            x = block(x)
        return x.movedim(-1, 1)

    def up(self, i, x):
        if self.transposed_up:
            return getattr(self, f"upsample_{i}")["deconv"]["0"](x)
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return getattr(self, f"upsample_{i}")["deconv"]["1"](x)

    def forward(self, x):
        x = F.leaky_relu(self.input_proj["proj"]["0"](x), 0.01)
        skips = []
        for i in range(self.levels):
            skips.append(self.blocks(f"encoderlayer_{i}", x))
            x = getattr(self, f"dowsample_{i}")["conv"]["0"](skips[-1])
        x = self.blocks("conv", x)
        for i in range(self.levels):
            x = self.blocks(f"decoderlayer_{i}", torch.cat([self.up(i, x), skips.pop()], 1))
        return self.output_proj["proj"]["0"](x)
