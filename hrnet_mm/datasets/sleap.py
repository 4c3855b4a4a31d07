"""Readers of SLEAP's .slp files and of poses in NWB, through sleap-io (`pip install 'hrnet_mm[labels]'`).

sleap-io 0.9 cannot read NWB whose images are a list of files, not even its own; those are refused with its words.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..annotations import Report, read_headers
from ..errors import UserError
from .content import Annotations
from .format import Format, Parts
from .images import find_image
from .reading import Builder, checked

__all__ = ['NWB', 'SLEAP']

_ANIMAL = 'animal'


def _load(file: Path) -> Any:
    """The labels of a file, as sleap-io has them.

    Raises:
        UserError: sleap-io is missing, or the file is damaged.
    """
    try:
        import sleap_io
    except ImportError as error:
        raise UserError(f"{file} needs sleap-io, which is not installed: pip install 'hrnet_mm[labels]'") from error
    try:
        if file.suffix.lower() == '.nwb':
            return sleap_io.load_nwb(str(file))
        return sleap_io.load_slp(str(file), open_videos=False)
    except Exception as error:  # whatever h5py and sleap-io raise of a damaged file
        raise UserError(f'{file} is no file of poses that sleap-io can read ({error}); save it again') from error


def _is_of_images(video: Any) -> bool:
    return isinstance(video.filename, list)


def _build(path: Path, files: Sequence[Path], report: Report) -> Builder:
    built = Builder(path, files[0], report)
    for file in files:
        labels = _load(file)
        frames = [one for one in labels.labeled_frames if one.user_instances]
        several = any(len(one.user_instances) > 1 for one in frames)
        for skeleton in labels.skeletons[:1]:
            names = [str(name) for name in skeleton.node_names]
            if built.points and names != built.points:
                raise UserError(
                    f'{file} has the keypoints {", ".join(names)}, but {files[0]} {", ".join(built.points)}'
                )
            built.points = names
            built.links = [(int(start), int(end)) for start, end in skeleton.edge_inds]
            partner = {a: b for one in skeleton.symmetry_inds for a, b in (tuple(one), tuple(one)[::-1])}
            built.flips = [int(partner.get(i, i)) for i in range(len(names))] if partner else []
        for frame in frames:
            with report.collecting(path, 'frame'):
                where = f'{file}: frame {frame.frame_idx}'
                if not _is_of_images(frame.video):
                    raise UserError(
                        f'{file}: its labels are on frames of {Path(str(frame.video.filename)).name}, and a training '
                        f'needs images; write them with: hrnet-mm labels convert {path} OUT --to coco'
                    )
                name = find_image(path, file, str(frame.video.filename[frame.frame_idx]))
                (header,) = read_headers([path / name])
                image = built.image(name, where)
                for k, instance in enumerate(frame.user_instances, 1):
                    # The one animal of a video fills its frames, as in DeepLabCut's tables.
                    whole = None if several or isinstance(header, str) else [0, 0, header.width, header.height]
                    built.add(image, _ANIMAL, f'{where}, instance {k}', box=whole, points=_points(instance))
    return built


def _points(instance: Any) -> dict[str, list[float]]:
    points = {}
    for one in instance.points:
        x, y = (float(value) for value in one['xy'])
        is_labeled = np.isfinite([x, y]).all()
        points[str(one['name'])] = [x, y, 2 if one['visible'] else 1] if is_labeled else [0.0, 0.0, 0]
    return points


def _unpack(path: Path, files: Sequence[Path], folder: Path) -> bool:
    """Write the labeled frames of videos as images, and the labels beside them; return whether there are videos."""
    found = False
    for file in files:
        labels = _load(file)
        import sleap_io

        if all(_is_of_images(frame.video) for frame in labels.labeled_frames):
            continue
        found, frames = True, []
        images = folder / file.stem
        images.mkdir(parents=True)
        names = []
        for k, frame in enumerate(labels.labeled_frames):
            try:
                frame.video.open()
                pixels = np.asarray(frame.image)
            except Exception as error:  # of any of the libraries that read videos
                name = Path(str(frame.video.filename)).name
                raise UserError(f'{file}: frame {frame.frame_idx} of {name} cannot be read ({error})') from error
            names.append(str(images / f'{k:06d}.png'))
            cv2.imwrite(names[-1], pixels[..., ::-1] if pixels.shape[-1] == 3 else pixels)
        video = sleap_io.Video.from_filename(names)
        for k, frame in enumerate(labels.labeled_frames):
            frames.append(sleap_io.LabeledFrame(video=video, frame_idx=k, instances=frame.user_instances))
        sleap_io.Labels(frames, skeletons=labels.skeletons).save(str(folder / f'{file.stem}.slp'), embed=False)
    return found


def _read(path: Path, files: Sequence[Path], annotations: Annotations | None, report: Report) -> Parts:
    return checked(_build(path, files, report), annotations)


SLEAP = Format(
    name='sleap',
    title='SLEAP',
    holds=frozenset({'keypoints'}),
    find=lambda files: files.of('.slp'),
    kinds=lambda path, files: ['keypoints'],
    read=_read,
    unpack=_unpack,
)

NWB = replace(SLEAP, name='nwb', title='NWB', find=lambda files: files.of('.nwb'))
