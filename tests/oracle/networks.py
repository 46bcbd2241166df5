"""U-Net and guided-diffusion U-Net in PyTorch, written from the method's description and the parameter listings.

Only layers that have parameters are modules, held in containers whose keys give the released checkpoints' parameter
names; everything else (activations, resampling, skips) is written out in `forward`. Works with torch 1.13 and later,
in any floating-point type.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


def conv3(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


# ---- Restoration: U-Net --------------------------------------------------------------------------------------


class TwoConvs(nn.Module):
    """3x3 convolution and leaky ReLU, twice."""

    def __init__(self, inputs, outputs, slope):
        super().__init__()
        self.slope = slope
        self.block = nn.ModuleDict({"0": conv3(inputs, outputs), "2": conv3(outputs, outputs)})

    def forward(self, x):
        for conv in self.block.values():
            x = F.leaky_relu(conv(x), self.slope)
        return x


class UpLevel(nn.Module):
    """Bilinear x2 with aligned corners, a convolution, the skip behind it on the channels, two convolutions."""

    def __init__(self, inputs, outputs, slope):
        super().__init__()
        self.conv_up = conv3(inputs, outputs)
        self.conv_block = TwoConvs(2 * outputs, outputs, slope)

    def forward(self, x, skip):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv_block(torch.cat([self.conv_up(x), skip], 1))


class UNet(nn.Module):
    """x (n,3,h,w; h and w multiples of 2^(depth-1)) -> the residual r = R(x), of the same shape."""

    def __init__(self, width=64, depth=4, slope=0.2):
        super().__init__()
        widths = [width << level for level in range(depth)]
        self.down_path = nn.ModuleList(TwoConvs(i, o, slope) for i, o in zip([3] + widths, widths))
        self.up_path = nn.ModuleList(UpLevel(2 * o, o, slope) for o in reversed(widths[:-1]))
        self.last = conv3(width, 3)

    def forward(self, x):
        skips = []
        for level in self.down_path:
            x = level(F.avg_pool2d(x, 2) if skips else x)
            skips.append(x)
        skips.pop()
        for level in self.up_path:
            x = level(x, skips.pop())
        return self.last(x)


# ---- Diffusion: the U-Net of guided diffusion (Dhariwal & Nichol 2021) ---------------------------------------


def level_embedding(level, width, max_period=10000.0):
    """level (n) -> (n,width): cos, then sin, of level * f_i, f_i = max_period^(-i / half), i < half = width // 2.

    The level is taken as it is, not scaled. An odd width ends in a zero.
    """
    half = width // 2
    i = torch.arange(half, dtype=level.dtype, device=level.device)
    angle = level[:, None] * torch.exp(-math.log(max_period) / half * i)
    return F.pad(torch.cat([angle.cos(), angle.sin()], 1), (0, width % 2))


class Norm(nn.GroupNorm):
    """GroupNorm (eps 1e-5) of min(groups, channels) groups."""

    def __init__(self, groups, channels):
        super().__init__(min(groups, channels), channels)


def resample(x, how):
    if how == "down":
        return F.avg_pool2d(x, 2)
    return F.interpolate(x, scale_factor=2, mode="nearest") if how == "up" else x


class Residual(nn.Module):
    """h = conv(resample(SiLU(norm(x)))); h = conv(dropout(SiLU(norm(h) (1 + scale) + shift))); h + skip(resample(x)).

    [scale, shift] is a linear layer of SiLU(embedding).
    """

    def __init__(self, inputs, outputs, settings, how="keep"):
        super().__init__()
        self.how, self.dropout = how, settings.dropout
        groups = settings.norm_groups
        self.in_layers = nn.ModuleDict({"0": Norm(groups, inputs), "2": conv3(inputs, outputs)})
        self.emb_layers = nn.ModuleDict({"1": nn.Linear(4 * settings.width, 2 * outputs)})
        self.out_layers = nn.ModuleDict({"0": Norm(groups, outputs), "3": conv3(outputs, outputs)})
        if inputs != outputs:
            self.skip_connection = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, embedding):
        h = resample(F.silu(self.in_layers["0"](x)), self.how)
        h = self.in_layers["2"](h)
        scale, shift = self.emb_layers["1"](F.silu(embedding))[:, :, None, None].chunk(2, 1)
        h = F.silu(self.out_layers["0"](h) * (1 + scale) + shift)
        h = self.out_layers["3"](F.dropout(h, self.dropout, self.training))
        x = resample(x, self.how)
        return h + (self.skip_connection(x) if hasattr(self, "skip_connection") else x)


class Attention(nn.Module):
    """x + proj_out(attention(qkv(norm(x)))) over all positions.

    The channels of qkv stand head by head: query, key, value of head 0, then of head 1, ...; weights are the softmax
    over keys of q.k / sqrt(head channels).
    """

    def __init__(self, channels, settings):
        super().__init__()
        if channels % settings.head_channels:
            raise ValueError(f"{channels} channels do not split into heads of {settings.head_channels}")
        self.heads = channels // settings.head_channels
        self.fused = settings.fused_attention
        self.norm = Norm(settings.norm_groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x, embedding=None):
        n, c, h, w = x.shape
        qkv = self.qkv(self.norm(x).reshape(n, c, h * w))
        q, k, v = qkv.reshape(n, self.heads, 3, c // self.heads, h * w).transpose(3, 4).unbind(2)
        if self.fused:
            out = F.scaled_dot_product_attention(q, k, v)
        else:
            out = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(c // self.heads), -1) @ v
        out = self.proj_out(out.transpose(2, 3).reshape(n, c, h * w))
        return x + out.reshape(n, c, h, w)


class Stage(nn.ModuleList):
    """Blocks one after another; the index of each is part of its parameters' names."""

    def forward(self, x, embedding):
        for block in self:
            x = block(x) if isinstance(block, nn.Conv2d) else block(x, embedding)
        return x


class GuidedUNet(nn.Module):
    """x (n,9,h,w) = [y_g, condition, condition'], level (n) = g -> the predicted noise (n,3,h,w).

    attention_rates: the down-sampling rates (1, 2, 4, ...) whose residual blocks are followed by attention; the middle
    always has it. Dropout follows train()/eval().
    """

    def __init__(self, width=64, multipliers=(1, 2, 4, 8), res_blocks=2, attention_rates=(16,), head_channels=32,
                 dropout=0.2, norm_groups=32, inputs=9, outputs=3, fused_attention=False):
        super().__init__()
        self.width, self.dropout, self.norm_groups = width, dropout, norm_groups
        self.head_channels, self.fused_attention = head_channels, fused_attention
        widths = [width * m for m in multipliers]
        self.cond_embed = nn.ModuleDict({"0": nn.Linear(width, 4 * width), "2": nn.Linear(4 * width, 4 * width)})

        self.input_blocks = nn.ModuleList([Stage([conv3(inputs, widths[0])])])
        kept = [widths[0]]  # channels of each input stage's output
        for level, c in enumerate(widths):
            for _ in range(res_blocks):
                self.input_blocks.append(self._stage(kept[-1], c, 1 << level in attention_rates))
                kept.append(c)
            if level + 1 < len(widths):
                self.input_blocks.append(Stage([Residual(c, c, self, "down")]))
                kept.append(c)

        c = widths[-1]
        self.middle_block = Stage([Residual(c, c, self), Attention(c, self), Residual(c, c, self)])

        self.output_blocks = nn.ModuleList()
        for level in reversed(range(len(widths))):
            for i in range(res_blocks + 1):
                stage = self._stage(c + kept.pop(), widths[level], 1 << level in attention_rates)
                c = widths[level]
                if level > 0 and i == res_blocks:
                    stage.append(Residual(c, c, self, "up"))
                self.output_blocks.append(stage)
        self.out = nn.ModuleDict({"0": Norm(norm_groups, c), "2": conv3(c, outputs)})

    def _stage(self, inputs, outputs, attends):
        return Stage([Residual(inputs, outputs, self)] + ([Attention(outputs, self)] if attends else []))

    def forward(self, x, level):
        e = self.cond_embed["0"](level_embedding(level, self.width))
        e = self.cond_embed["2"](F.silu(e))
        skips = []
        for stage in self.input_blocks:
            x = stage(x, e)
            skips.append(x)
        x = self.middle_block(x, e)
        for stage in self.output_blocks:
            x = stage(torch.cat([x, skips.pop()], 1), e)
        return self.out["2"](F.silu(self.out["0"](x)))


# ---- Initial weights -----------------------------------------------------------------------------------------


def init_release(net, generator=None):
    """As a training run begins: convolution and linear weights Kaiming normal (fan-in, gain sqrt(2)), biases 0."""
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() > 1:
                p.normal_(0, math.sqrt(2 / p[0].numel()), generator=generator)
            else:
                p.fill_(1 if name.endswith("weight") else 0)
    return net
