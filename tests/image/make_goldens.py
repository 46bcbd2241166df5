"""Makes golden/: small pictures written by Pillow, tifffile and by hand, with the values that they hold, and metrics
computed by scikit-image and SciPy. Needs numpy, scipy, scikit-image, Pillow, tifffile.

pictures.txt: file width height channels alpha bits tolerance values...   (integers, interleaved, alpha last)
metrics.txt:  height width channels name value                            (pictures: see pair())
protocols.txt: height width protocol psnr ssim              (pictures: see pair())
luma.txt:     y of pixels 0, 1, ... of pair(9, 10, 3)[0]: name values...
"""
import io
import pathlib
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

HERE = pathlib.Path(__file__).parent / "golden"
HEIGHT, WIDTH = 5, 7
lines = []


def values(channels, top):
    """Every sample its own value, the ends of the range among them."""
    n = HEIGHT * WIDTH * channels
    v = (np.arange(n, dtype=np.int64) * 7919 * (1 if top < 256 else 131)) % (top + 1)
    v[0], v[-1] = top, 0
    return v.reshape(HEIGHT, WIDTH, channels)


def smooth(channels, height=16, width=24):
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    return (40 + 6 * x + 4 * y + 25 * c).astype(np.uint8)


def expect(name, v, alpha, bits, tolerance=0):
    height, width, bands = v.shape
    numbers = " ".join(str(int(i)) for i in v.ravel())
    lines.append(f"{name} {width} {height} {bands - alpha} {alpha} {bits} {tolerance} {numbers}")


# ---- PNG, by the specification --------------------------------------------------------------------------------
def png(width, height, depth, kind, rows, *chunks):
    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    body = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
            + b"".join(chunk(*c) for c in chunks) + chunk(b"IDAT", zlib.compress(body, 9)) + chunk(b"IEND", b""))


def write(name, data):
    (HERE / name).write_bytes(data)


for name, kind, bands, alpha in [("grey", 0, 1, 0), ("rgb", 2, 3, 0), ("grey_alpha", 4, 2, 1), ("rgba", 6, 4, 1)]:
    for bits in 8, 16:
        v = values(bands, 2**bits - 1)
        data = v.astype(">u2" if bits == 16 else "u1")
        write(f"{name}{bits}.png", png(WIDTH, HEIGHT, bits, kind, [row.tobytes() for row in data]))
        expect(f"{name}{bits}.png", v, alpha, bits)

palette = np.array([[255, 0, 0], [0, 255, 0], [10, 20, 30], [200, 100, 50]], dtype=np.uint8)
index = values(1, 3)[..., 0]
write("palette.png", png(WIDTH, HEIGHT, 8, 3, [r.astype("u1").tobytes() for r in index], (b"PLTE", palette.tobytes())))
expect("palette.png", palette[index], 0, 8)
opacity = np.array([0, 128, 255, 255], dtype=np.uint8)
write("palette_alpha.png", png(WIDTH, HEIGHT, 8, 3, [r.astype("u1").tobytes() for r in index],
                               (b"PLTE", palette.tobytes()), (b"tRNS", opacity[:2].tobytes())))
expect("palette_alpha.png", np.dstack([palette[index], opacity[index]]), 1, 8)
bit = values(1, 1)[..., 0]
write("bilevel.png", png(WIDTH, HEIGHT, 1, 0, [np.packbits(r.astype("u1")).tobytes() for r in bit]))
expect("bilevel.png", bit[..., None] * 255, 0, 8)

# ---- TIFF ------------------------------------------------------------------------------------------------------
for name, bands, bits, options in [("grey16.tif", 1, 16, {"byteorder": ">"}), ("rgb8.tif", 3, 8, {}),
                                   ("rgb16.tif", 3, 16, {"compression": "zlib", "predictor": True}),
                                   ("big.tif", 3, 16, {"bigtiff": True}),
                                   ("rgba8.tif", 4, 8, {"extrasamples": ["unassalpha"]})]:
    v = values(bands, 2**bits - 1)
    tifffile.imwrite(HERE / name, (v[..., 0] if bands == 1 else v).astype(f"u{bits // 8}"),
                     photometric="minisblack" if bands == 1 else "rgb", metadata=None, **options)
    expect(name, v, bands == 4 and 1 or 0, bits)
with tifffile.TiffWriter(HERE / "pages.tif") as out:
    for page in range(3):
        out.write(((values(3, 255) + page) % 256).astype("u1"), photometric="rgb", metadata=None)
expect("pages.tif", values(3, 255), 0, 8)
tifffile.imwrite(HERE / "float.tif", values(3, 255).astype("f4") / 255, photometric="rgb", metadata=None)
cmyk = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
cmyk[1, :, 3], cmyk[2, :, 0], cmyk[3, :, 1], cmyk[4, :, 2] = 255, 255, 255, 255  # white, black, cyan, magenta, yellow
tifffile.imwrite(HERE / "cmyk8.tif", cmyk, photometric="separated", metadata=None)

# ---- WebP and JPEG ---------------------------------------------------------------------------------------------
for bands, mode in (3, "RGB"), (4, "RGBA"):
    v = values(bands, 255)
    Image.fromarray(v.astype("u1"), mode).save(HERE / f"{mode.lower()}.webp", lossless=True, exact=True)
    expect(f"{mode.lower()}.webp", v, bands == 4 and 1 or 0, 8)
for bands, mode in (1, "L"), (3, "RGB"):
    v, out = smooth(bands), io.BytesIO()
    Image.fromarray(v[..., 0] if bands == 1 else v, mode).save(out, "jpeg", quality=98, subsampling=0)
    write(f"{mode.lower()}.jpg", out.getvalue())
    decoded = np.asarray(Image.open(out)).reshape(v.shape)
    expect(f"{mode.lower()}.jpg", decoded, 0, 8, 1)
big_cmyk = np.repeat(np.repeat(cmyk[:, :1], 16, 0), 16, 1)
Image.fromarray(big_cmyk, "CMYK").save(HERE / "cmyk.jpg", quality=95)

# ---- Metadata: a JPEG with all there is, lying on its side ------------------------------------------------------
exif = Image.Exif()
exif[0x010F], exif[0x0110], exif[0x0112] = "Sonne & Co", "Model 7", 6
exif.get_ifd(0x8769).update({0x8827: 640, 0x829A: IFDRational(1, 250), 0x9003: "2024:05:06 07:08:09"})
exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 12.5)})
xmp = (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
       b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6">'
       b'<creator>someone</creator></rdf:Description></rdf:RDF></x:xmpmeta>')
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
Image.fromarray(smooth(3), "RGB").save(HERE / "full.jpg", quality=98, subsampling=0, exif=exif, xmp=xmp,
                                       icc_profile=profile, dpi=(300, 300))


# ---- Metrics ---------------------------------------------------------------------------------------------------
def pair(height, width, channels):
    """Single precision, somewhat beyond [0, 1] at places; the test makes the same."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    a = 30 + 5 * x + 3 * y + 40 * c + (x * y) % 97 * 4
    b = a + (x * 31 + y * 17 + c * 11) % 83 - 37
    return [((v % 1021).astype(np.float32) / np.float32(1000)) for v in (a, b)]


def rounded(v):
    """What an 8-bit file holds, rounded in single precision as pictures are."""
    return np.rint(np.clip(v.astype(np.float32), 0, 1) * np.float32(255)).astype(np.float64) / 255


def matlab_ssim(a, b):
    """ssim.m: gaussian of sigma 1.5 and radius 5 in all dimensions, replicated borders, everything in the mean."""
    squeeze = [v[..., 0] if v.shape[-1] == 1 else v for v in (a, b)]
    f = lambda v: gaussian_filter(v, 1.5, mode="nearest", radius=5)
    a, b = squeeze
    ma, mb = f(a), f(b)
    va, vb, ab = f(a * a) - ma * ma, f(b * b) - mb * mb, f(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    return np.mean((2 * ma * mb + c1) * (2 * ab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2)))


metrics = []
for size in (23, 40, 3), (23, 40, 1), (11, 11, 3), (30, 150, 3), (17, 450, 1):
    a, b = (v.astype(np.float64) for v in pair(*size))
    for suffix, p, q in ("", a, b), ("_8", rounded(a), rounded(b)):
        gaussian = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        for name, value in (
            ("psnr", peak_signal_noise_ratio(p, q, data_range=1)),
            ("ssim", structural_similarity(p, q, data_range=1, channel_axis=-1)),
            ("ssim_gaussian", structural_similarity(p, q, data_range=1, channel_axis=-1, **gaussian)),
            ("ssim_matlab", matlab_ssim(p, q)),
        ):
            metrics.append("%d %d %d %s %.12f" % (*size, name + suffix, value))
rgb = pair(9, 10, 3)[0].astype(np.float64)
luma = ["y " + " ".join("%.9f" % v for v in (rgb2ycbcr(rgb)[..., 0] / 255).ravel()),
        "y_8 " + " ".join("%.9f" % v for v in (np.rint(rgb2ycbcr(rounded(rgb))[..., 0]) / 255).ravel())]

# ---- Protocols: what noiseda eval prints. scikit-image where it defines them, else MATLAB's documentation by hand. ------
def uint8(v):
    return np.rint(np.clip(v.astype(np.float32), 0, 1) * np.float32(255)).astype(np.uint8)


def fspecial_gaussian(size=11, sigma=1.5):
    """fspecial('gaussian', size, sigma): exp(-(x^2 + y^2) / (2 sigma^2)), divided by its sum."""
    r = np.arange(size) - (size - 1) / 2
    h = np.exp(-(r[:, None] ** 2 + r[None, :] ** 2) / (2 * sigma * sigma))
    return h / h.sum()


def ssim_index(a, b):
    """Wang's ssim_index.m on one channel of 0..255: filter2(window, img, 'valid')."""
    w, k = fspecial_gaussian(), 11
    view = lambda v: np.lib.stride_tricks.sliding_window_view(v, (k, k))
    f = lambda v: np.einsum("yxij,ij->yx", view(v), w)
    a, b = a.astype(np.float64), b.astype(np.float64)
    ma, mb = f(a), f(b)
    va, vb, ab = f(a * a) - ma**2, f(b * b) - mb**2, f(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return (((2 * ma * mb + c1) * (2 * ab + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean()


def matlab_ssim_uint8(a, b):
    """ssim(A, ref) of two M x N x 3 uint8 arrays: dynamic range 255, Radius 1.5, a volume, replicated at its edges."""
    r = np.arange(-5, 6)
    w = np.exp(-(r[:, None, None] ** 2 + r[None, :, None] ** 2 + r[None, None, :] ** 2) / (2 * 1.5**2))
    w /= w.sum()

    def f(v):
        p = np.pad(v, 5, mode="edge")
        out = np.zeros_like(v)
        for i, j, k in np.ndindex(11, 11, 11):
            out += w[i, j, k] * p[i:i + v.shape[0], j:j + v.shape[1], k:k + v.shape[2]]
        return out

    a, b = a.astype(np.float64), b.astype(np.float64)
    ma, mb = f(a), f(b)
    va, vb, ab = f(a * a) - ma**2, f(b * b) - mb**2, f(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return (((2 * ma * mb + c1) * (2 * ab + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean()


def rgb2ycbcr_y(u):
    """Y of rgb2ycbcr(uint8): 65.481 R + 128.553 G + 24.966 B + 16 for R, G, B in 0..1, rounded to uint8."""
    return np.floor(u.astype(np.float64) / 255 @ [65.481, 128.553, 24.966] + 16 + 0.5).astype(np.uint8)


def matlab_psnr(a, b):
    return 10 * np.log10(255.0**2 / np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))


protocols = []
for size in (23, 40, 3), (37, 61, 3), (64, 48, 3):
    a, b = (uint8(v) for v in pair(*size))
    ya, yb = rgb2ycbcr_y(a), rgb2ycbcr_y(b)
    for name, psnr, ssim in (
        ("rgb", peak_signal_noise_ratio(a, b), structural_similarity(a, b, channel_axis=-1)),
        ("y", matlab_psnr(ya, yb), ssim_index(ya, yb)),
        ("matlab", matlab_psnr(a, b), matlab_ssim_uint8(a, b)),
    ):
        protocols.append("%d %d %s %.12f %.12f" % (size[0], size[1], name, psnr, ssim))
(HERE / "protocols.txt").write_text("\n".join(protocols) + "\n")
(HERE / "pictures.txt").write_text("\n".join(lines) + "\n")
(HERE / "metrics.txt").write_text("\n".join(metrics) + "\n")
(HERE / "luma.txt").write_text("\n".join(luma) + "\n")
