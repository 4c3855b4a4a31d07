"""A folder of images and annotations as they come: odd ones that can be read, and damaged ones that cannot."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

READABLE = ('plain', 'gray', 'gray16', 'cmyk', 'turned', 'huge', 'pixel')
DAMAGED = ('truncated', 'empty', 'text')
_LEFT_TURNED = 6  # EXIF: the first row is the right side


def picture(width: int = 64, height: int = 48) -> np.ndarray:
    """A smooth RGB picture that is nowhere symmetric."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (np.stack([x, y, (x + y) / 2], -1) * 200 + 20).astype(np.uint8)


def write_images(folder: Path, names: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Write `NAME.img` files of any format, and return their width and height as displayed."""
    rgb = picture()
    image = Image.fromarray(rgb)
    sizes = dict.fromkeys(names, (64, 48))
    for name in names:
        path = folder / f'{name}.img'
        if name == 'gray':
            image.convert('L').save(path, 'PNG')
        elif name == 'gray16':
            Image.fromarray(np.asarray(image.convert('L')).astype(np.uint16) * 257).save(path, 'PNG')
        elif name == 'cmyk':
            image.convert('CMYK').save(path, 'JPEG', quality=95)
        elif name == 'turned':
            exif = Image.Exif()
            exif[0x0112] = _LEFT_TURNED
            Image.fromarray(np.ascontiguousarray(np.rot90(rgb))).save(path, 'JPEG', quality=95, exif=exif)
        elif name == 'pixel':
            Image.fromarray(rgb[:1, :1]).save(path, 'PNG')
            sizes[name] = (1, 1)
        elif name == 'huge':
            Image.fromarray(picture(5184, 3888)).save(path, 'JPEG')
            sizes[name] = (5184, 3888)
        elif name == 'empty':
            path.touch()
        elif name == 'text':
            path.write_text('404: Not Found\n' * 20)
        else:
            image.save(path, 'JPEG', quality=95)
            if name == 'truncated':
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return sizes


def annotation(width: int, height: int, **changes: object) -> dict[str, object]:
    """One person that fills the middle of the image, in COCO's format."""
    x, y, w, h = width / 4, height / 4, width / 2, height / 2
    return {
        'category_id': 1,
        'bbox': [x, y, w, h],
        'area': w * h,
        'iscrowd': 0,
        'segmentation': [[x, y, x + w, y, x + w, y + h, x, y + h]],
        'keypoints': [value for k in range(17) for value in (x + w * k / 17, y + h * k / 17, 2)],
        'num_keypoints': 17,
        **changes,
    }


def write_data(folder: Path, images: dict[str, list[dict[str, object]] | None]) -> Path:
    """Writes images by name, each with these annotations (None: one that is right), for all four libraries."""
    for name in ('images', 'labels'):
        (folder / name).mkdir(parents=True)
    sizes = write_images(folder / 'images', tuple(images))
    listed, annotations = [], []
    for index, (name, own) in enumerate(images.items()):
        width, height = sizes[name]
        listed.append({'id': index, 'file_name': f'{name}.img', 'width': width, 'height': height})
        for one in [annotation(width, height)] if own is None else own:
            annotations.append({**one, 'id': len(annotations) + 1, 'image_id': index})
        label = np.zeros((height, width), np.uint8)
        label[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = 1
        Image.fromarray(label).save(folder / 'labels' / f'{name}.png')
    content = {'images': listed, 'annotations': annotations, 'categories': [{'id': 1, 'name': 'person'}]}
    (folder / 'annotations.json').write_text(json.dumps(content))
    (folder / 'classes.txt').write_text(''.join(f'{name}.img {index % 2}\n' for index, name in enumerate(images)))
    (folder / 'names.txt').write_text(''.join(f'{name}\n' for name in images))
    return folder
