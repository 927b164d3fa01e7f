"""Writes the seeds that other programs make, with NumPy and Pillow: `python make.py`.

Files that it does not write were found by the fuzzer, and stay here so that they stay mended.
"""

import io
import os

import numpy as np
from PIL import Image


def write(target, name, content):
    os.makedirs(target, exist_ok=True)
    with open(f"{target}/{name}", "wb") as file:
        file.write(content)


def picture(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def array(save, *values, **named):
    file = io.BytesIO()
    save(file, *values, **named)
    return file.getvalue()


y, x = np.mgrid[0:12, 0:16]
rgb = np.stack([x * 16, y * 20, (x * y) % 256], -1).astype(np.uint8)
image = Image.fromarray(rgb)
alpha = ((x + y) * 8)[..., None].astype(np.uint8)
rgba = Image.fromarray(np.concatenate([rgb, alpha], -1))
again = [image.rotate(180)]
exif = Image.Exif()
exif[0x0112] = 6

write("png", "rgb.png", picture(image, "PNG"))
write("png", "rgba.png", picture(rgba, "PNG"))
write("png", "grey.png", picture(image.convert("L"), "PNG"))
write("png", "grey-alpha.png", picture(rgba.convert("LA"), "PNG"))
write("png", "palette.png", picture(image.quantize(8), "PNG"))
write("png", "palette-transparent.png", picture(image.quantize(8), "PNG", transparency=1))
write("png", "one-bit.png", picture(image.convert("1"), "PNG"))
write("png", "sixteen.png", picture(Image.fromarray((x * 4000).astype(np.uint16)), "PNG"))
write("png", "turned.png", picture(image, "PNG", exif=exif))
write("png", "animated.png", picture(image, "PNG", save_all=True, append_images=again, duration=50))

write("jpeg", "rgb.jpg", picture(image, "JPEG", quality=80))
write("jpeg", "progressive.jpg", picture(image, "JPEG", quality=70, progressive=True))
write("jpeg", "grey.jpg", picture(image.convert("L"), "JPEG", quality=80))
write("jpeg", "cmyk.jpg", picture(image.convert("CMYK"), "JPEG", quality=80))
write("jpeg", "turned.jpg", picture(image, "JPEG", quality=60, exif=exif))
restarts = picture(image.resize((40, 24)), "JPEG", quality=50, restart_marker_blocks=1)
write("jpeg", "restart.jpg", restarts)
full = picture(image, "JPEG", quality=90, subsampling=0, optimize=True)
write("jpeg", "full-colour.jpg", full)

write("webp", "lossy.webp", picture(image, "WEBP", quality=60))
write("webp", "lossless.webp", picture(image, "WEBP", lossless=True))
write("webp", "alpha.webp", picture(rgba, "WEBP", quality=50))
write("webp", "alpha-lossless.webp", picture(rgba, "WEBP", lossless=True))
write("webp", "turned.webp", picture(image, "WEBP", quality=60, exif=exif))
animated = picture(image, "WEBP", save_all=True, append_images=again, duration=50, quality=50)
write("webp", "animated.webp", animated)

bytes_ = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
write("npz", "stored.npz", array(np.savez, arr_0=bytes_))
write("npz", "deflated.npz", array(np.savez_compressed, arr_0=bytes_, labels=np.array([1, 0])))
floats = np.linspace(-1, 1, 30, dtype=np.float32).reshape(1, 5, 6)
write("npz", "floats.npz", array(np.savez_compressed, x=floats))
write("npy", "nhwc.npy", array(np.save, bytes_))
write("npy", "fortran.npy", array(np.save, np.asfortranarray(bytes_)))
write("npy", "float64.npy", array(np.save, np.linspace(-1, 1, 48).reshape(3, 4, 4)))
write("npy", "int16.npy", array(np.save, np.array([1, 2, 3], dtype=">i2")))
structure = np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")])
write("npy", "structure.npy", array(np.save, structure))
