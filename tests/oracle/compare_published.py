"""Compares noiseda with the networks' public code: names, files, settings and numbers.

    python compare_published.py CHECKOUTS [--build BUILD] [--only WORD] [--bf16]

CHECKOUTS is a folder with checkouts of the repositories in CASES, under their own names; of one that is absent the
cases are skipped. For each published setting the public class is made, given random weights, and written as its
repository writes checkpoints; `noiseda import` makes a model of that file, without being told the network or its
settings, and its result on a random picture is held against the class's. BUILD is a build folder of noiseda
(build-test). --bf16: noiseda computes in bf16, by way of 16-bit TIFF, which skimage must write. What no command runs,
diffusion networks and those of two views, is run by BUILD/tests/net/run_network on plain numbers. Needs torch and, for
some repositories, einops. Exit status 1: something differs.
"""
import argparse
import ctypes
import importlib
import pathlib
import subprocess
import sys
import tempfile
import types

import numpy as np
import torch

TOLERANCE, TOLERANCE_BF16 = 1e-4, 1e-2  # largest difference, or in bf16 its root mean square, to the residual's


# ---- The public classes ----

def package(name, path):
    """A package that finds its modules in a folder and runs no code of its own."""
    module = types.ModuleType(name)
    module.__path__ = [str(path)]
    sys.modules[name] = module


def stand_in(name, **content):
    if name not in sys.modules:
        sys.modules[name] = types.ModuleType(name)
    for key, value in content.items():
        setattr(sys.modules[name], key, value)


def stand_ins():
    """What the classes import and do not need here: at rest, stochastic depth does nothing."""
    class DropPath(torch.nn.Identity):
        def __init__(self, *_):
            super().__init__()
    for name in "timm", "timm.models":
        package(name, "")
    stand_in("timm.models.layers", DropPath=DropPath, trunc_normal_=torch.nn.init.trunc_normal_,
             to_2tuple=lambda x: x if isinstance(x, tuple) else (x, x))
    stand_in("basicsr.utils", get_root_logger=lambda *_: None)


def public_class(checkout, module, name):
    """Class `name` of a module such as models.net.uformer; other modules of the same top-level name are forgotten."""
    top = module.split(".")[0]
    for loaded in [key for key in sys.modules if key == top or key.startswith(top + ".")]:
        del sys.modules[loaded]
    parts = module.split(".")[:-1]
    for i in range(len(parts)):
        package(".".join(parts[:i + 1]), checkout.joinpath(*parts[:i + 1]))
    stand_ins()
    sys.path.insert(0, str(checkout))
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        sys.path.pop(0)


def random_weights(net, last, seed, *level):
    """Nothing that is 0 or 1 at first stays so, and the residual, of the last layer, is neither 0 nor beyond 0..1."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in net.state_dict().items():
        if not value.is_floating_point() or name.endswith("attn_mask"):
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(1 + 0.5 * torch.tanh(noise))
        elif value.dim() < 2 or name.endswith(("beta", "gamma", "temperature")):
            value.add_(0.1 * noise)
        elif name.endswith(("bias_table", "modulator.weight")):
            value.copy_(0.5 * noise)
        else:
            value.copy_(noise * (2 / value[0].numel()) ** 0.5)
    with torch.no_grad():
        side = torch.rand(1, channels_of(net), 128, 128, generator=generator)
        largest = (net(side) - side).abs().max() if last[1] else net(side, *level).abs().max()
    for part in "weight", "bias":
        if f"{last[0]}.{part}" in net.state_dict():
            net.state_dict()[f"{last[0]}.{part}"].mul_(0.2 / largest)


def channels_of(net):
    return next(p for p in net.parameters() if p.dim() == 4).shape[1]


# ---- noiseda ----

class Picture(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("width", ctypes.c_int), ("height", ctypes.c_int),
                ("channels", ctypes.c_int), ("type", ctypes.c_int), ("stride", ctypes.c_ssize_t)]


def restored(library, model, x):
    """x: h,w,c of float32; what noiseda_restore makes of it."""
    y = np.empty_like(x)
    a, b = (Picture(p.ctypes.data, p.shape[1], p.shape[0], p.shape[2], 2, 0) for p in (x, y))
    library.noiseda_model_open.restype = ctypes.c_void_p
    library.noiseda_error.restype = ctypes.c_char_p
    opened = ctypes.c_void_p(library.noiseda_model_open(str(model).encode()))
    if not opened or library.noiseda_restore(opened, ctypes.byref(a), ctypes.byref(b), None):
        raise RuntimeError(library.noiseda_error().decode())
    library.noiseda_model_close(opened)
    return y


def restored_in_bf16(program, model, x, folder):
    """x: h,w,c; of the picture as 16 bits hold it."""
    from skimage import io
    given, made = folder / "given.tif", folder / "made.tif"
    io.imsave(given, np.squeeze(np.round(x * 65535).astype(np.uint16)), check_contrast=False)
    subprocess.run([program, "restore", "-q", "--precision", "bf16", "--overwrite", "-m", model, given, "-o", made],
                   check=True)
    return io.imread(made).reshape(x.shape).astype(np.float32) / 65535


def result_of(build, model, x, level, folder, bf16):
    """x: h,w,c of float32; what the network itself gives."""
    given, made = folder / "given", folder / "made"
    x.tofile(given)
    run = subprocess.run([build / "tests/net/run_network", model, "bf16" if bf16 else "fp32", *map(str, x.shape[:2]),
                          str(level.item()) if level is not None else "-", given, made], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    return np.fromfile(made, np.float32).reshape(*x.shape[:2], 3)


def imported(program, checkpoint, options):
    """The model file, and what was said of it."""
    model = checkpoint.with_suffix(".safetensors")
    run = subprocess.run([program, "import", checkpoint, "-o", model, "--overwrite", *options],
                         capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    return model, run.stdout


# ---- Files as the repositories write them ----

def top(state):
    return state


def params(state):
    return {"params": state}


def epoch_file(state):
    return {"epoch": 270, "state_dict": {f"module.{key}": value for key, value in state.items()},
            "optimizer": {"state": {}, "param_groups": [{"lr": 2e-4, "params": [0, 1]}]}}


def with_diffusion(state):
    schedule = {name: torch.rand(1000) for name in ("gammas", "sqrt_recip_gammas", "posterior_mean_coef1")}
    return {**{f"RestorationNet.{key}": value for key, value in state.items()},
            "denoise_fn.time_embed.0.weight": torch.rand(4, 4), **schedule}


def sr3_file(state):
    """Beside the schedule, as that repository's diffusion object saves itself."""
    return {**{f"denoise_fn.{key}": value for key, value in state.items()}, "betas": torch.rand(2000)}


def beside_restoration(state):
    """The diffusion network of a Noise-DA file."""
    return {"RestorationNet.last.weight": torch.rand(3, 4, 3, 3), **sr3_file(state)}


def renamed(state):
    """This one is conditioned on time; Noise-DA's copy calls the same layers otherwise."""
    return {key.replace("time_embed.", "cond_embed."): value for key, value in state.items()}


# ---- What is compared ----

def restormer(**settings):
    return {"dim": 48, "num_blocks": [4, 6, 6, 8], "num_refinement_blocks": 4, "heads": [1, 2, 4, 8],
            "ffn_expansion_factor": 2.66, "bias": False, **settings}


def swinir(**settings):
    return {"upscale": 1, "in_chans": 3, "img_size": 128, "window_size": 8, "img_range": 1.0, "depths": [6] * 6,
            "embed_dim": 180, "num_heads": [6] * 6, "mlp_ratio": 2, "upsampler": "", "resi_connection": "1conv",
            **settings}


def uformer(**settings):
    return {"img_size": 128, "embed_dim": 32, "win_size": 8, "token_projection": "linear", "token_mlp": "leff",
            "modulator": True, **settings}


def nafnet(width, *blocks, **settings):
    return {**settings, "width": width, "enc_blk_nums": blocks[0], "middle_blk_num": blocks[1], "dec_blk_nums": blocks[2]}


SIDD, BLUR = ([2, 2, 4, 8], 12, [2, 2, 2, 2]), ([1, 1, 1, 28], 1, [1, 1, 1, 1])
DEEP = [1, 2, 8, 8, 2, 8, 8, 2, 1]
RESTORMER = "Restormer", "basicsr.models.archs.restormer_arch", "Restormer"
NAFNET = "NAFNet", "basicsr.models.archs.NAFNet_arch", "NAFNet"
SWINIR = "SwinIR", "models.network_swinir", "SwinIR"
UFORMER = "Uformer", "model", "Uformer"
KAIR = "KAIR", "models.network_dncnn", "DnCNN"
NAFNET_LOCAL = "NAFNet", "basicsr.models.archs.NAFNet_arch", "NAFNetLocal"
PATCHES_OF_128 = ["--set", "image_size=128"]
OWN_SR3 = "Noise-DA", "models.sr3_modules.unet", "UNet"
PUBLIC_SR3 = "Image-Super-Resolution-via-Iterative-Refinement", "model.sr3_modules.unet", "UNet"
OWN_GUIDED = "Noise-DA", "models.guided_diffusion_modules.unet", "UNet"
PUBLIC_GUIDED = "guided-diffusion", "guided_diffusion.unet", "UNetModel"


def release_diffusion(**settings):
    return {"in_channel": 9, "out_channel": 3, "inner_channel": 64, "channel_mults": (1, 2, 4, 8), "attn_res": [16],
            "res_blocks": 2, "dropout": 0.2, "image_size": 128, **settings}


def guided(*rates):
    return {"in_channels": 9, "model_channels": 64, "out_channels": 3, "num_res_blocks": 2, "image_size": 128,
            "attention_resolutions": rates, "channel_mult": (1, 2, 4, 8), "num_head_channels": 32,
            "use_scale_shift_norm": True, "resblock_updown": True}

# label; checkout, module, class; its settings; (last layer, whether the class adds its input); how the file is
# written; options of the import; height and width.
CASES = [
    ("Restormer, denoising", RESTORMER, restormer(LayerNorm_type="BiasFree"), ("output", 1), params, [], (64, 96)),
    ("Restormer, deraining and deblurring", RESTORMER, restormer(LayerNorm_type="WithBias"), ("output", 1), params,
     [], (64, 96)),
    ("Restormer, grey denoising", RESTORMER, restormer(LayerNorm_type="BiasFree", inp_channels=1, out_channels=1),
     ("output", 1), params, [], (64, 96)),
    ("NAFNet, SIDD, width 32", NAFNET, nafnet(32, *SIDD), ("ending", 1), params, [], (96, 128)),
    ("NAFNet, SIDD, width 64", NAFNET, nafnet(64, *SIDD), ("ending", 1), params, [], (96, 128)),
    ("NAFNet, GoPro, width 32", NAFNET, nafnet(32, *BLUR), ("ending", 1), params, [], (96, 128)),
    ("NAFNet, GoPro and REDS, width 64", NAFNET, nafnet(64, *BLUR), ("ending", 1), params, [], (96, 128)),
    ("NAFNetLocal, GoPro, width 32", NAFNET_LOCAL, nafnet(32, *BLUR), ("ending", 1), params, ["--set", "local=384"],
     (400, 432)),
    ("NAFNetLocal, SIDD blocks, patches of 64", NAFNET_LOCAL, nafnet(32, *SIDD, train_size=(1, 3, 64, 64)),
     ("ending", 1), params, ["--set", "local=96"], (128, 208)),
    ("SwinIR, colour denoising", SWINIR, swinir(), ("conv_last", 1), params, [], (64, 96)),
    ("SwinIR, grey denoising", SWINIR, swinir(in_chans=1), ("conv_last", 1), params, [], (64, 96)),
    ("SwinIR, colour JPEG", SWINIR, swinir(img_size=126, window_size=7, img_range=255.0), ("conv_last", 1), params,
     [], (63, 98)),
    ("SwinIR, grey JPEG", SWINIR, swinir(in_chans=1, img_size=126, window_size=7, img_range=255.0),
     ("conv_last", 1), params, [], (63, 98)),
    ("Uformer-T", UFORMER, uformer(embed_dim=16), ("output_proj.proj.0", 1), epoch_file, PATCHES_OF_128, (256, 256)),
    ("Uformer-S", UFORMER, uformer(), ("output_proj.proj.0", 1), epoch_file, PATCHES_OF_128, (128, 128)),
    ("Uformer-B, SIDD", UFORMER, uformer(depths=DEEP), ("output_proj.proj.0", 1), epoch_file, PATCHES_OF_128,
     (128, 128)),
    ("Uformer-B, GoPro", UFORMER, uformer(depths=DEEP, img_size=256), ("output_proj.proj.0", 1), epoch_file, [],
     (256, 256)),
    ("Uformer-S without shifts", UFORMER, uformer(shift_flag=False), ("output_proj.proj.0", 1), epoch_file,
     ["--set", "shift=0", *PATCHES_OF_128], (128, 128)),
    ("Noise-DA, U-Net", ("Noise-DA", "models.net.UNet", "RestorationNet"), {}, ("last", 0), with_diffusion, [],
     (64, 96)),
    ("Noise-DA, DnCNN", ("Noise-DA", "models.net.dncnn", "DnCNN"), {}, ("dncnn.47", 0), with_diffusion, [],
     (63, 97)),
    ("Noise-DA, Uformer", ("Noise-DA", "models.net.uformer", "Uformer"), {}, ("output_proj.proj.0", 0),
     with_diffusion, [], (256, 256)),
    ("Noise-DA, SwinIR", ("Noise-DA", "models.net.swinir", "SwinIR"), swinir(), ("conv_last", 1), with_diffusion,
     [], (64, 96)),
    ("Noise-DA, Restormer", ("Noise-DA", "models.net.restormer", "Restormer"), {}, ("output", 0), with_diffusion, [],
     (64, 96)),
    ("DnCNN of KAIR, grey, 17 layers", KAIR, {"nb": 17, "act_mode": "R"}, ("model.32", 1), top, [], (63, 97)),
    ("DnCNN of KAIR, grey, 20 layers", KAIR, {"nb": 20, "act_mode": "R"}, ("model.38", 1), top, [], (63, 97)),
    ("DnCNN of KAIR, grey, before its normalisation is merged", KAIR, {"nb": 17, "act_mode": "BR"}, ("model.47", 1),
     top, [], (63, 97)),
    ("DnCNN of KAIR, colour", KAIR, {"in_nc": 3, "out_nc": 3, "nb": 20, "act_mode": "R"}, ("model.38", 1), top, [],
     (63, 97)),
]


# The same of networks that run_network runs: the last entry is the noise level, or None. Inputs are uniform in 0..1.
PLAIN_CASES = [
    ("Restormer, dual-pixel", RESTORMER, restormer(LayerNorm_type="WithBias", inp_channels=6, dual_pixel_task=True),
     ("output", 0), params, [], (64, 96), None),
    ("SR3 of Noise-DA", OWN_SR3, release_diffusion(), ("final_conv.block.3", 0), beside_restoration, ["--diffusion"],
     (64, 96), 0.3),
    ("SR3 of its repository", PUBLIC_SR3, release_diffusion(), ("final_conv.block.3", 0), sr3_file, ["--diffusion"],
     (64, 96), 0.8),
    ("SR3 of its repository, 16 groups", PUBLIC_SR3,
     release_diffusion(norm_groups=16, channel_mults=(1, 2, 4, 8, 16), attn_res=[32, 16], res_blocks=1),
     ("final_conv.block.3", 0), sr3_file, ["--diffusion", "--set", "norm_groups=16"], (64, 96), 0.05),
    ("guided diffusion of Noise-DA", OWN_GUIDED, release_diffusion(num_head_channels=32), ("out.2", 0),
     beside_restoration, ["--diffusion"], (64, 96), 0.3),
    ("guided diffusion of its repository", PUBLIC_GUIDED, guided(16), ("out.2", 0), renamed, ["--diffusion"],
     (64, 96), 0.8),
    ("guided diffusion of its repository, attention at 2 and 8", PUBLIC_GUIDED, guided(2, 8), ("out.2", 0), renamed,
     ["--diffusion"], (64, 96), 0.05),
]


def size(x, bf16):
    return float(np.sqrt(np.mean(np.square(x)))) if bf16 else float(np.abs(x).max())


def compare(case, checkouts, program, library, folder, bf16):
    label, (repository, module, name), settings, last, write, options, (height, width) = case
    net = public_class(checkouts / repository, module, name)(**settings).eval()
    random_weights(net, last, seed=1)
    checkpoint = folder / "release.pth"
    torch.save(write(net.state_dict()), checkpoint)
    model, said = imported(program, checkpoint, options)
    x = torch.rand(1, channels_of(net), height, width, generator=torch.Generator().manual_seed(2)) * 0.4 + 0.3
    if bf16:
        x = torch.round(x * 65535) / 65535
    with torch.no_grad():
        theirs = net(x) if last[1] else x + net(x)
    as_picture = lambda t: np.ascontiguousarray(t[0].permute(1, 2, 0).numpy())
    ours = restored_in_bf16(program, model, as_picture(x), folder) if bf16 else restored(library, model, as_picture(x))
    change, difference = size(as_picture(theirs - x), bf16), size(as_picture(theirs.clamp(0, 1)) - ours, bf16)
    rounded = ""
    if bf16:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            own = net(x).float() if last[1] else x + net(x).float()
        rounded = f", PyTorch in bf16 {size(as_picture(own - theirs), bf16) / change:.1e}"
    settings_line = next(line for line in said.splitlines() if "network:" in line)
    return difference / change, f"{difference / change:.1e} ({difference:.1e} of {change:.2f}{rounded}); {settings_line}"


def compare_plain(case, checkouts, build, folder, bf16):
    label, (repository, module, name), settings, last, write, options, (height, width), level = case
    net = public_class(checkouts / repository, module, name)(**settings).eval()
    level = None if level is None else torch.tensor([level])
    rest = [] if level is None else [level]
    random_weights(net, last, 1, *rest)
    checkpoint = folder / "release.pth"
    torch.save(write(net.state_dict()), checkpoint)
    model, said = imported(build / "src/cli/noiseda", checkpoint, options)
    x = torch.rand(1, channels_of(net), height, width, generator=torch.Generator().manual_seed(2))
    as_array = lambda t: np.ascontiguousarray(t[0].permute(1, 2, 0).numpy())
    with torch.no_grad():
        theirs = net(x, *rest)
    rounded = ""
    if bf16:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            own = net(x, *rest).float()
        rounded = f", PyTorch in bf16 {size(as_array(own - theirs), bf16) / size(as_array(theirs), bf16):.1e}"
    whole = size(as_array(theirs), bf16)
    difference = size(as_array(theirs) - result_of(build, model, as_array(x), level, folder, bf16), bf16)
    settings_line = next(line for line in said.splitlines() if "network:" in line)
    return difference / whole, f"{difference / whole:.1e} ({difference:.1e} of {whole:.2f}{rounded}); {settings_line}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build-test"))
    parser.add_argument("--only", default="", help="cases whose label holds this word")
    parser.add_argument("--bf16", action="store_true")
    given = parser.parse_args()
    tolerance = TOLERANCE_BF16 if given.bf16 else TOLERANCE
    library = ctypes.CDLL(given.build / "src/api/libnoiseda.so")
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES + PLAIN_CASES:
            if given.only not in case[0]:
                continue
            if not (given.checkouts / case[1][0]).is_dir():
                print(f"skipped  {case[0]}: no checkout of {case[1][0]}")
                continue
            try:
                if case in PLAIN_CASES:
                    off, said = compare_plain(case, given.checkouts, given.build, pathlib.Path(folder), given.bf16)
                else:
                    off, said = compare(case, given.checkouts, given.build / "src/cli/noiseda", library,
                                        pathlib.Path(folder), given.bf16)
            except RuntimeError as error:
                off, said = float("inf"), str(error)
            wrong += off > tolerance
            print(f"{'differs' if off > tolerance else 'same':8} {case[0]}: {said}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
