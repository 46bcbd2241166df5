"""Times one network by itself in PyTorch on the CPU: the peer of bench/network.c.

    python torch_network.py --network swinir --settings "width=60;depths=6,6,6,6;heads=6,6,6,6" --work train --size 64
      --batch 2 --mode compile

The networks are those of tests/oracle, with what depends on the size alone (masks, indices) computed once. Prints one
line of JSON.
"""
import argparse
import functools
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
import windows  # noqa: E402
from baselines import DnCNN, NAFNet  # noqa: E402
from networks import GuidedUNet, UNet  # noqa: E402
from restormer import Restormer  # noqa: E402
from sr3 import SR3UNet  # noqa: E402

windows.relative_index = functools.lru_cache(None)(windows.relative_index)
windows.shift_mask = functools.lru_cache(None)(windows.shift_mask)
NETWORKS = {"unet": UNet, "dncnn": DnCNN, "nafnet": NAFNet, "swinir": windows.SwinIR, "uformer": windows.Uformer,
            "restormer": Restormer, "guided": GuidedUNet, "sr3": SR3UNet}
DIFFUSION = {"guided", "sr3"}
KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


def number(text):
    return float(text) if "." in text else int(text)


def settings(text):
    pairs = (item.split("=") for item in text.split(";") if item)
    return {k: tuple(map(number, v.split(","))) if "," in v else number(v) for k, v in pairs}


class Work:
    def __init__(self, args):
        torch.manual_seed(1)
        layout = torch.contiguous_format if args.mode == "eager" else torch.channels_last
        self.trains = args.work == "train"
        self.net = NETWORKS[args.network](**settings(args.settings)).to(memory_format=layout).train(self.trains)
        diffusion = args.network in DIFFUSION
        self.x = torch.rand(args.batch, 9 if diffusion else 3, args.size, args.size).contiguous(memory_format=layout)
        self.more = [torch.full((args.batch,), 0.5)] if diffusion else []
        self.target = torch.rand(args.batch, 3, args.size, args.size).contiguous(memory_format=layout)
        self.run = torch.compile(self.net) if args.mode == "compile" else self.net
        if self.trains:
            self.weights = list(self.net.parameters())
            self.adam = torch.optim.Adam(self.weights, lr=1e-4, fused=True) if torch.__version__ >= "2.4" \
                else torch.optim.Adam(self.weights, lr=1e-4)
            self.average = [w.detach().clone() for w in self.weights]

    def __call__(self):
        if not self.trains:
            with torch.inference_mode():
                return self.run(self.x, *self.more)
        loss = F.mse_loss(self.run(self.x, *self.more), self.target)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, 1e-4)
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS)
    parser.add_argument("--settings", default="")
    parser.add_argument("--work", choices=["train", "infer"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--mode", choices=["eager", "channels_last", "compile"], default="eager")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--steps", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    work = Work(args)
    work()
    work()
    ms, cpu = [], []
    for _ in range(args.steps):
        start, spent = time.perf_counter(), time.process_time()
        work()
        ms.append(1e3 * (time.perf_counter() - start))
        cpu.append(1e3 * (time.process_time() - spent))
    print(json.dumps({"network": args.network, "work": args.work, "size": args.size, "batch": args.batch,
                      "mode": args.mode, "torch": torch.__version__, "ms_median": round(statistics.median(ms), 1),
                      "ms_min": round(min(ms), 1), "cpu_ms_median": round(statistics.median(cpu), 1),
                      "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}))


if __name__ == "__main__":
    if KEEP_FREED_MEMORY.items() - os.environ.items():  # read by the C library before Python starts
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_FREED_MEMORY})
    main()
