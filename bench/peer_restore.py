"""Times ONNX Runtime, OpenVINO and PyTorch on the work of `noiseda restore`: a U-Net on a large picture, in tiles.

    python peer_restore.py --make FOLDER               # model.safetensors, model.onnx and photo.tif for the comparison
    python peer_restore.py --runtime ort FOLDER        # one line of JSON

Tiles of --tile pixels overlap by the network's reach. Only the network's runs are timed, after one run to warm up:
reading and writing the picture, loading and compiling the model are free for the peers.
"""
import argparse
import json
import pathlib
import resource
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "oracle"))

WIDTH, DEPTH, OVERLAP = 64, 4, 96


def make(folder, height, width):
    import torch
    from networks import UNet, init_release
    from safetensors.torch import save_file
    from skimage.io import imsave

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    net = UNet(WIDTH, DEPTH)
    init_release(net)
    for weight in net.parameters():  # small corrections, as a trained network's
        weight.data *= 0.7
    save_file(net.state_dict(), str(folder / "model.safetensors"),
              {"noiseda.network": "unet", "noiseda.settings": f"width={WIDTH};depth={DEPTH}", "noiseda.residual": "true"})
    sizes = {0: "batch", 2: "height", 3: "width"}
    torch.onnx.export(net.eval(), (torch.rand(1, 3, 64, 64),), str(folder / "model.onnx"), dynamo=False,
                      input_names=["x"], output_names=["r"], dynamic_axes={"x": sizes, "r": sizes})
    y, x = np.mgrid[0:height, 0:width]
    rng = np.random.default_rng(0)
    photo = np.stack([np.sin(x / (40 + 9 * c)) * np.cos(y / (55 + 5 * c)) for c in range(3)], -1) * 0.4 + 0.5
    photo = np.clip(photo + rng.normal(0, 0.08, photo.shape), 0, 1)
    imsave(str(folder / "photo.tif"), np.rint(photo * 255).astype(np.uint8), check_contrast=False)


def runner(runtime, folder, threads, precision):
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
    net = UNet(WIDTH, DEPTH).eval()
    net.load_state_dict(load_file(str(folder / "model.safetensors")))
    net = net.to(memory_format=torch.channels_last)

    def run(x):
        with torch.inference_mode():
            return net(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()
    return run


def spans(length, tile):
    if length <= tile:
        return [(0, 0, length)]
    step, starts = tile - 2 * OVERLAP, []
    count = 1 + -(-(length - tile) // step)
    for i in range(count):
        start = min(i * step, length - tile)
        starts.append((start, i * step + OVERLAP if i else 0, (i + 1) * step + OVERLAP if i + 1 < count else length))
    return starts


def restore(run, photo, tile):
    x = np.ascontiguousarray(photo.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    out = np.empty_like(x)
    h, w = x.shape[2:]
    for y0, y1, y2 in spans(h, tile):
        for x0, x1, x2 in spans(w, tile):
            part = np.ascontiguousarray(x[:, :, y0:y0 + tile, x0:x0 + tile])
            r = part + run(part)
            out[:, :, y1:y2, x1:x2] = r[:, :, y1 - y0:y2 - y0, x1 - x0:x2 - x0]
    return np.rint(np.clip(out[0].transpose(1, 2, 0), 0, 1) * 255).astype(np.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--width", type=int, default=4000)
    parser.add_argument("--runtime", choices=["ort", "openvino", "torch"], default="ort")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--tile", type=int, default=768)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compare", type=pathlib.Path, help="another program's result: the largest difference is told")
    args = parser.parse_args()
    if args.make:
        make(args.folder, args.height, args.width)
        return
    from skimage.io import imread
    photo = imread(str(args.folder / "photo.tif"))
    run = runner(args.runtime, args.folder, args.threads, args.precision)
    run(np.zeros((1, 3, min(args.tile, photo.shape[0]), min(args.tile, photo.shape[1])), np.float32))
    start = time.perf_counter()
    out = restore(run, photo, args.tile)
    seconds = time.perf_counter() - start
    line = {"runtime": args.runtime, "seconds": round(seconds, 2), "tile": args.tile, "threads": args.threads,
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
    if args.compare:
        line["largest_difference"] = int(np.abs(imread(str(args.compare)).astype(int) - out.astype(int)).max())
    print(json.dumps(line))


if __name__ == "__main__":
    main()
