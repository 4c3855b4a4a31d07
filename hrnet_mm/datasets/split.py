"""Split of the images of a folder that has no validation part."""

import random
from collections.abc import Sequence

from ..errors import UserError
from .content import Content

_SHARE = 0.2
_SEED = 0  # fixed, so that trainings with other seeds are measured on the same images
_FEWEST = 5


def split_images(content: Content, where: object) -> tuple[Content, Content, str]:
    """Split images, those of each class in the same ratio, into a training and a validation part.

    Args:
        content: The images and annotations.
        where: The name of the folder, for sentences.

    Returns:
        The training part, the validation part, and a sentence that describes the split.

    Raises:
        UserError: There are fewer than five images, or of a class.
    """
    images = content['images']
    groups: dict[object, list[object]] = {}
    for image in images:
        groups.setdefault(image.get('category_id'), []).append(image['id'])
    chosen: set[object] = set()
    for ids in groups.values():
        if len(ids) < _FEWEST:
            raise UserError(f'{where}: {len(ids)} images are too few for a validation part; expected {_FEWEST} or more')
        random.Random(_SEED).shuffle(ids)  # noqa: S311
        chosen.update(ids[: round(_SHARE * len(ids))])
    sentence = (
        f'{where} has no validation part: {_SHARE:.0%} of the images ({len(chosen)} of {len(images)}), '
        f'drawn with seed {_SEED}, are taken for it'
    )
    train, val = (
        _part(content, [image for image in images if (image['id'] in chosen) is is_val]) for is_val in (False, True)
    )
    return train, val, sentence


def _part(content: Content, images: Sequence[Content]) -> Content:
    ids = {image['id'] for image in images}
    annotations = [one for one in content['annotations'] if one['image_id'] in ids]
    return {**content, 'images': images, 'annotations': annotations}
