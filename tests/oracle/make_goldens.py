"""Writes the golden files of tests/golden/ (needs torch, numpy, safetensors).

    python make_goldens.py [--out FOLDER] [--only NAME]
    python make_goldens.py --float32      # writes nothing: how far float32 arithmetic is from the stored numbers

Everything is computed in float64 from float32 inputs and weights and stored as float32 (losses and schedules as
float64). Pictures are stored n,h,w,c, parameters in PyTorch's layout.
"""
import argparse
import json
import pathlib

import numpy as np
import torch

import baselines
import method
from formula import fill
from networks import GuidedUNet, UNet, level_embedding
from restormer import Restormer
from sr3 import SR3UNet
from windows import SwinIR, Uformer

GUIDED_MIDDLE = {"width": 8, "multipliers": (1, 2), "res_blocks": 1, "attention_rates": (), "head_channels": 8,
                 "norm_groups": 4}
GUIDED_ATTENTION = {"width": 4, "multipliers": (1, 2, 3), "res_blocks": 2, "attention_rates": (2,),
                    "head_channels": 4, "norm_groups": 2}
SWINIR_SQUARE = {"width": 6, "depths": (2,), "heads": (2,), "window": 8, "mlp_ratio": 2.0}
SWINIR_WIDE = {"width": 12, "depths": (2, 3), "heads": (3, 2), "window": 4, "mlp_ratio": 1.5}
SWINIR_JPEG = {"width": 6, "depths": (2,), "heads": (2,), "window": 7, "range": 255.0}
DNCNN = {"width": 8, "depth": 6}
NAFNET_SQUARE = {"width": 6, "middle_blocks": 1, "encoder_blocks": (1, 2), "decoder_blocks": (1, 1)}
NAFNET_WIDE = {"width": 8, "middle_blocks": 2, "encoder_blocks": (1,), "decoder_blocks": (2,)}
SR3_ADDED = {"width": 4, "multipliers": (1, 2), "res_blocks": 1, "attention_rates": (), "norm_groups": 2}
SR3_AFFINE = {"width": 4, "multipliers": (1, 2, 3), "res_blocks": 2, "attention_rates": (2,), "norm_groups": 2,
              "affine": True}
RESTORMER = {"width": 4, "blocks": (1, 1), "refinement": 1, "heads": (1, 2)}
RESTORMER_BIASED = {"width": 4, "blocks": (1, 1, 1), "refinement": 0, "heads": (2, 2, 4), "expansion": 1.5, "bias": True,
                    "norm_bias": True}
STEP_DNCNN = {"width": 4, "depth": 4}
UFORMER_SQUARE = {"width": 4, "depths": (2, 1, 2), "heads": (1, 2, 2), "window": 8, "mlp_ratio": 2.0, "image_size": 16}
UFORMER_WIDE = {"width": 8, "depths": (2, 1, 2), "heads": (2, 4, 1), "window": 4, "mlp_ratio": 1.5, "image_size": 64,
                "modulators": 1, "transposed_up": 1}
STEP_UNET = {"width": 4, "depth": 2}
STEP_GUIDED = {"width": 4, "multipliers": (1, 2), "res_blocks": 1, "attention_rates": (), "head_channels": 4,
               "norm_groups": 2}
STEP = {"lambda": 0.2, "ramp": 10, "progress": (3, 4, 5), "lr": 1e-3, "decay": 0.9}


def nhwc(x):
    return x.detach().movedim(-3, -1).contiguous()


class Draws:
    """Inputs as float32 values in the type of the computation."""

    def __init__(self, seed, dtype):
        self.rng, self.dtype = np.random.default_rng(seed), dtype

    def cast(self, values):
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.dtype)

    def uniform(self, *shape):
        return self.cast(self.rng.random(shape))

    def normal(self, *shape):
        return self.cast(self.rng.standard_normal(shape))


def running(net):
    return {name: b for name, b in net.named_buffers() if "running_" in name}


def formula_net(make, settings, dtype):
    net = make(**settings).to(dtype).eval()
    fill({**dict(net.named_parameters()), **running(net)})
    return net


def gradients(net, prefix="gradient."):
    return {prefix + name: p.grad.clone() for name, p in net.named_parameters()}


# ---- Networks ------------------------------------------------------------------------------------------------


def forward_backward(net, x, *rest, draws):
    """Output, and the gradients of sum(output * output_gradient)."""
    x.requires_grad_()
    y = net(x, *rest)
    dy = draws.normal(*y.shape)
    y.backward(dy)
    return {"x": nhwc(x), "output": nhwc(y), "output_gradient": nhwc(dy), "input_gradient": nhwc(x.grad),
            **gradients(net)}


NETWORKS = {"unet": UNet, "swinir": SwinIR, "nafnet": baselines.NAFNet, "dncnn": baselines.DnCNN,
            "restormer": Restormer, "uformer": Uformer}


def residual(network, settings, n, h, w):
    def make(dtype):
        draws = Draws([1, h, w], dtype)
        net = formula_net(NETWORKS[network], settings, dtype)
        channels = 6 if settings.get("dual_pixel") else 3
        return forward_backward(net, draws.uniform(n, channels, h, w), draws=draws)
    return make, {"network": network, **settings}


def trained(network, settings, n, h, w):
    """In training mode: by the batch's statistics; `after.NAME`: the running ones after the pass."""
    def make(dtype):
        draws = Draws([6, h, w], dtype)
        net = formula_net(NETWORKS[network], settings, dtype).train()
        out = forward_backward(net, draws.uniform(n, 3, h, w), draws=draws)
        return {**out, **{f"after.{name}": b for name, b in running(net).items()}}
    return make, {"network": network, **settings}


def restored(network, settings, h, w, multiple):
    def make(dtype):
        x = Draws([2], dtype).uniform(1, 3, h, w)
        net = formula_net(NETWORKS[network], settings, dtype)
        return {"x": nhwc(x), "restored": nhwc(method.restore(net, x, multiple))}
    return make, {"network": network, **settings}


def guided(settings, n, h, w):
    def make(dtype):
        draws = Draws([3, h, w], dtype)
        level = draws.cast([0.03, 0.6, 0.999][:n])
        out = forward_backward(formula_net(GuidedUNet, settings, dtype), draws.normal(n, 9, h, w), level, draws=draws)
        return {"level": level, "embedding": level_embedding(level, settings["width"]),
                "embedding_64": level_embedding(level, 64), **out}
    return make, {"network": "guided", **settings}


def sr3(settings, n, h, w):
    def make(dtype):
        draws = Draws([5, h, w], dtype)
        level = draws.cast([0.03, 0.6, 0.999][:n])
        out = forward_backward(formula_net(SR3UNet, settings, dtype), draws.normal(n, 9, h, w), level, draws=draws)
        return {"level": level, **out}
    return make, {"network": "sr3", **settings}


LEARNERS = {
    "unet": (UNet, STEP_UNET),
    "dncnn": (baselines.DnCNN, STEP_DNCNN),
    "nafnet": (baselines.NAFNet, NAFNET_SQUARE),
    "swinir": (SwinIR, SWINIR_WIDE),
    "uformer": (Uformer, UFORMER_WIDE),
    "restormer": (Restormer, RESTORMER_BIASED),
    "guided": (GuidedUNet, {**GUIDED_ATTENTION, "dropout": 0}),
    "sr3": (SR3UNet, {**SR3_AFFINE, "dropout": 0}),
}
LEARNING = {"steps": 20, "lr": 1e-3}


def learning(dtype):
    """NETWORK.loss: the mean squared error before each of some steps of Adam on one batch, from the formula's weights."""
    draws = Draws([7], dtype)
    x, target, level = draws.uniform(2, 9, 16, 16), draws.uniform(2, 3, 16, 16), draws.cast([0.2, 0.8])
    out = {"x": nhwc(x), "target": nhwc(target), "level": level}
    for name, (make, settings) in LEARNERS.items():
        net = formula_net(make, settings, dtype).train()
        adam = torch.optim.Adam(net.parameters(), lr=LEARNING["lr"])
        losses = []
        for _ in range(LEARNING["steps"]):
            y = net(x, level) if name in ("guided", "sr3") else net(x[:, :3])
            loss = torch.nn.functional.mse_loss(y, target)
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.detach())
        out[f"{name}.loss"] = torch.stack(losses).double()
    return out


# ---- Diffusion -----------------------------------------------------------------------------------------------


def schedules(dtype):
    """gamma.KIND.STEPS of all kinds; draw.level for draw.t and draw.u on linear, 1000 steps. float64 throughout."""
    out = {f"gamma.{kind}.{steps}": torch.from_numpy(method.gammas(kind, steps))
           for kind in method.SCHEDULES for steps in (10, 1000)}
    t = torch.tensor([1, 1, 2, 50, 100, 500, 900, 999, 999])
    u = torch.tensor([0, 0.5, 0.25, 0.125, 0.75, 0.5, 0.9, 0, 0.99], dtype=torch.float64)
    return {**out, "draw.t": t, "draw.u": u, "draw.level": method.draw_levels(method.gammas("linear", 1000), t, u)}


def sampler(dtype):
    """Four steps; levels in the order walked, from the noisiest."""
    draws = Draws([4], dtype)
    net = formula_net(GuidedUNet, STEP_GUIDED, dtype)
    levels = draws.cast([0.97, 0.8, 0.45, 0.1])
    condition, y, z = draws.uniform(2, 6, 8, 8), draws.normal(2, 3, 8, 8), draws.normal(4, 2, 3, 8, 8)
    predicted, after = zip(*method.sample(net, condition, y, z, levels.tolist()))
    return {"condition": nhwc(condition), "start": nhwc(y), "z": nhwc(z), "levels": levels.flip(0),
            "predicted": nhwc(torch.stack(predicted)), "y": nhwc(torch.stack(after))}


# ---- Training steps ------------------------------------------------------------------------------------------


def step_inputs(dtype, n=3, size=8):
    """Pictures, the draws of three steps, and how they are stored."""
    d = Draws([5], dtype)
    batch = method.Batch(*(d.uniform(n, 3, size, size) for _ in range(4)))
    t = torch.tensor([[3, 500, 999], [1, 200, 700], [100, 40, 860]])
    levels = method.draw_levels(method.gammas("linear", 1000), t, d.uniform(3, n).double())
    levels, noise = d.cast(levels), d.normal(3, n, 3, size, size)
    shuffle = torch.tensor([[1, 0, 1], [0, 1, 1], [0, 0, 1]]).bool()
    negative = torch.tensor([[0, 0, 1], [1, 0, 1], [1, 0, 0]]).bool()
    strength = torch.tensor([0.5, 1.25, 2.0], dtype=dtype)  # of the graft; not stored
    draws = [method.Draws(*each, strength) for each in zip(levels, noise, shuffle, negative)]
    stored = {name: nhwc(picture) for name, picture in vars(batch).items()}
    stored.update(t=t, level=levels, noise=nhwc(noise), shuffle=shuffle.to(dtype),
                  shuffle_negative=negative.to(dtype))
    return batch, draws, stored


def formula_trainer(settings, dtype, network):
    name, sizes = network
    restoration, diffusion = NETWORKS[name](**sizes).to(dtype), GuidedUNet(**STEP_GUIDED, dropout=0).to(dtype)
    trainer = method.Trainer(restoration, diffusion, settings, STEP["lr"], STEP["decay"])
    fill(trainer.all)
    for name, average in trainer.average.items():
        average.copy_(trainer.all[name].detach())
    return trainer


def run_steps(settings, dtype, ramp=STEP["ramp"], network=("unet", STEP_UNET)):
    """Three steps from the formula's weights: losses before each, gradients of the first, weights at the end."""
    batch, draws, stored = step_inputs(dtype)
    trainer = formula_trainer(settings, dtype, network)
    weights = [method.alpha(STEP["lambda"], progress, ramp) for progress in STEP["progress"]]
    losses, grads = [], None
    for draw, weight in zip(draws, weights):
        losses.append(trainer.step(batch, draw, weight))
        grads = grads or {f"gradient.{name}": p.grad.clone() for name, p in trainer.weights.items()}
    out = {f"loss.{name}": torch.tensor([each[name] for each in losses], dtype=torch.float64) for name in losses[0]}
    if settings.mode != "source":
        out["alpha"] = torch.tensor(weights, dtype=torch.float64)
    after = {f"weights.{name}": p.detach() for name, p in trainer.all.items()}
    after.update({f"average.{name}": a for name, a in trainer.average.items()})
    return stored, out, grads, after


def step(mode):
    def make(dtype):
        stored, out, grads, after = run_steps(method.Settings(mode=mode), dtype)
        return {**stored, **out, **grads, **after}
    return make, {"mode": mode, "restoration": STEP_UNET, "diffusion": STEP_GUIDED, **STEP}


def step_batch_norm(dtype):
    """As `step`, paired, with a network that normalises by its batch; the pictures and draws are step_paired's."""
    stored, out, grads, after = run_steps(method.Settings(), dtype, network=("dncnn", STEP_DNCNN))
    return {**out, **grads, **after}


VARIATIONS = {
    "no_shuffle": {"shuffle": False},
    "no_contrast": {"contrast": False},
    "no_contrast_no_shuffle": {"contrast": False, "shuffle": False},
    "no_ramp": {},
    "no_residual": {"residual": False},
    "detach_synthetic": {"detach_synthetic": True},
    "detach_real": {"detach_real": True},
    "hinge_at_zero": {"margin": -10.0},
    "unpaired_no_shuffle": {"mode": "unpaired", "shuffle": False},
    "graft": {"mode": "graft"},
    "graft_no_residual": {"mode": "graft", "residual": False},
    "paired_graft": {"graft": 0.75},
}


def variations(dtype):
    """VARIATION.loss.TERM and VARIATION.gradient.NAME of R; pictures and draws are those of step_paired."""
    out = {}
    for name, changed in VARIATIONS.items():
        ramp = 0 if name == "no_ramp" else STEP["ramp"]
        _, losses, grads, _ = run_steps(method.Settings(**changed), dtype, ramp)
        grads = {k: g for k, g in grads.items() if k.startswith("gradient.RestorationNet.")}
        out.update({f"{name}.{k}": v for k, v in {**losses, **grads}.items()})
    return out


GOLDENS = {
    "unet_square": residual("unet", {"width": 6, "depth": 3}, 2, 16, 16),
    "unet_wide": residual("unet", {"width": 8, "depth": 2}, 1, 16, 24),
    "unet_restore": restored("unet", {"width": 8, "depth": 4}, 13, 10, 8),
    "swinir_square": residual("swinir", SWINIR_SQUARE, 2, 16, 16),
    "swinir_wide": residual("swinir", SWINIR_WIDE, 1, 12, 20),
    "swinir_jpeg": residual("swinir", {**SWINIR_JPEG, "grey": False}, 1, 14, 21),
    "swinir_grey": residual("swinir", {**SWINIR_JPEG, "grey": True}, 1, 7, 14),
    "swinir_restore": restored("swinir", SWINIR_WIDE, 13, 10, 4),
    "dncnn_square": residual("dncnn", DNCNN, 2, 16, 16),
    "dncnn_grey": residual("dncnn", {**DNCNN, "norm": False, "subtract": True, "grey": True}, 1, 11, 14),
    "dncnn_biased": residual("dncnn", {**DNCNN, "bias": True}, 1, 11, 14),
    "dncnn_training": trained("dncnn", DNCNN, 3, 11, 14),
    "dncnn_kair": trained("dncnn", {**DNCNN, "depth": 7, "kair": True, "subtract": True}, 3, 11, 14),
    "dncnn_kair_in_use": residual("dncnn", {**DNCNN, "kair": True, "subtract": True, "grey": True}, 1, 11, 14),
    "dncnn_restore": restored("dncnn", DNCNN, 13, 10, 1),
    "nafnet_square": residual("nafnet", NAFNET_SQUARE, 2, 16, 16),
    "nafnet_wide": residual("nafnet", NAFNET_WIDE, 1, 8, 14),
    "nafnet_local": residual("nafnet", {**NAFNET_SQUARE, "local": 10}, 1, 16, 24),
    "nafnet_restore": restored("nafnet", NAFNET_SQUARE, 13, 10, 4),
    "restormer_square": residual("restormer", RESTORMER, 2, 8, 8),
    "restormer_wide": residual("restormer", RESTORMER_BIASED, 1, 12, 20),
    "restormer_grey": residual("restormer", {**RESTORMER, "grey": True}, 1, 6, 10),
    "restormer_dual": residual("restormer", {**RESTORMER, "dual_pixel": True}, 1, 6, 10),
    "restormer_restore": restored("restormer", RESTORMER_BIASED, 13, 10, 4),
    "uformer_square": residual("uformer", UFORMER_SQUARE, 2, 16, 16),
    "uformer_wide": residual("uformer", UFORMER_WIDE, 1, 16, 24),
    "uformer_unshifted": residual("uformer", {**UFORMER_WIDE, "shift": False}, 1, 16, 24),
    "uformer_restore": restored("uformer", UFORMER_WIDE, 13, 21, 8),
    "guided_middle": guided(GUIDED_MIDDLE, 2, 16, 16),
    "guided_attention": guided(GUIDED_ATTENTION, 2, 8, 12),
    "sr3_added": sr3(SR3_ADDED, 2, 16, 16),
    "sr3_affine": sr3(SR3_AFFINE, 2, 8, 12),
    "learning": (learning, {**LEARNING, **{name: settings for name, (_, settings) in LEARNERS.items()}}),
    "schedules": (schedules, {"start": 1e-6, "end": 1e-2}),
    "sampler": (sampler, {"network": "guided", **STEP_GUIDED}),
    "step_source": step("source"),
    "step_paired": step("paired"),
    "step_unpaired": step("unpaired"),
    "step_batch_norm": (step_batch_norm, {"mode": "paired", "restoration": STEP_DNCNN, "diffusion": STEP_GUIDED, **STEP}),
    "step_variations": (variations, {"restoration": STEP_UNET, "diffusion": STEP_GUIDED, **STEP,
                                     "variations": VARIATIONS}),
}


# ---- Writing and comparing -----------------------------------------------------------------------------------


def stays_double(key):
    """Schedules, losses and alpha (and t, whole numbers)."""
    return {"gamma", "draw", "loss", "alpha", "t"} & set(key.split("."))


def write(name, folder):
    from safetensors.torch import save_file

    make, settings = GOLDENS[name]
    tensors = make(torch.float64)
    stored = {key: t if stays_double(key) else t.float() for key, t in tensors.items()}
    path = folder / f"{name}.safetensors"
    save_file({key: t.contiguous() for key, t in stored.items()}, path, metadata={"golden": json.dumps(settings)})
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB, {len(stored)} tensors")


def compare(name):
    """Largest float32 error of each kind of tensor, relative to the largest number of that tensor."""
    exact, single = (GOLDENS[name][0](dtype) for dtype in (torch.float64, torch.float32))
    worst = {}
    for key, t in exact.items():
        if t.dtype == torch.int64 or not t.abs().max() > 0:
            continue
        error = ((single[key].double() - t.double()).abs().max() / t.double().abs().max()).item()
        kind = key.split(".")[1 if key.split(".")[0] in VARIATIONS else 0]
        worst[kind] = max(worst.get(kind, (0, "")), (error, key))
    for kind, (error, key) in worst.items():
        if error > 0:
            print(f"{name}: {kind}: {error:.1e} at {key}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent / "golden")
    parser.add_argument("--only", choices=GOLDENS)
    parser.add_argument("--float32", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in [args.only] if args.only else GOLDENS:
        compare(name) if args.float32 else write(name, args.out)


if __name__ == "__main__":
    main()
