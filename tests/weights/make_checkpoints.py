"""Writes checkpoints/*.pth: tiny networks as PyTorch saves them (needs torch, numpy).

The networks and their weights are those of tests/oracle (formula.py), so the files' numbers need not be kept twice.
"""
import argparse
import collections
import functools
import pathlib
import sys
import typing
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "oracle"))
from baselines import DnCNN, NAFNet  # noqa: E402
from formula import fill  # noqa: E402
from networks import GuidedUNet, UNet  # noqa: E402
from restormer import Restormer  # noqa: E402
from sr3 import SR3UNet  # noqa: E402
from windows import SwinIR, Uformer  # noqa: E402

FOLDER = HERE / "checkpoints"


def weights(net):
    """The network's state_dict, filled by the formula."""
    running = {name: b for name, b in net.named_buffers() if "running_" in name}
    fill({**dict(net.named_parameters()), **running})
    return net.state_dict()


def save(name, what, old=False, **options):
    FOLDER.mkdir(exist_ok=True)
    torch.save(what, FOLDER / name, _use_new_zipfile_serialization=not old, **options)


def under(prefix, state):
    return {prefix + name: value for name, value in state.items()}


def noise_da():
    """As Noise-DA saves: both networks and the noise schedule at the top level."""
    state = collections.OrderedDict(gammas=torch.linspace(1, 0, 10), sqrt_recip_gammas=torch.ones(10))
    guided = GuidedUNet(width=4, multipliers=(1, 2), res_blocks=1, attention_rates=(2,), head_channels=4,
                        norm_groups=2)
    state.update(under("denoise_fn.", weights(guided)))
    state.update(under("RestorationNet.", weights(UNet(width=4, depth=2))))
    return state


def uformer():
    """As Uformer saves: beside the wrapped network the state of its optimiser."""
    net = Uformer(width=4, depths=(1, 2, 1, 1, 1), heads=(1, 2, 2, 1, 2), window=4, mlp_ratio=2.0, image_size=16,
                  modulators=1, transposed_up=1)
    state = weights(net)
    adam = torch.optim.AdamW(list(net.parameters())[:2], lr=np.float64(2e-4))
    sum(p.sum() for p in net.parameters()).backward()
    adam.step()
    state = collections.OrderedDict((name, value.clone()) for name, value in weights(net).items())
    state["encoderlayer_0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16, dtype=torch.int64)
    options = argparse.Namespace(arch="Uformer_T", crop=(8, 8), path=pathlib.Path("models"), seen={1, 2})
    return {"epoch": 3, "state_dict": under("module.", state), "optimizer": adam.state_dict(), "options": options}


class Settings(dict):
    """As Lightning keeps settings: a dictionary of a class of its own."""


def lightning():
    """As Lightning saves a module that holds the network as self.model."""
    settings = Settings(optimizer=functools.partial(torch.optim.AdamW, lr=2e-4), seen=collections.deque([1, 2], 3),
                        kinds=[1j, bytearray(b"x"), frozenset([1]), range(3), slice(1), typing.Dict[str, int]])
    return {"epoch": 3, "global_step": 30, "hyper_parameters": settings,
            "random": [np.random.RandomState(1), np.random.default_rng(1)],
            "state_dict": under("model.", weights(UNet(width=2, depth=2)))}


def averaged():
    """As other programs save: classes of their own, an average beside what it is of, wrapped on the way."""
    state = weights(UNet(width=2, depth=2))
    wrong = {name: value + 1 for name, value in state.items()}
    return {"state_dict": wrong, "state_dict_ema": Settings(under("net.module.", state))}


def nafnet():
    """As BasicSR saves with an average: the plain weights must not be taken."""
    state = weights(NAFNet(width=4, middle_blocks=0, encoder_blocks=(1, 0), decoder_blocks=(0, 2)))
    wrong = {name: value + 1 for name, value in state.items()}
    return {"params": wrong, "params_ema": {name: value.half() for name, value in state.items()}}


def restormer():
    state = weights(Restormer(width=4, blocks=(1, 2, 1), refinement=1, heads=(1, 2, 4), expansion=1.5, norm_bias=True))
    return {"params": {name: value.bfloat16() for name, value in state.items()}}


def swinir():
    """Published buffers; every weight a view into one storage, matrices transposed."""
    state = weights(SwinIR(width=8, depths=(2, 1), heads=(2, 4), window=4, mlp_ratio=1.5))
    whole, place = torch.full((sum(v.numel() for v in state.values()) + 7,), -99.0), 7
    views = collections.OrderedDict()
    for name, value in state.items():
        part = whole[place:place + value.numel()]
        place += value.numel()
        views[name] = part.view(value.shape[::-1]).permute(*reversed(range(value.dim())))
        views[name].copy_(value)
    block = "layers.0.residual_group.blocks."
    views[block + "0.attn.relative_position_index"] = torch.zeros(16, 16, dtype=torch.int64)
    views[block + "1.attn_mask"] = torch.zeros(1, 1, 1).expand(4, 16, 16)
    return {"params": views}


def dncnn():
    """Parameters as such, in double precision."""
    net = DnCNN(width=4, depth=4)
    weights(net)
    net.double()
    return collections.OrderedDict([*net.named_parameters(), *net.named_buffers()])


def sr3():
    return {"model": weights(SR3UNet(width=4, multipliers=(1, 2), res_blocks=1, attention_rates=(1,), norm_groups=2,
                                     affine=True))}


def repacked(name, to, method, extra=b""):
    """The same entries, written by another program."""
    with zipfile.ZipFile(FOLDER / name) as old, zipfile.ZipFile(FOLDER / to, "w", method) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry) + (extra if "/data/" in entry else b""))


def turned(name, to, sizes):
    """The same as a big-endian machine writes it; sizes: of the numbers, in bytes."""
    with zipfile.ZipFile(FOLDER / name) as old, zipfile.ZipFile(FOLDER / to, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry.endswith("/byteorder"):
                data = b"big"
            elif "/data/" in entry:
                data = np.frombuffer(data, f"u{sizes}").byteswap().tobytes()
            new.writestr(entry, data)


def main():
    save("noise_da.pth", noise_da())
    save("uformer_old.pth", uformer(), old=True)
    save("nafnet.pth", nafnet())
    save("restormer_old.pth", restormer(), old=True)
    save("swinir.pth", swinir())
    save("swinir_old.pth", swinir(), old=True)
    save("dncnn_old.pth", dncnn(), old=True)
    save("sr3.pth", sr3())
    save("unet.pth", weights(UNet(width=2, depth=2)), pickle_protocol=4)
    save("unet_old.pth", weights(UNet(width=2, depth=2)), old=True, pickle_protocol=4)
    save("lightning.pth", lightning())
    save("averaged.pth", averaged())
    save("negated.pth", {name: torch._neg_view(value) for name, value in weights(UNet(width=2, depth=2)).items()})
    repacked("unet.pth", "unet_deflated.pth", zipfile.ZIP_DEFLATED)
    repacked("unet.pth", "unet_longer.pth", zipfile.ZIP_STORED, b"1234")
    turned("unet.pth", "unet_big.pth", 4)
    save("zeros.pth", {"down_path.0.block.0.weight": torch.zeros(20 << 20, dtype=torch.uint8)})
    repacked("zeros.pth", "bomb.pth", zipfile.ZIP_DEFLATED)
    (FOLDER / "zeros.pth").unlink()


if __name__ == "__main__":
    main()
