"""Writes the pictures beside it, with NumPy and Pillow: `python make.py`.

centre_crop and adm are those of EDM's dataset_tool.py (Karras et al. 2022; the latter is ADM's).
"""

import numpy as np
from PIL import Image

Resampling = Image.Resampling


def centre_crop(width, height, img):
    crop = np.min(img.shape[:2])
    img = img[
        (img.shape[0] - crop) // 2 : (img.shape[0] + crop) // 2,
        (img.shape[1] - crop) // 2 : (img.shape[1] + crop) // 2,
    ]
    return Image.fromarray(img).resize((width, height), Resampling.LANCZOS)


def adm(image_size, arr):
    img = Image.fromarray(arr)
    while min(*img.size) >= 2 * image_size:
        img = img.resize(tuple(x // 2 for x in img.size), resample=Resampling.BOX)
    scale = image_size / min(*img.size)
    img = img.resize(tuple(round(x * scale) for x in img.size), resample=Resampling.BICUBIC)
    arr = np.array(img)
    y = (arr.shape[0] - image_size) // 2
    x = (arr.shape[1] - image_size) // 2
    return Image.fromarray(arr[y : y + image_size, x : x + image_size])


rng = np.random.default_rng(5)
y, x = np.mgrid[0:45, 0:70]
waves = [128 + 100 * np.sin(x / a + y / b) for a, b in ((5, 9), (11, 4), (3, 17))]
source = np.stack(waves, -1) + rng.normal(0, 12, (45, 70, 3))
source = source.clip(0, 255).round().astype(np.uint8)
image = Image.fromarray(source)

image.save("source.png")
image.convert("L").save("grey.png")
image.save("source.webp", lossless=True)
image.save("source.jpg", quality=92)
Image.open("source.jpg").save("source-jpg.png")
centre_crop(16, 16, source).save("centre.png")
centre_crop(64, 64, source).save("centre-enlarged.png")
adm(10, source).save("adm.png")
image.resize((24, 13), Resampling.LANCZOS).save("stretch-lanczos.png")
image.resize((24, 13), Resampling.BICUBIC).save("stretch-bicubic.png")
image.resize((24, 13), Resampling.BILINEAR).save("stretch-bilinear.png")
image.resize((24, 13), Resampling.BOX).save("stretch-box.png")
# torchvision's Resize(20) and CenterCrop(16): the longer side is rounded down.
resized = image.resize((20 * 70 // 45, 20), Resampling.BILINEAR)
left, top = (resized.width - 16) // 2, (resized.height - 16) // 2
resized.crop((left, top, left + 16, top + 16)).save("random-middle.png")
exif = Image.Exif()
exif[0x0112] = 6
image.save("turned.png", exif=exif)
image.transpose(Image.Transpose.ROTATE_270).save("turned-expected.png")
alpha = np.concatenate([source, np.full((45, 70, 1), 7, np.uint8)], -1)
Image.fromarray(alpha).save("alpha.png")
image.save("animated.webp", save_all=True, append_images=[image.rotate(180)], lossless=True)
image.save("animated.png", save_all=True, append_images=[image.rotate(180)])
np.savez_compressed("arrays.npz", arr_0=source[None, :8, :6], arr_1=np.array([3]), big=np.arange(6, dtype=">f8").reshape(3, 2) / 6)
np.save("fortran.npy", np.asfortranarray(source[None, :8, :6]))
np.save("nchw.npy", source[None, :8, :6].transpose(0, 3, 1, 2).copy())
np.save("floats.npy", (source[None, :8, :6] / 127.5 - 1).astype(np.float32))
