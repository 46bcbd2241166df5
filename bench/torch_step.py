"""Times one training step in PyTorch on the CPU: the peer that `noiseda` is compared with.

    python torch_step.py --setting small --patch 64 --batch 4 --mode compile

The paired mode with shuffle and contrast: U-Net over both domains at once (2N pictures), diffusion network over
positives and negatives at once (2N), dropout 0.2, backward, one Adam over all weights, moving average of all weights.
Drawing the noise, levels and masks is part of the step; reading pictures is not. Runs with torch 1.13 (no compile)
and 2.x. The C library's allocator is told to keep freed memory, which spares page faults in every step.

Prints one line of JSON. cpu_share is the processor time got, as a share of threads x wall time: well under 1 means
that something else was running, and that the times are worth nothing (threads that spin count as busy).
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import sys
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "oracle"))
import method  # noqa: E402
from networks import GuidedUNet, UNet, init_release  # noqa: E402

SETTINGS = {
    "release": ({"width": 64, "depth": 4},
                {"width": 64, "multipliers": (1, 2, 4, 8), "res_blocks": 2}),
    "small": ({"width": 32, "depth": 4},
              {"width": 32, "multipliers": (1, 2, 2), "res_blocks": 1}),
}


KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


class Step:
    """Networks, optimiser and average, and one call that trains them once."""

    def __init__(self, args):
        unet, guided = SETTINGS[args.setting]
        torch.manual_seed(1)
        self.layout = torch.contiguous_format if args.mode == "eager" or args.contiguous else torch.channels_last
        fused_attention = hasattr(F, "scaled_dot_product_attention")
        self.restoration = self.prepared(UNet(**unet))
        self.diffusion = self.prepared(GuidedUNet(**guided, dropout=0.2, fused_attention=fused_attention))
        self.weights = [*self.restoration.parameters(), *self.diffusion.parameters()]
        self.bf16 = args.precision == "bf16"
        self.average = [w.detach().clone(memory_format=torch.preserve_format) for w in self.weights]
        self.adam = self.optimiser(args.adam)
        self.losses = torch.compile(self.losses_of) if args.mode == "compile" else self.losses_of
        self.settings = method.Settings()
        self.gamma = torch.from_numpy(method.gammas("linear", 1000)).float()
        self.alpha = torch.tensor(0.1)
        n, p = args.batch, args.patch
        self.pictures = [torch.rand(n, 3, p, p).contiguous(memory_format=self.layout) for _ in range(3)]

    def prepared(self, net):
        return init_release(net).to(memory_format=self.layout).train()

    def optimiser(self, kind):
        """Fused Adam is the fastest on a CPU where there is one (torch 2.4 and later)."""
        options = {"fused": {"fused": True}, "foreach": {"foreach": True}, "single": {"foreach": False}}
        for name in ["fused", "foreach"] if kind == "auto" else [kind]:
            try:
                adam = torch.optim.Adam(self.weights, lr=1e-4, **options[name])
            except (RuntimeError, TypeError):
                continue
            self.adam_kind = name
            return adam
        raise SystemExit(f"this torch has no {kind} Adam for the CPU")

    def losses_of(self, synthetic, clean, real, level, noise, shuffle, shuffle_negative):
        batch = method.Batch(synthetic, clean, real)
        draws = method.Draws(level, noise, shuffle, shuffle_negative)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            return method.objective(self.restoration, self.diffusion, batch, draws, self.alpha, self.settings)

    def draws(self):
        synthetic = self.pictures[0]
        n = len(synthetic)
        level = method.draw_levels(self.gamma, torch.randint(1, len(self.gamma), (n,)), torch.rand(n))
        return level, torch.randn_like(synthetic), torch.rand(n) > 0.5, torch.rand(n) > 0.5

    @torch.no_grad()
    def update_average(self):
        if hasattr(torch, "_foreach_lerp_"):
            torch._foreach_lerp_(self.average, self.weights, 1e-4)
            return
        for average, weight in zip(self.average, self.weights):
            average.lerp_(weight, 1e-4)

    def __call__(self):
        losses = self.losses(*self.pictures, *self.draws())
        self.adam.zero_grad(set_to_none=True)
        losses["total"].backward()
        self.adam.step()
        self.update_average()
        return {name: round(value.item(), 5) for name, value in losses.items()}


def measure(step, warm_up, steps):
    """Losses of the first and the last step, seconds of warming up, milliseconds of each timed step, wall and CPU."""
    start = time.perf_counter()
    first = [step() for _ in range(warm_up)][0]
    warming = time.perf_counter() - start
    wall, cpu = [], []
    for _ in range(steps):
        start, start_cpu = time.perf_counter(), time.process_time()
        last = step()
        wall.append(1e3 * (time.perf_counter() - start))
        cpu.append(1e3 * (time.process_time() - start_cpu))
    return first, last, warming, wall, cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setting", choices=SETTINGS, default="small")
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--mode", choices=["eager", "channels_last", "compile"], default="channels_last",
                        help="compile works on channels_last, too")
    parser.add_argument("--contiguous", action="store_true", help="compile on n,c,h,w instead")
    parser.add_argument("--adam", choices=["auto", "fused", "foreach", "single"], default="auto")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="bf16: autocast")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--warm-up", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    step = Step(args)
    first, last, warming, wall, cpu = measure(step, max(args.warm_up, 1), args.steps)
    print(json.dumps({
        "setting": args.setting, "patch": args.patch, "batch": args.batch, "mode": args.mode,
        "precision": args.precision, "layout": str(step.layout).replace("torch.", ""),
        "adam": step.adam_kind, "threads": torch.get_num_threads(),
        "torch": torch.__version__, "ms_median": round(statistics.median(wall), 1),
        "ms_min": round(min(wall), 1), "cpu_ms_median": round(statistics.median(cpu), 1),
        "cpu_share": round(sum(cpu) / sum(wall) / args.threads, 2),
        "warm_up_s": round(warming, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "weights": sum(w.numel() for w in step.weights), "losses_first": first, "losses_last": last}))


if __name__ == "__main__":
    if KEEP_FREED_MEMORY.items() - os.environ.items():  # read by the C library before Python starts
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_FREED_MEMORY})
    main()
