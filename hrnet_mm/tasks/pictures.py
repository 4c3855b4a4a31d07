"""Pictures of predictions beside the ground truth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from ..images import read_picture

if TYPE_CHECKING:
    from ..weights import ModelSpec

Image = npt.NDArray[np.uint8]
Pair = tuple[Image, Image]  # truth and prediction, in R, G, B
Points = npt.NDArray[np.floating]

SHOWN_SCORE = 0.5
FIRST_POINT = 4  # the color of the first: from cyan on, which neither skin nor grass has
SHOWN_POINT = 0.2  # the height of a heatmap's peak

_LONG_SIDE = 800  # of a panel, in pixels
_DPI = 100
_COLUMNS = 5  # of pairs
_WIDTH = 2.6  # of each, in inches
_NAMED = 24  # colors
_NUMBERED = 15  # classes of a table with numbers
_MANY_POINTS = 30  # more of them are drawn smaller
_RIM = (20, 20, 20)


@dataclass(frozen=True)
class Objects:
    """Objects of one image: boxes `(n, 4)` as x1, y1, x2, y2, classes `(n,)`, and masks `(n, H, W)` if it has any."""

    boxes: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    masks: npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class Classified:
    """A classified image: its file, the true and the predicted class, and the score of the latter, 0 to 1."""

    file: Path
    truth: str
    found: str
    score: float


def read(file: str | Path) -> Image:
    """The image `(H, W, 3)` in B, G, R."""
    return read_picture(Path(file))


def show_bands(samples: Sequence[Any], spec: 'ModelSpec', folder: Path) -> None:
    """Write the chosen bands of the images of samples as pictures, and let the samples name these to be drawn on.

    Args:
        samples: The library's samples.
        spec: The model specification, whose bands are shown.
        folder: The folder of the pictures.
    """
    written: dict[str, str] = {}
    for sample in samples:
        source = sample.img_path
        if source not in written:
            file = folder / str(len(written)) / f'{Path(source).stem}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), read_picture(Path(source), spec.reads, spec.mean, spec.std))
            written[source] = str(file)
        sample.set_metainfo({'img_path': written[source]})


def draw_objects(file: Path, image: Image, truth: Objects, found: Objects, classes: Sequence[str]) -> Pair:
    """Write three panels: the image `(H, W, 3)` in B, G, R; true objects; predicted objects. Returns the last two."""
    pair = pair_of_objects(image, truth, found, len(classes))
    panels = {
        'image': _enlarged(_brightened(image)),
        f'truth: {len(truth.boxes)}': pair[0],
        f'found (score > {SHOWN_SCORE}): {len(found.boxes)}': pair[1],
    }
    _write(file, panels, _legend(classes) if len(classes) > 1 else [])
    return pair


def pair_of_objects(image: Image, truth: Objects, found: Objects, num_classes: int) -> Pair:
    """True and predicted objects on an image `(H, W, 3)` in B, G, R."""
    image = _brightened(image)
    return _with_objects(image, truth, num_classes), _with_objects(image, found, num_classes)


def draw_labels(file: Path, image: Image, truth: Image, found: Image, classes: Sequence[str]) -> Pair:
    """Write four panels: the image `(H, W, 3)` in B, G, R; true labels `(H, W)`; predicted labels; where they differ.

    Label 0 is background and stays unpainted; 255 is not evaluated. Returns the second and third panel.
    """
    wrong = (truth != found) & (truth != 255)
    pair = pair_of_labels(image, truth, found)
    image = _brightened(image)
    panels = {
        'image': _enlarged(image),
        'truth': pair[0],
        'found': pair[1],
        f'wrong: {wrong.mean():.1%}': _painted(_enlarged(image), _enlarged_mask(wrong), (255, 0, 0), 0.8),
    }
    _write(file, panels, _legend(classes[1:], first=1) if len(classes) > 2 else [])
    return pair


def pair_of_labels(image: Image, truth: Image, found: Image) -> Pair:
    """True and predicted labels on an image `(H, W, 3)` in B, G, R."""
    image = _brightened(image)
    return _with_labels(image, truth), _with_labels(image, found)


def draw_points(file: Path, image: Image, truth: Points, found: Points, links: Sequence[tuple[int, int]]) -> Pair:
    """Write three panels: the image `(H, W, 3)` in B, G, R; true points; predicted points. Returns the last two.

    Points are `(n, K, 3)`: x and y in pixels, and above 0 where a true point is labeled, or the score of a predicted
    one; `links` are pairs of points that lines join.
    """
    pair = pair_of_points(image, truth, found, links)
    _write(
        file,
        {'image': _enlarged(np.asarray(image[..., ::-1])), 'truth': pair[0], f'found (score > {SHOWN_POINT})': pair[1]},
        [],
    )
    return pair


def pair_of_points(
    image: Image, truth: Points, found: Points, links: Sequence[tuple[int, int]], scale: int = 1
) -> Pair:
    """True and predicted points, larger by a factor, on an image `(H, W, 3)` in B, G, R."""
    shown = np.ascontiguousarray(image[..., ::-1])
    return _with_points(shown, truth, 0.0, links, scale), _with_points(shown, found, SHOWN_POINT, links, scale)


def draw_pairs(
    file: Path, title: str, pairs: Sequence[tuple[str, Pair]], names: Sequence[str] = (), first: int = 0
) -> None:
    """Write pairs with their titles, five in a row, the truth above the prediction; `names` are those of the colors."""
    from matplotlib.figure import Figure

    columns = min(len(pairs), _COLUMNS)
    rows = math.ceil(len(pairs) / columns)
    shape = min(max(float(np.median([truth.shape[0] / truth.shape[1] for _, (truth, _) in pairs])), 0.5), 1.5)
    height = rows * (2 * _WIDTH * shape + 0.5) + 0.6
    figure = Figure(figsize=(_WIDTH * columns + 0.4, height), dpi=_DPI, layout='constrained')
    figure.suptitle(title, fontsize=12)
    grid = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
    for place, (name, pair) in enumerate(pairs):
        row, column = divmod(place, columns)
        for half, panel in enumerate(pair):
            axes = grid[2 * row + half, column]
            axes.imshow(panel)
            if column == 0:
                axes.set_ylabel(('truth', 'found')[half], fontsize=9)
        grid[2 * row, column].set_title(name, fontsize=8)
    if 1 < len(names) <= _NAMED:
        figure.legend(handles=_legend(names, first), loc='outside lower center', ncols=min(len(names), 8), fontsize=8)
    _save(figure, file)


def draw_confusion(file: Path, title: str, table: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    """Write a table of truth by prediction `(N, N)`: the share of each truth in color, and in numbers of up to 15."""
    from matplotlib.figure import Figure

    totals = table.sum(1, keepdims=True)
    shares = np.divide(table, totals, out=np.full_like(table, np.nan), where=totals > 0)
    side = 2.4 + 0.55 * min(len(names), 24)
    figure = Figure(figsize=(side + 1, side), dpi=_DPI, layout='constrained')
    axes = figure.subplots()
    shown = axes.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, label='share of the truth', fraction=0.046)
    size = 9 if len(names) <= _NUMBERED else max(3, 140 / len(names))
    axes.set_xticks(range(len(names)), names, rotation=60, ha='right', fontsize=size, rotation_mode='anchor')
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set(xlabel='found', ylabel='truth')
    axes.set_title(title, fontsize=11)
    if len(names) <= _NUMBERED:
        for (row, column), share in np.ndenumerate(shares):
            if not math.isnan(share):
                color = 'white' if share > 0.5 else 'black'
                axes.text(column, row, f'{share:.0%}', ha='center', va='center', color=color, fontsize=7)
    _save(figure, file)


def draw_point_errors(file: Path, title: str, errors: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    """Write a bar for the mean error of each keypoint, in percent of the box's longer side; NaN has none."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 1.2 + 0.26 * min(len(names), 60)), dpi=_DPI, layout='constrained')
    axes = figure.subplots()
    axes.barh(range(len(names)), np.nan_to_num(errors), color='tab:blue')
    axes.set_yticks(range(len(names)), names, fontsize=8 if len(names) <= 60 else 3)
    axes.invert_yaxis()
    axes.grid(axis='x', alpha=0.3)
    axes.set_xlabel("mean error, % of the box's longer side")
    axes.set_title(title, fontsize=11)
    _save(figure, file)


def label_images(images: Sequence[Classified], side: int = 96) -> Pair:
    """Squares of small images with the true class at the corner, and with the predicted one, red where it is wrong."""
    columns = math.ceil(math.sqrt(len(images)))
    grids = []
    for is_truth in (True, False):
        grid = np.zeros((math.ceil(len(images) / columns) * side, columns * side, 3), np.uint8)
        for place, one in enumerate(images):
            cell = cv2.resize(read(one.file), (side, side))
            color = (90, 200, 255) if is_truth else (90, 255, 90) if one.truth == one.found else (255, 60, 60)
            text = one.truth if is_truth else one.found
            cv2.putText(cell, text, (5, side // 4), cv2.FONT_HERSHEY_SIMPLEX, side / 110, color, 2, cv2.LINE_AA)
            y, x = divmod(place, columns)
            grid[y * side : (y + 1) * side, x * side : (x + 1) * side] = cell
        grids.append(grid)
    return grids[0], grids[1]


def write_tile(file: Path, truth: Image, found: Image, side: int = 480) -> None:
    """Write the upper left square of two pictures `(H, W, 3)` in R, G, B, side by side and `side` pixels each."""
    from ..weights.io import written_aside

    square = min(truth.shape[:2])
    halves = [cv2.resize(one[:square, :square], (side, side), interpolation=cv2.INTER_AREA) for one in (truth, found)]
    with written_aside(file) as aside:
        aside.write_bytes(cv2.imencode('.png', np.hstack(halves)[..., ::-1])[1].tobytes())


def draw_classified(file: Path, images: Sequence[Classified], columns: int = 12, rows: int = 4) -> None:
    """Write a grid of images: above, up to `rows` of correct ones; below, mistakes, of the highest score first."""
    from matplotlib.figure import Figure

    mistakes = sorted((one for one in images if one.truth != one.found), key=lambda one: -one.score)
    right = [one for one in images if one.truth == one.found]
    most = columns * rows
    blocks = {
        f'right: {len(right)} of {len(images)} (some of them)': right[:: max(1, len(right) // most)][:most],
        f'mistakes: {len(mistakes)} of {len(images)} (truth \N{RIGHTWARDS ARROW} found, score)': mistakes[:most],
    }
    heights = [max(1, math.ceil(len(shown) / columns)) for shown in blocks.values()]
    figure = Figure(figsize=(columns, 1.3 * sum(heights) + 1), dpi=_DPI, layout='constrained')
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[height + 0.4 for height in heights]).flat
    for part, height, (title, shown) in zip(parts, heights, blocks.items(), strict=True):
        part.suptitle(title, fontsize=14, fontweight='bold')
        for axes, one in zip(part.subplots(height, columns).flat, shown, strict=False):
            axes.imshow(read(one.file)[..., ::-1])
            is_right = one.truth == one.found
            text = one.found if is_right else f'{one.truth} \N{RIGHTWARDS ARROW} {one.found} ({one.score:.2f})'
            axes.set_title(text, fontsize=10, color='green' if is_right else 'red', pad=2)
        for axes in part.axes:
            axes.axis('off')
    _save(figure, file)


def _brightened(image: Image) -> Image:
    """The image in R, G, B, with its brightest 0.5 % at full brightness: microscope images are mostly dark."""
    top = max(float(np.percentile(image, 99.5)), 1.0)
    return np.asarray(np.clip(image[..., ::-1] * (255 / top), 0, 255), dtype=np.uint8)


def _factor(shape: Sequence[int]) -> int:
    return max(1, round(_LONG_SIDE / max(shape[:2])))


def _enlarged(image: Image) -> Image:
    factor = _factor(image.shape)
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor), dtype=np.uint8)


def _enlarged_mask(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    factor = _factor(mask.shape)
    enlarged: npt.NDArray[np.bool_] = mask.repeat(factor, 0).repeat(factor, 1)
    return enlarged


def _color(index: int) -> tuple[int, int, int]:
    """A color in R, G, B; neighbors in the list differ in hue by the golden angle, hence all differ well."""
    hsv = np.array([[[index * 68.754 % 180, 200, 255]]], dtype=np.uint8)
    r, g, b = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return r, g, b


def _painted(image: Image, mask: npt.NDArray[np.bool_], color: tuple[int, int, int], strength: float) -> Image:
    painted: Image = image.copy()
    painted[mask] = ((1 - strength) * image[mask] + strength * np.array(color)).astype(np.uint8)
    return painted


def _outlined(panel: Image, mask: npt.NDArray[np.bool_], color: tuple[int, int, int]) -> Image:
    mask = _enlarged_mask(mask)
    painted = _painted(panel, mask, color, 0.35)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(painted, outlines, -1, color, 2)
    return painted


def _with_objects(image: Image, objects: Objects, num_classes: int) -> Image:
    panel, factor = _enlarged(image), _factor(image.shape)
    for index, (box, label) in enumerate(zip(objects.boxes, objects.labels, strict=True)):
        color = _color(int(label) if num_classes > 1 else index)
        if objects.masks is None:
            first, last = (tuple(int(value) for value in corner) for corner in (factor * box[:2], factor * box[2:]))
            cv2.rectangle(panel, first, last, color, 2)
        else:
            panel = _outlined(panel, objects.masks[index], color)
    return panel


def _with_points(image: Image, points: Points, least: float, links: Sequence[tuple[int, int]], scale: int) -> Image:
    panel, factor = _enlarged(image), _factor(image.shape)
    shift = 4  # OpenCV takes places in 1/16 pixel
    # The center of the first pixel is at (0, 0), before and after it was enlarged.
    places = np.rint(((points[..., :2] + 0.5) * factor - 0.5) * (1 << shift)).astype(int)
    width = scale * (3 if max(points.shape[:2]) > _MANY_POINTS else 7)
    for index, (place, score) in enumerate(zip(places.tolist(), points[..., 2], strict=True)):
        color = _color(index + FIRST_POINT)
        shown = [(place[start], place[end]) for start, end in links if min(score[start], score[end]) > least]
        # A dark rim, so that the color is seen on any other.
        for shade, wider in ((_RIM, 4), (color, 0)):
            for start, end in shown:
                cv2.line(panel, start, end, shade, width + wider, cv2.LINE_AA, shift)
        for (x, y), one in zip(place, score, strict=True):
            if one > least:
                for shade, radius in ((_RIM, width + 2), ((255, 255, 255) if shown else color, width)):
                    cv2.circle(panel, (x, y), radius << shift, shade, -1, cv2.LINE_AA, shift)
    return panel


def _with_labels(image: Image, labels: Image) -> Image:
    panel = _enlarged(image)
    for label in np.unique(labels[(labels > 0) & (labels < 255)]):
        panel = _outlined(panel, labels == label, _color(int(label)))
    return panel


def _legend(classes: Sequence[str], first: int = 0) -> list[Any]:
    from matplotlib.patches import Patch

    colors = (np.array(_color(i)) / 255 for i in range(first, first + len(classes)))
    return [Patch(color=(r, g, b), label=name) for (r, g, b), name in zip(colors, classes, strict=True)]


def _write(file: Path, panels: dict[str, Image], legend: list[Any]) -> None:
    from matplotlib.figure import Figure

    height, width = next(iter(panels.values())).shape[:2]
    bottom = 40 if legend else 0
    figure = Figure(
        figsize=(len(panels) * (width + 16) / _DPI, (height + 48 + bottom) / _DPI), dpi=_DPI, layout='constrained'
    )
    for axes, (title, panel) in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True):
        axes.imshow(panel)
        axes.set_title(title, fontsize=12)
        axes.axis('off')
    if legend:
        figure.legend(handles=legend, loc='outside lower center', ncols=min(len(legend), 8), fontsize=12)
    _save(figure, file)


def _save(figure: Any, file: Path) -> None:
    from ..weights.io import written_aside

    with written_aside(file) as aside:
        figure.savefig(aside, format='png')
