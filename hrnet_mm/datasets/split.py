"""Split of the images of a folder that has no validation part."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from ..errors import UserError
from .content import Content

_SHARE = 0.2
_SEEDS = 100  # draws that are tried for one with every label in both parts
_FEWEST = 5


def split_images(content: Content, where: object) -> tuple[Content, Content, str]:
    """Split images, those of each class in the same ratio, into a training and a validation part.

    Both parts get objects. The first of a few draws with the most labels in both parts is taken; the seeds of the draws
    are fixed, so that trainings with other seeds are measured on the same images.

    Args:
        content: The images and annotations.
        where: The name of the folder, for sentences.

    Returns:
        The training part, the validation part, and a sentence that describes the split.

    Raises:
        UserError: There are fewer than five images, or of a class, or only one has an object.
    """
    images = content['images']
    labels = _labels(content)
    of_class: dict[object, list[object]] = {}
    for image in images:
        of_class.setdefault(image.get('category_id'), []).append(image['id'])
    groups: list[list[object]] = []
    for ids in of_class.values():
        if len(ids) < _FEWEST:
            raise UserError(f'{where}: {len(ids)} images are too few for a validation part; expected {_FEWEST} or more')
        with_labels = [one for one in ids if labels[one]]
        if content['annotations'] and len(with_labels) < 2:
            raise UserError(
                f'{where}: only {len(with_labels)} of {len(ids)} images has an object; a training and a validation '
                'part need one each, so label more images'
            )
        groups += [with_labels, [one for one in ids if not labels[one]]] if with_labels else [ids]
    images_with = Counter(label for of_image in labels.values() for label in of_image)
    most = sum(count > 1 for count in images_with.values())
    best: tuple[int, int, set[object]] | None = None
    for seed in range(_SEEDS):
        chosen = _draw(groups, seed, labels)
        in_val = set().union(*(labels[one] for one in chosen))
        in_train = set().union(*(labels[one] for one in labels if one not in chosen))
        both = len(in_val & in_train)
        if best is None or both > best[0]:
            best = both, seed, chosen
        if both == most:
            break
    assert best is not None
    _, seed, chosen = best
    sentence = (
        f'{where} has no validation part: {_SHARE:.0%} of the images ({len(chosen)} of {len(images)}), '
        f'drawn with seed {seed}, are taken for it'
    )
    train, val = (
        _part(content, [image for image in images if (image['id'] in chosen) is is_val]) for is_val in (False, True)
    )
    return train, val, sentence


def _draw(groups: Sequence[Sequence[object]], seed: int, labels: Mapping[object, set[object]]) -> set[object]:
    chosen: set[object] = set()
    for group in groups:
        ids = list(group)
        random.Random(seed).shuffle(ids)  # noqa: S311
        fewest = 1 if ids and labels[ids[0]] else 0
        chosen.update(ids[: max(fewest, round(_SHARE * len(ids)))])
    return chosen


def _labels(content: Content) -> dict[object, set[object]]:
    """The categories of the objects in each image, and the numbers of their labeled keypoints."""
    labels: dict[object, set[object]] = {image['id']: set() for image in content['images']}
    for one in content['annotations']:
        if not one.get('iscrowd'):
            points = (one.get('keypoints') or [])[2::3]
            labels[one['image_id']] |= {(one['category_id'],)} | {i for i, visible in enumerate(points) if visible > 0}
    return labels


def _part(content: Content, images: Sequence[Content]) -> Content:
    ids = {image['id'] for image in images}
    annotations = [one for one in content['annotations'] if one['image_id'] in ids]
    return {**content, 'images': images, 'annotations': annotations}
