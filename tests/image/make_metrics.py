"""Prints the PSNR and SSIM that test_metrics.c expects (needs numpy and scikit-image)."""
import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

HEIGHT, WIDTH = 23, 31


def picture(which, channels):
    """value = frac(sin-free hash): the same integer arithmetic as in the test."""
    i = np.arange(HEIGHT * WIDTH * channels, dtype=np.uint64)
    h = (i * 2654435761 + which * 40503) % 2**32
    noise = ((h >> 16) % 256).astype(np.float64)
    smooth = (i // channels) % 97 * 2.0
    return np.round(smooth * 0.8 + noise * (0.2 if which == 1 else 0.25)).reshape(HEIGHT, WIDTH, channels) / 255


for channels in (1, 3):
    a, b = picture(1, channels), picture(2, channels)
    uniform = structural_similarity(a, b, data_range=1, channel_axis=-1)
    gaussian = structural_similarity(a, b, data_range=1, channel_axis=-1, gaussian_weights=True, sigma=1.5,
                                     use_sample_covariance=False)
    print(channels, repr(peak_signal_noise_ratio(a, b, data_range=1)), repr(uniform), repr(gaussian))
