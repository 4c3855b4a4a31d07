"""Breaks folders of labeled images at random, and says of each whether the checks find it.

python tools/research/data_soak.py --count 200     # about a minute; writes tools/research/results/data_soak.csv

A good folder of each format has one place in it renamed, duplicated, dropped, swapped, shifted or retyped.
The change is *found* if `hrnet_mm.datasets` reports a mistake or a warning, *harmless* if the content after reading is
the same, and a *limit* if it is one of the changes listed here (docs/tutorials/own_images.md has them in words), which
leave a folder that could be right. Exits with 1 if a change is none of these, or raises anything else than a sentence.
"""

import argparse
import csv
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests' / 'support'))

from own_folders import (  # noqa: E402
    write_animals_coco,
    write_animals_deeplabcut,
    write_classes,
    write_regions,
    write_semantic,
)

from hrnet_mm.annotations import Report  # noqa: E402
from hrnet_mm.datasets import Annotations, Folder, check_folder  # noqa: E402
from hrnet_mm.datasets.content import read_image  # noqa: E402
from hrnet_mm.datasets.labels import semantic_file  # noqa: E402
from hrnet_mm.weights.tables import write_rows  # noqa: E402

RESULTS = ROOT / 'tools' / 'research' / 'results' / 'data_soak.csv'

KINDS: tuple[tuple[str, Annotations, Callable[[Path], Path]], ...] = (
    ('boxes', 'boxes', write_regions),
    ('masks', 'regions', write_regions),
    ('label images', 'regions', lambda folder: _with_labels(write_regions(folder))),
    ('keypoints', 'keypoints', write_animals_coco),
    ('DeepLabCut', 'keypoints', write_animals_deeplabcut),
    ('classes', 'classes', write_classes),
)
VALUES = (None, 0, -1, 1e9, 'x', [], {}, True, 1.5, float('nan'))

# The changes of JSON that no check can see, by the place and the change, with the reason.
LIMITS = {
    # Changes that leave a folder possible, by the place and the change: nothing in it contradicts them.
    ('category_id', 'swap'): 'objects of exchanged classes',
    ('id', 'swap'): 'exchanged ids',
    ('image_id', 'swap'): 'objects in the images of one another, where they fit',
    ('image_id', 'shift'): 'objects in the images of one another, where they fit',
    ('bbox', 'swap'): 'a box elsewhere in its image',
    ('bbox', 'shift'): 'a box elsewhere in its image',
    ('bbox', 'retype'): 'a box elsewhere in its image',
    ('keypoints', 'swap'): 'a point elsewhere in its image',
    ('keypoints', 'shift'): 'a point elsewhere in its image',
    ('keypoints', 'retype'): 'a point elsewhere in its image',
    ('cell', 'drop'): 'a missing point',
    ('cell', 'shift'): 'a point elsewhere in its image',
    ('cell', 'swap'): 'a point elsewhere in its image',
    ('cell', 'retype'): 'a point elsewhere in its image',
    ('cell', 'rename'): 'another name of a body part',
    ('segmentation', 'swap'): 'a mask almost elsewhere in its image',
    ('segmentation', 'shift'): 'a mask almost elsewhere in its image',
    ('segmentation', 'retype'): 'a mask almost elsewhere in its image',
    ('name', 'rename'): 'another name of a class',
    ('annotation', 'drop'): 'a missing object',
    ('image', 'drop'): 'a missing image',
    ('row', 'drop'): 'a missing image',
    ('file_name', 'swap'): 'images of exchanged names',
    ('file_name', 'duplicate'): 'images of exchanged names',
    ('pixels', 'swap'): 'images of exchanged names',
    ('pixels', 'drop'): 'a missing image',
    ('pixels', 'rename'): 'another name of an image',
    ('pixels', 'duplicate'): 'one image twice in a part',
    ('pixels', 'shift'): 'another image',
    ('pixels', 'retype'): 'another image',
    ('folder', 'rename'): 'another name of a class',
    ('folder', 'drop'): 'a missing class, or masks in place of label images',
}


def _with_labels(folder: Path) -> Path:
    import cv2
    import numpy as np

    write_semantic(folder)
    for file in (folder / 'semantic').iterdir():
        labels = np.zeros((64, 80), np.uint8)
        labels[:20], labels[20:40] = 1, 2
        cv2.imwrite(str(file), labels)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=RESULTS, metavar='FILE')
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for seed in range(args.seed, args.seed + args.count):
            rows.append(soak(Path(work), seed))
            if rows[-1]['outcome'] == 'missed':
                print(rows[-1])
    counts = Counter((row['format'], row['change'], row['outcome']) for row in rows)
    write_rows(
        args.out,
        [
            {'format': form, 'change': change, 'outcome': outcome, 'count': count}
            for (form, change, outcome), count in sorted(counts.items())
        ],
    )
    outcomes = Counter(row['outcome'] for row in rows)
    print(f'{len(rows)} folders: {", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))}')
    return 1 if outcomes['missed'] else 0


def soak(work: Path, seed: int) -> dict[str, str]:
    """Break one folder.

    Args:
        work: The folder for the good folders, which are written once, and the broken one.
        seed: Chooses the format, the place and the change.

    Returns:
        The format, the place, the change, the outcome and a sentence.
    """
    chance = random.Random(seed)  # noqa: S311
    name, annotations, write = chance.choice(KINDS)
    good, broken = work / name / 'folder', work / 'broken' / 'folder'
    if not good.exists():
        write(good)
    shutil.rmtree(broken.parent, ignore_errors=True)
    shutil.copytree(good, broken)
    place, change = _break(broken, chance)
    about = {'format': name, 'place': place, 'change': change, 'seed': str(seed)}
    report = Report()
    read = check_folder(broken, annotations, report)
    if report.findings:
        return {**about, 'outcome': 'found', 'sentence': str(report.findings[0])}
    before = check_folder(good, annotations, Report())
    assert before is not None
    assert read is not None
    if _content(read) == _content(before):
        return {**about, 'outcome': 'harmless', 'sentence': ''}
    limit = LIMITS.get((place, change), '')
    return {**about, 'outcome': 'limit' if limit else 'missed', 'sentence': limit}


def _break(folder: Path, chance: random.Random) -> tuple[str, str]:
    """Change one place of a folder; return the place and the change."""
    texts = [file for file in sorted(folder.rglob('*')) if file.suffix in ('.json', '.csv')]
    if texts and chance.random() < 0.8:
        file = chance.choice(texts)
        return _break_json(file, chance) if file.suffix == '.json' else _break_table(file, chance)
    return _break_files(folder, chance)


def _break_json(file: Path, chance: random.Random) -> tuple[str, str]:
    coco = json.loads(file.read_text())
    key = chance.choice(('images', 'annotations', 'annotations', 'annotations', 'categories'))
    entries = coco[key]
    i, j = (chance.randrange(len(entries)) for _ in range(2))
    change = chance.choice(('rename', 'duplicate', 'drop', 'swap', 'shift', 'retype'))
    if change in ('duplicate', 'drop') and chance.random() < 0.4:
        if change == 'drop':
            del entries[i]
        else:
            entries.append(json.loads(json.dumps(entries[i])))
        file.write_text(json.dumps(coco))
        return {'images': 'image', 'annotations': 'annotation', 'categories': 'category'}[key], change
    one, field = entries[i], chance.choice(sorted(entries[i]))
    if change == 'rename' and isinstance(one[field], str):
        one[field] = chance.choice(
            (one[field] + ' ', one[field].upper(), f'x{one[field]}', one[field].replace('.', '\\'))
        )
    elif change == 'rename':
        one[f'{field}s'] = one.pop(field)
    elif change == 'duplicate':
        one[field] = json.loads(json.dumps(entries[j].get(field)))
    elif change == 'drop':
        del one[field]
    elif change == 'swap':
        one[field], entries[j][field] = entries[j].get(field), one[field]
    elif change == 'shift':
        one[field] = _shifted(one[field], chance)
    else:
        one[field] = _retyped(one[field], chance)
    file.write_text(json.dumps(coco))
    return field, 'swap' if change == 'duplicate' and field in (
        'bbox',
        'keypoints',
        'segmentation',
        'category_id',
        'image_id',
    ) else change


def _shifted(value: Any, chance: random.Random) -> Any:
    if isinstance(value, list) and value:
        value = list(value)
        k = chance.randrange(len(value))
        value[k] = _shifted(value[k], chance)
        return value
    by = chance.choice((-200, -30, -1, 1, 30, 200))
    return value + by if isinstance(value, int | float) else value


def _retyped(value: Any, chance: random.Random) -> Any:
    if isinstance(value, list) and value and chance.random() < 0.5:
        value = list(value)
        value[chance.randrange(len(value))] = chance.choice(VALUES)
        return value
    return str(value) if chance.random() < 0.3 else chance.choice(VALUES)


def _break_table(file: Path, chance: random.Random) -> tuple[str, str]:
    with file.open(newline='') as opened:
        rows = list(csv.reader(opened))
    i, j = (chance.randrange(len(rows)) for _ in range(2))
    column, other = (chance.randrange(len(rows[i])) for _ in range(2))
    change = chance.choice(('rename', 'duplicate', 'drop', 'swap', 'shift', 'retype'))
    place = 'cell'
    if change == 'rename':
        rows[i][column] += 'x'
    elif change == 'duplicate':
        place = 'row'
        rows.append(rows[i])
    elif change == 'drop' and chance.random() < 0.5:
        place = 'row'
        del rows[i]
    elif change == 'drop':
        rows[i][column] = ''
    elif change == 'swap':
        rows[i][column], rows[j][other] = rows[j][other], rows[i][column]
    elif change == 'shift':
        rows[i][column:] = rows[i][column + 1 :]
    else:
        rows[i][column] = chance.choice(('nan', 'inf', '1e9', 'x', '-1'))
    with file.open('w', newline='') as opened:
        csv.writer(opened).writerows(rows)
    return place, change


def _break_files(folder: Path, chance: random.Random) -> tuple[str, str]:
    from PIL import Image

    images = sorted(folder.rglob('*.png'))
    one, other = chance.sample(images, 2)
    change = chance.choice(('rename', 'duplicate', 'drop', 'swap', 'shift', 'retype'))
    folders = sorted({file.parent for file in images})
    if change in ('rename', 'duplicate', 'drop') and chance.random() < 0.3:
        at = chance.choice(folders)
        if change == 'rename':
            at.rename(at.with_name(chance.choice((f'.{at.name}', f'{at.name}2', 'val'))))
        elif change == 'duplicate':
            shutil.copytree(at, at.with_name(chance.choice(('.ipynb_checkpoints', f'{at.name.upper()}', '__MACOSX'))))
        else:
            shutil.rmtree(at)
        return 'folder', change
    if change == 'rename':
        one.rename(one.with_name(chance.choice((f'x{one.name}', one.name.upper(), f'.{one.name}', f'{one.stem}.heic'))))
    elif change == 'duplicate':
        shutil.copy(one, one.with_name(f'copy of {one.name}'))
    elif change == 'drop':
        one.unlink()
    elif change == 'swap':
        first = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(first)
    elif change == 'shift':
        exif = Image.Exif()
        exif[0x0112] = chance.choice((3, 6, 8))
        with Image.open(one) as image:
            image.load()
            image.save(one, exif=exif)
    else:
        with Image.open(one) as image:
            image.load()
        kind = chance.randrange(4)
        if kind == 0:
            image.resize((image.width // 2, image.height)).save(one)
        elif kind == 1:
            image.convert('P').save(one)
        elif kind == 2:
            one.write_bytes(b'')
        else:
            image.convert('RGBA').save(one)
    return 'pixels', change


def _content(folder: Folder) -> Any:
    """What a training reads of a folder, without ids, whose values do not matter, and the decoded pixels."""
    names = {one['id']: one['name'] for one in folder.train['categories']}
    parts = []
    for part in (folder.train, folder.val):
        images = {}
        for image in part['images']:
            pixels = read_image(folder.path / image['file_name']).tobytes()
            images[image['id']] = image['file_name'], image.get('category_id'), hash(pixels)
        read = ('bbox', 'area', 'iscrowd', 'ignore', 'segmentation', 'keypoints')
        objects = [
            (images[one['image_id']][0], names[one['category_id']], [one.get(key) or 0 for key in read])
            for one in part['annotations']
        ]
        if folder.has_semantic:  # label images are read in place of the objects, which tell the sizes alone
            objects = [(name, read_image(semantic_file(folder.path, name)).tobytes()) for name, *_ in images.values()]
        parts.append((sorted(map(repr, images.values())), sorted(map(repr, objects))))
    if folder.has_semantic:
        return folder.classes, parts
    return folder.classes, folder.points, folder.has_masks, parts


if __name__ == '__main__':
    sys.exit(main())
