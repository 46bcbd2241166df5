"""The method in PyTorch: noise schedules, one training step in every mode, the reverse process.

Every random draw is an argument. Pictures are n,3,h,w in [0, 1]; levels, masks and times are n. Nothing here depends
on the floating-point type of its arguments.
"""
import math
from dataclasses import dataclass

import numpy as np
import torch

# ---- Schedules -----------------------------------------------------------------------------------------------

SCHEDULES = ("linear", "quad", "warmup10", "warmup50", "const", "jsd", "cosine")


def betas(kind, steps, start=1e-6, end=1e-2):
    """beta[0 .. steps-1] in float64, the noise added by each step.

    linear    rises evenly from start to end
    quad      the square of an even rise from sqrt(start) to sqrt(end)
    warmupP   the first int(steps P/100) entries rise evenly from start to end (a single one is start), then end
    const     end
    jsd       1/steps, 1/(steps-1), ... 1/2, 1
    cosine    1 - f(i+1)/f(i), at most 0.999, with f(i) = cos^2(pi/2 (i/steps + 0.008) / 1.008)
    """
    if kind == "linear":
        return np.linspace(start, end, steps)
    if kind == "quad":
        return np.linspace(math.sqrt(start), math.sqrt(end), steps) ** 2
    if kind.startswith("warmup"):
        rising = int(steps * int(kind[len("warmup"):]) / 100)
        return np.concatenate([np.linspace(start, end, rising), np.full(steps - rising, end)])
    if kind == "const":
        return np.full(steps, end)
    if kind == "jsd":
        return 1 / np.arange(steps, 0, -1)
    if kind == "cosine":
        f = np.cos(math.pi / 2 * (np.arange(steps + 1) / steps + 0.008) / 1.008) ** 2
        return np.minimum(1 - f[1:] / f[:-1], 0.999)
    raise ValueError(f"no schedule named {kind}")


def gammas(kind, steps, start=1e-6, end=1e-2):
    """gamma[t] = (1 - beta[0]) ... (1 - beta[t]), t = 0 .. steps-1: what is left of the signal's variance."""
    return np.cumprod(1 - betas(kind, steps, start, end))


def draw_levels(gamma, t, u):
    """g = gamma[t-1] + u (gamma[t] - gamma[t-1]), with t in {1 .. steps-1} and u in [0, 1): a level for each sample.

    The ablation of the range of t only restricts from where t is drawn.
    """
    if t.min() < 1 or t.max() >= len(gamma):
        raise ValueError("t must be in {1 .. steps-1}")
    gamma = torch.as_tensor(gamma, dtype=u.dtype)
    return gamma[t - 1] + u * (gamma[t] - gamma[t - 1])


# ---- The objective -------------------------------------------------------------------------------------------


@dataclass
class Settings:
    """The switches of the objective; the defaults are the release's."""

    mode: str = "paired"  # or source, unpaired, graft
    residual: bool = True  # z = x + R(x); else z = R(x)
    shuffle: bool = True
    contrast: bool = True  # paired mode only
    margin: float = 0.1
    detach_synthetic: bool = False  # no gradient from L_dif through z_s, r_s
    detach_real: bool = False  # likewise through z_r, r_r
    graft: float = 0  # paired, unpaired: the graft's loss for one of L_dif


@dataclass
class Batch:
    """synthetic x_s, its clean target y, unlabelled real x_r, unrelated clean photos (unpaired mode)."""

    synthetic: torch.Tensor
    clean: torch.Tensor
    real: torch.Tensor = None
    reference: torch.Tensor = None


@dataclass
class Draws:
    """level g (n), noise eps (n,3,h,w), shuffle masks m and m' (n, bool) of the positives and of the negatives,
    strength s (n) of the graft."""

    level: torch.Tensor
    noise: torch.Tensor
    shuffle: torch.Tensor = None
    shuffle_negative: torch.Tensor = None
    strength: torch.Tensor = None


def per_sample(v):
    return v.reshape(-1, 1, 1, 1)


def charbonnier(a, b):
    """mean sqrt((a - b)^2 + 1e-6)."""
    return ((a - b) ** 2 + 1e-6).sqrt().mean()


def mse(a, b):
    """mean (a - b)^2 over everything: batch, positions and channels at once."""
    return ((a - b) ** 2).mean()


def diffuse(clean, level, noise):
    """y_g = sqrt(g) y + sqrt(1 - g) eps."""
    g = per_sample(level)
    return g.sqrt() * clean + (1 - g).sqrt() * noise


def stack(a, b, mask):
    """[a, b] on the channels, [b, a] for the samples where the mask is set."""
    return torch.where(per_sample(mask), torch.cat([b, a], 1), torch.cat([a, b], 1))


def alpha(weight, progress, ramp):
    """lambda (2 / (1 + exp(-5 p)) - 1), p = min(progress / ramp, 1); lambda without a ramp (0)."""
    if not ramp:
        return weight
    return weight * (2 / (1 + math.exp(-5 * min(progress / ramp, 1))) - 1)


def restore_domains(restoration, domains):
    """One pass over all pictures; one for each domain, in turn, with a network that normalises by its batch."""
    if any(isinstance(module, torch.nn.BatchNorm2d) for module in restoration.modules()):
        return torch.cat([restoration(x) for x in domains])
    return restoration(torch.cat(domains))


def graft_loss(restoration, clean, r_r, strength, settings):
    x = clean - per_sample(strength) * r_r.detach()
    output = restoration(x)
    return charbonnier(x + output if settings.residual else output, clean)


def objective(restoration, diffusion, batch, draws, weight, settings):
    """All losses of a step as a dictionary of numbers; `total` is the one to differentiate. weight: alpha.

    With r = R(x) and z = x + r of both domains (one pass over 2n pictures), or, without the residual form, z = R(x)
    and r = z - x:
      restoration  L_res = charbonnier(z_s, y)
      positive     mse(eps, D([y_g, stack(z_s, z_r, m)], g))
      negative     mse(eps, D([y_g, stack(x_s + r_r, x_r + r_s, m')], g))     (both predictions in one pass over 2n)
      diffusion    L_dif = (positive + max(0, positive - negative + margin)) / 2;
                   without the contrast, and in unpaired mode, L_dif = positive
      graft        charbonnier of R's restoration of y - s r_r to y, where r_r passes no gradient
      total        L = L_res + alpha (L_dif + settings.graft graft); in source mode L = L_res, and in graft mode
                   L = L_res + alpha graft, which is called diffusion there
    y_g comes from the pair's clean picture; in unpaired mode from the reference. Without the shuffle m = m' = 0.
    Gradients pass through everything but what is detached.
    """
    s = settings
    n = len(batch.synthetic)
    domains = [batch.synthetic] if s.mode == "source" else [batch.synthetic, batch.real]
    x = torch.cat(domains)
    output = restore_domains(restoration, domains)
    z = x + output if s.residual else output
    losses = {"restoration": charbonnier(z[:n], batch.clean)}
    losses["total"] = losses["restoration"]
    if s.mode == "source":
        return losses

    r = z - x if not s.residual else output
    (z_s, z_r), (r_s, r_r) = (z[:n], z[n:]), (r[:n], r[n:])
    if s.detach_synthetic:
        z_s, r_s = z_s.detach(), r_s.detach()
    if s.detach_real:
        z_r, r_r = z_r.detach(), r_r.detach()
    mask, mask_negative = draws.shuffle, draws.shuffle_negative
    if not s.shuffle:
        mask = mask_negative = torch.zeros(n, dtype=torch.bool, device=x.device)

    if s.mode == "graft":
        losses["diffusion"] = graft_loss(restoration, batch.clean, r_r, draws.strength, s)
        losses["total"] = losses["restoration"] + weight * losses["diffusion"]
        return losses

    y_g = diffuse(batch.reference if s.mode == "unpaired" else batch.clean, draws.level, draws.noise)
    inputs = torch.cat([y_g, stack(z_s, z_r, mask)], 1)
    contrast = s.contrast and s.mode == "paired"
    if contrast:
        negative = stack(batch.synthetic + r_r, batch.real + r_s, mask_negative)
        inputs = torch.cat([inputs, torch.cat([y_g, negative], 1)])
    predicted = diffusion(inputs, draws.level.repeat(2) if contrast else draws.level)

    losses["positive"] = losses["diffusion"] = mse(predicted[:n], draws.noise)
    if contrast:
        losses["negative"] = mse(predicted[n:], draws.noise)
        gap = losses["positive"] - losses["negative"] + s.margin
        losses["diffusion"] = (losses["positive"] + gap.clamp(min=0)) / 2
    added = losses["diffusion"]
    if s.graft:
        added = added + s.graft * graft_loss(restoration, batch.clean, r_r, draws.strength, s)
    losses["total"] = losses["restoration"] + weight * added
    return losses


# ---- A training step -----------------------------------------------------------------------------------------


class Trainer:
    """R and D, one Adam over both, and the exponential moving average of all weights.

    Adam (Kingma & Ba 2015, betas 0.9 and 0.999, epsilon 1e-8 outside the root, no weight decay), step k = 1, 2, ...:
      m = b1 m + (1 - b1) grad;  v = b2 v + (1 - b2) grad^2
      w = w - lr (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + epsilon)
    Weights without a gradient (D in source mode) stay. Then average = decay average + (1 - decay) w, from the initial
    weights and the first step on, without bias correction; the running statistics of batch normalisation are averaged
    like the weights.
    """

    def __init__(self, restoration, diffusion, settings, lr=1e-4, decay=0.9999):
        self.restoration, self.diffusion, self.settings, self.decay = restoration, diffusion, settings, decay
        nets = {"RestorationNet": restoration}
        if settings.mode in ("paired", "unpaired"):
            nets["denoise_fn"] = diffusion
        self.weights = {f"{scope}.{k}": p for scope, net in nets.items() for k, p in net.named_parameters()}
        self.adam = torch.optim.Adam(self.weights.values(), lr=lr)
        running = {f"{scope}.{k}": b for scope, net in nets.items() for k, b in net.named_buffers() if "running_" in k}
        self.all = {**self.weights, **running}
        self.average = {name: p.detach().clone() for name, p in self.all.items()}

    def step(self, batch, draws, weight):
        """One update; returns the losses before it. Each parameter's .grad is left in place."""
        self.adam.zero_grad(set_to_none=True)
        losses = objective(self.restoration, self.diffusion, batch, draws, weight, self.settings)
        losses["total"].backward()
        self.adam.step()
        with torch.no_grad():
            for name, average in self.average.items():
                average.mul_(self.decay).add_(self.all[name], alpha=1 - self.decay)
        return {name: value.item() for name, value in losses.items()}


# ---- The reverse process -------------------------------------------------------------------------------------


def reverse_step(y, predicted, z, g, g_before):
    """y at level g -> y at the less noisy level g_before (1: the clean picture), given the predicted noise.

    y0 = (y - sqrt(1 - g) predicted) / sqrt(g), clipped to [0, 1]
    With a = g / g_before (one step's 1 - beta):
    mean     = y0 sqrt(g_before) (1 - a) / (1 - g) + y sqrt(a) (1 - g_before) / (1 - g)
    variance = (1 - a) (1 - g_before) / (1 - g)
    y = mean + sqrt(variance) z: the posterior of the forward process (Ho et al. 2020, eq. 6-7). SR3 (Saharia et al.
    2021) has the same mean without the clipping, and the variance 1 - a. For g_before = 1 the mean is y0 and the
    variance 0.
    """
    y0 = ((y - math.sqrt(1 - g) * predicted) / math.sqrt(g)).clamp(0, 1)
    a = g / g_before
    mean = y0 * math.sqrt(g_before) * (1 - a) / (1 - g) + y * math.sqrt(a) * (1 - g_before) / (1 - g)
    return mean + math.sqrt((1 - a) * (1 - g_before) / (1 - g)) * z


@torch.no_grad()
def sample(diffusion, condition, y, z, levels):
    """From noise y (n,3,h,w) to a picture, conditioned on two pictures stacked on the channels (n,6,h,w).

    levels: rising noise, g_1 > g_2 > ... > g_K, walked from the last to the first; z[k]: draws of the k-th step walked.
    The network sees g itself. Returns the pairs (predicted noise, y after the step).
    """
    walked = []
    before = [1.0] + list(levels[:-1])
    for k, (g, g_before) in enumerate(reversed(list(zip(levels, before)))):
        level = torch.full((len(y),), g, dtype=y.dtype)
        predicted = diffusion(torch.cat([y, condition], 1), level)
        y = reverse_step(y, predicted, z[k], g, g_before)
        walked.append((predicted, y))
    return walked


# ---- Inference -----------------------------------------------------------------------------------------------


@torch.no_grad()
def restore(restoration, x, multiple=8):
    """x + R(x), not clamped; x is padded right and below by replication to a multiple, and cropped back."""
    h, w = x.shape[2:]
    padded = torch.nn.functional.pad(x, (0, -w % multiple, 0, -h % multiple), mode="replicate")
    return (padded + restoration(padded))[:, :, :h, :w]
