"""Times ONNX Runtime, OpenVINO and PyTorch on the work of `noiseda restore`: a U-Net on a large picture, in tiles.

    python peer_restore.py --make FOLDER               # model.safetensors, model.onnx and photo.tif for the comparison
    python peer_restore.py --runtime ort FOLDER        # one line of JSON

Tiles overlap by the network's reach. "seconds" are those of the network's runs alone, after one run to warm up:
reading the picture, loading and compiling the model are free for the peers. "whole_seconds" is the process from its
first import to the result written as TIFF, which is what `noiseda restore` does. cpu_share is the processor time got
during "seconds" as a share of threads x wall time: well under 1 means that something else was running.
"""
import argparse
import json
import pathlib
import resource
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "oracle"))

DEPTH, OVERLAP = 4, 80  # what nd_net_reach says, as a multiple of 8
BEGUN = time.perf_counter()


def make(folder, height, width, channels):
    import torch
    from networks import UNet, init_release
    from safetensors.torch import save_file
    from skimage.io import imsave

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    net = UNet(channels, DEPTH)
    init_release(net)
    for weight in net.parameters():  # small corrections, as a trained network's
        weight.data *= 0.7
    save_file(net.state_dict(), str(folder / "model.safetensors"),
              {"noiseda.network": "unet", "noiseda.settings": f"width={channels};depth={DEPTH}", "noiseda.residual": "true"})
    sizes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(net.eval(), (torch.rand(1, 3, 64, 64),), str(folder / "model.onnx"), dynamo=False,
                      input_names=["x"], output_names=["r"], dynamic_axes={"x": sizes, "r": sizes})
    y, x = np.mgrid[0:height, 0:width]
    rng = np.random.default_rng(0)
    photo = np.stack([np.sin(x / (40 + 9 * c)) * np.cos(y / (55 + 5 * c)) for c in range(3)], -1) * 0.4 + 0.5
    photo = np.clip(photo + rng.normal(0, 0.08, photo.shape), 0, 1)
    imsave(str(folder / "photo.tif"), np.rint(photo * 255).astype(np.uint8), check_contrast=False)


def runner(runtime, folder, threads, precision, channels):
    if runtime == "ort":
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"x": x})[0]
    if runtime == "openvino":
        import openvino
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision,
                    "PERFORMANCE_HINT": "LATENCY"}
        compiled = core.compile_model(str(folder / "model.onnx"), "CPU", settings)
        return lambda x: compiled(x)[0]
    import torch
    from networks import UNet
    from safetensors.torch import load_file
    torch.set_num_threads(threads)
    net = UNet(channels, DEPTH).eval()
    net.load_state_dict(load_file(str(folder / "model.safetensors")))
    net = net.to(memory_format=torch.channels_last)

    def run(x):
        with torch.inference_mode():
            return net(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()
    return run


def spans(length, tile):
    """(start, first used, end of use) of tiles of one size that cover a length and are all but equal in use."""
    if length <= tile:
        return [(0, 0, length)]
    step, starts = tile - 2 * OVERLAP, []
    count = -(-(length - 2 * OVERLAP) // step)
    for i in range(count):
        start = min(i * step, length - tile)
        starts.append((start, i * step + OVERLAP if i else 0, (i + 1) * step + OVERLAP if i + 1 < count else length))
    return starts


def restore(run, photo, tile):
    x = np.ascontiguousarray(photo.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    out = np.empty_like(x)
    for y0, y1, y2 in spans(x.shape[2], tile[0]):
        for x0, x1, x2 in spans(x.shape[3], tile[1]):
            part = np.ascontiguousarray(x[:, :, y0:y0 + tile[0], x0:x0 + tile[1]])
            r = part + run(part)
            out[:, :, y1:y2, x1:x2] = r[:, :, y1 - y0:y2 - y0, x1 - x0:x2 - x0]
    return np.rint(np.clip(out[0].transpose(1, 2, 0), 0, 1) * 255).astype(np.uint8)


def tile_size(text, photo):
    """HEIGHTxWIDTH, or one side of a square; 0 is the picture's own."""
    sides = [int(side) for side in text.split("x")]
    return [min(side or whole, whole) for side, whole in zip(sides if len(sides) == 2 else 2 * sides, photo.shape)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--channels", type=int, default=64, help="of the U-Net's first level")
    parser.add_argument("--runtime", choices=["ort", "openvino", "torch"], default="ort")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--tile", default="768", help="a side, or HEIGHTxWIDTH; 0: the picture's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cold", action="store_true", help="no run to warm up")
    parser.add_argument("--compare", type=pathlib.Path, help="another program's result: the largest difference is told")
    args = parser.parse_args()
    if args.make:
        make(args.folder, args.height, args.width, args.channels)
        return
    from skimage.io import imread, imsave
    photo = imread(str(args.folder / "photo.tif"))
    tile = tile_size(args.tile, photo)
    run = runner(args.runtime, args.folder, args.threads, args.precision, args.channels)
    warm = time.perf_counter()
    if not args.cold:
        run(np.zeros((1, 3, *tile), np.float32))
    start, start_cpu = time.perf_counter(), time.process_time()
    out = restore(run, photo, tile)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    imsave(str(args.folder / "peer.tif"), out, check_contrast=False)
    line = {"runtime": args.runtime, "precision": args.precision, "tile": "x".join(map(str, tile)),
            "threads": args.threads, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2),
            "cpu_share": round(cpu / seconds / args.threads, 2),
            "whole_seconds": round(time.perf_counter() - BEGUN - (start - warm), 2),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
    if args.compare:
        line["largest_difference"] = int(np.abs(imread(str(args.compare)).astype(int) - out.astype(int)).max())
    print(json.dumps(line))


if __name__ == "__main__":
    main()
