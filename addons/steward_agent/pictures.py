"""Makes of what people show a picture that models take: small, and nothing but pixels.

Each is decoded and written anew, so that no place, device or comment of a camera's, and
nothing that hides behind the pixels, is kept or sent. Of a moving picture that is the
first frame.
"""

import io

from PIL import Image, WebPImagePlugin  # the latter is what Odoo does not load

from odoo.tools.image import (
    IMAGE_MAX_RESOLUTION,
    image_apply_opt,
    image_fix_orientation,
)

FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": WebPImagePlugin.WebPImageFile.format,
    "image/gif": "GIF",
}
MB = 1024 * 1024
MOST_BYTES = 10 * MB  # of one, as it comes
MOST_AT_ONCE = 4  # in one message
SIDE = 1568  # pixels of the longer side: models make what is larger smaller themselves
MOST_LOSSLESS = 2 * MB  # of a picture that is kept as PNG
QUALITY = 85  # of a JPEG
WHITE = "white"  # where a JPEG cannot be transparent


class NoPicture(Exception):
    """These bytes are no picture that models see."""


class TooLarge(Exception):
    """It has more pixels than Odoo reads."""


def made_small(data: bytes, media_type: str) -> tuple[bytes, str]:
    """The same picture, at most `SIDE` pixels wide and high.

    :param media_type: which the bytes have to be, too
    :return: bytes and their media type
    """
    if media_type not in FORMATS:
        raise NoPicture
    try:
        image = Image.open(io.BytesIO(data), formats=[FORMATS[media_type]])
        width, height = image.size
        if width * height > IMAGE_MAX_RESOLUTION:
            raise TooLarge
        return _written(_pixels(image), is_photo=media_type == "image/jpeg")
    except TooLarge:
        raise
    except Exception as error:  # decoders fail in many ways on what is broken
        raise NoPicture from error


def _pixels(image: Image.Image) -> Image.Image:
    is_clear = "A" in image.getbands() or "transparency" in image.info
    if image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGBA" if is_clear else "RGB")
    image.thumbnail((SIDE, SIDE))
    image = image_fix_orientation(image)
    image.info.clear()  # or the next file would have a part of it
    return image


def _written(image: Image.Image, is_photo: bool) -> tuple[bytes, str]:
    if not is_photo:
        data = image_apply_opt(image, "PNG")
        if len(data) <= MOST_LOSSLESS:
            return data, "image/png"
    if image.mode == "RGBA":
        ground = Image.new("RGB", image.size, WHITE)
        ground.paste(image, mask=image)
        image = ground
    return image_apply_opt(image, "JPEG", quality=QUALITY), "image/jpeg"
