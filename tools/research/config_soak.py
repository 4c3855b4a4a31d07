"""Breaks configs at random, and says of each whether `hrnet-mm check` finds it.

python tools/research/config_soak.py --count 200   # some minutes; writes tools/research/results/config_soak.csv

Good configs of the four libraries, this package's and the libraries' own, have made data in their data sets' formats.
One place of the resolved config is renamed, duplicated, dropped, swapped, shifted or retyped. The change is *found* if
the check reports something that it does not report of the good config; *harmless* if the settings that take effect,
with all defaults filled in, are the same, or if the place has no effect on the result (`NO_EFFECT`), and a short
training by both has equal losses and its validation and test equal metrics; and a *limit* if the place is a number or
choice of the recipe, which could be meant so (`LIMITS`; docs/tutorials/own_images.md has them in words). Exits with 1
if a change is none of these, or raises anything else than a sentence.
"""

import argparse
import copy
import inspect
import json
import os
import random
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests' / 'support'))

import torch  # noqa: E402
from made_data import make_data  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.utils import import_modules_from_strings  # noqa: E402
from quick import quick_work  # noqa: E402
from shrink import loader_options, round_options, shrinking_options, with_options  # noqa: E402

from hrnet_mm.config.types import find_type  # noqa: E402
from hrnet_mm.engine import inspect_config, read_config, test, train  # noqa: E402
from hrnet_mm.registry import scope_of  # noqa: E402
from hrnet_mm.weights.tables import write_rows  # noqa: E402

RESULTS = ROOT / 'tools' / 'research' / 'results' / 'config_soak.csv'

CONFIGS = (
    'hrnet_mm::detection/faster-rcnn_hrnetv2p-w32_1x_coco.py',
    'hrnet_mm::detection/mask-rcnn_hrnetv2p-w18_1x_coco.py',
    'hrnet_mm::detection/fcos_hrnetv2p-w32-gn-head_4xb4-1x_coco.py',
    'hrnet_mm::pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py',
    'hrnet_mm::face/td-hm_hrnetv2-w18_1xb16-60e_300w-256x256.py',
    'hrnet_mm::segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520.py',
    'hrnet_mm::classification/hrnet-w18_8xb32_in1k.py',
    'mmdet::hrnet/cascade-mask-rcnn_hrnetv2p-w32_20e_coco.py',
    'mmdet::hrnet/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py',
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-w48_udp-8xb32-210e_coco-256x192.py',
    'mmpose::hand_2d_keypoint/topdown_heatmap/onehand10k/td-hm_hrnetv2-w18_8xb64-210e_onehand10k-256x256.py',
    'mmpretrain::hrnet/hrnet-w32_4xb32_in1k.py',
    'mmseg::hrnet/fcn_hr18_4xb2-40k_cityscapes-512x1024.py',
    'mmseg::hrnet/fcn_hr48_4xb4-80k_ade20k-512x512.py',
)

SECTIONS = {
    'model': 8,
    'train_dataloader': 5,
    'val_dataloader': 3,
    'test_dataloader': 2,
    'optim_wrapper': 2,
    'param_scheduler': 2,
    'train_cfg': 1,
    'val_evaluator': 1,
    'default_hooks': 1,
    'data_preprocessor': 2,
}
"""Sections of a config, and how often a place in them is chosen."""

_LOADER = r'(train|val|test)_dataloader\.'

NO_EFFECT = (
    # Patterns of places, with what they are for.
    (r'(val|test)_dataloader\.batch_size', 'images that are measured together'),
    (
        rf'{_LOADER}(num_workers|persistent_workers|pin_memory|drop_last|prefetch_factor|collate_fn.*)',
        'fetching of data',
    ),
    (r'default_hooks\.(logger|timer|runtime_info|visualization|checkpoint)(\..*)?', 'what is written, and how often'),
    (r'.*\.(debug|outfile_prefix|format_only|meta_keys.*|palette.*|classwise)', 'what is printed or kept'),
)

LIMITS = (
    # Places that could be meant so; nothing in a config contradicts another value of them.
    (r'(optim_wrapper|param_scheduler|train_cfg)(\..*)?', 'length, learning rate or its schedule'),
    (r'.*loss.*', 'kind or weight of a loss'),
    (r'model\.(train_cfg|test_cfg)(\..*)?', 'samples that are drawn, boxes that are kept, or a flip in tests'),
    (rf'{_LOADER}(batch_size|sampler\..*|num_batch_per_epoch|batch_sampler.*)', 'images in a batch, and their order'),
    (rf'{_LOADER}dataset\.(.*\.)?pipeline.*', 'augmentation, or the size of images'),
    (rf'{_LOADER}dataset\.(filter_cfg|data_prefix)(\..*)?', 'other images that are there'),
    (
        rf'{_LOADER}dataset\.(indices|test_mode|ann_file|data_root|img_suffix|seg_map_suffix)',
        'other images that are there',
    ),
    (rf'{_LOADER}dataset\.(bbox_file|sample_interval|split)', 'other images that are there'),
    (r'.*\.(norm_cfg|conv_cfg|act_cfg|init_cfg)(\..*)?', 'layers or their initialization'),
    (
        r'model\.(backbone|neck|decode_head|auxiliary_head|head|bbox_head|rpn_head|roi_head).*',
        'another network that fits',
    ),
    (r'(val|test)_evaluator.*', 'what is measured'),
    (r'(model\.)?data_preprocessor\..*', 'another normalization or padding that images can have'),
)

VALUES = (None, 0, -1, 1e9, 'x', [], {}, True, 1.5)


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
            print(rows[-1], flush=True)
    write_rows(args.out, rows)
    outcomes = Counter(row['outcome'] for row in rows)
    print(f'{len(rows)} configs: {", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))}')
    return 1 if outcomes['missed'] else 0


def soak(work: Path, seed: int, trains: bool = True) -> dict[str, str]:
    """Break one config.

    Args:
        work: The folder for the data.
        seed: Chooses the config, the place and the change.
        trains: Whether to show by a training and a test that a change is harmless.

    Returns:
        The config, the place, the change, the outcome and a sentence.
    """
    chance = random.Random(seed)  # noqa: S311
    name = chance.choice(CONFIGS)
    before = os.getcwd()
    os.chdir(work)
    try:
        good = _good(name, str(work))
        import_modules_from_strings(**good.custom_imports)
        broken = copy.deepcopy(good)
        place, change, values = _break(broken._cfg_dict, chance)
        about = {'seed': str(seed), 'config': name, 'place': place, 'change': change, 'values': values}
        known = _found(name, str(work))
        try:
            new = [one for one in map(str, inspect_config(broken)) if one not in known]
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = f'{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})'
            return {**about, 'outcome': 'missed', 'sentence': what[:200]}
        if new:
            return {**about, 'outcome': 'found', 'sentence': new[0][:200]}
        scope = scope_of(good)
        with DefaultScope.overwrite_default_scope(scope):
            is_same = _effective(good.to_dict(), scope) == _effective(broken.to_dict(), scope)
        reason = 'the settings that take effect are the same' if is_same else _reason(NO_EFFECT, place)
        if reason and trains:
            mine, its = _results(broken), _results_of_good(name, str(work))
            if mine != its:
                return {**about, 'outcome': 'missed', 'sentence': f'{reason}, but {its} -> {mine}'[:200]}
            last = next(one for one in reversed(mine) if 'loss' in one)
            shown = ', '.join(f'{metric} {value}' for metric, value in {'loss': last['loss'], **mine[-1]}.items())
            reason = f'{reason}; equal: {shown}'[:200]
        if reason:
            return {**about, 'outcome': 'harmless', 'sentence': reason}
    finally:
        os.chdir(before)
    reason = _reason(LIMITS, place)
    return {**about, 'outcome': 'limit' if reason else 'missed', 'sentence': reason}


def _reason(table: Iterable[tuple[str, str]], place: str) -> str:
    return next((reason for pattern, reason in table if re.fullmatch(pattern, place)), '')


@cache
def _good(name: str, work: str) -> Any:
    """A config with a small network, as its users would have it with their own, and its made data."""
    config = read_config(name)
    library = scope_of(config)
    if not name.startswith('hrnet_mm'):
        config.custom_imports = dict(imports=[f'hrnet_mm.drop_in.{library}'], allow_failed_imports=False)
    import_modules_from_strings(**config.custom_imports)
    options = [*shrinking_options(config), *loader_options(config)]
    config = with_options(config, options)
    make_data(config, Path(work))
    return config


@cache
def _found(name: str, work: str) -> frozenset[str]:
    return frozenset(map(str, inspect_config(_good(name, work))))


class _Recorder(Hook):
    """Keeps the losses of a training and the metrics of its validations, as texts, in which NaN equals NaN."""

    def __init__(self) -> None:
        self.results: list[dict[str, str]] = []

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.results.append(_as_texts(outputs))

    def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
        self.results.append(_as_texts(metrics))


def _as_texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: repr(torch.as_tensor(value).item()) for name, value in values.items() if 'time' not in name}


def _results(config: Any) -> list[dict[str, str]]:
    """Train by a config for one round with a fixed seed, and test; return the losses and the metrics."""
    config = with_options(copy.deepcopy(config), [*round_options(config, 1), 'randomness.seed=0'])
    recorder = _Recorder()
    with tempfile.TemporaryDirectory() as folder, quick_work():
        train(config, folder, unchecked=True, hooks=[recorder])
        checkpoint = Path(folder, 'last_checkpoint').read_text()
        tested = test(config, checkpoint, folder, unchecked=True)
    return [*recorder.results, _as_texts(tested)]


@cache
def _results_of_good(name: str, work: str) -> list[dict[str, str]]:
    return _results(_good(name, work))


def _places(part: Any, where: str = '') -> Iterator[tuple[str, Any, Any]]:
    """Yield each place with the dict or list that holds it, and its key."""
    for key, value in part.items() if isinstance(part, Mapping) else enumerate(part):
        place = f'{where}.{key}' if where else str(key)
        yield place, part, key
        if isinstance(value, Mapping | list | tuple):
            yield from _places(value, place)


def _break(config: Any, chance: random.Random) -> tuple[str, str, str]:
    """Change one place of a config; return the place, the change and the values before and after."""
    sections = [name for name in SECTIONS if config.get(name)]
    if 'data_preprocessor' in config.model and 'data_preprocessor' in sections:
        sections.remove('data_preprocessor')  # a variable of the config
    section = chance.choices(sections, [SECTIONS[name] for name in sections])[0]
    config[section] = _opened(config[section])
    try:
        return _break_one(config, section, chance)
    finally:
        config[section] = _closed(config[section])


def _break_one(config: Any, section: str, chance: random.Random) -> tuple[str, str, str]:
    places = [one for one in _places({section: config[section]}) if one[2] != section]
    place, holder, key = chance.choice(places)
    change = chance.choice(('rename', 'duplicate', 'drop', 'swap', 'shift', 'retype'))
    if isinstance(holder, list) and change == 'rename':
        change = 'duplicate'
    old = holder[key]
    if change == 'rename' and isinstance(old, str) and chance.random() < 0.5:
        holder[key] = chance.choice((f'{old}x', old.upper(), old[:-1], old.swapcase()))
    elif change == 'rename':
        new = chance.choice((f'{key}s', str(key)[:-1], str(key).upper(), f'{key}_'))
        holder[new] = holder.pop(key)
        return place, change, f'{key} -> {new}'
    elif change == 'duplicate' and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(old))
    elif change in ('duplicate', 'swap'):
        keys = list(holder) if isinstance(holder, Mapping) else range(len(holder))
        other = chance.choice([one for one in keys if one != key] or [key])
        holder[key], holder[other] = holder[other], old if change == 'swap' else holder[other]
        return place, change, f'{key} <-> {other}'[:80]
    elif change == 'drop':
        del holder[key]
    elif change == 'shift':
        holder[key] = _shifted(old, chance)
    else:
        holder[key] = _retyped(old, chance)
    after = holder[key] if (key in holder if isinstance(holder, Mapping) else key < len(holder)) else 'nothing'
    return place, change, f'{_short(old)} -> {_short(after)}'


class _Open(list):  # type: ignore[type-arg]
    """A tuple as a list, so that it can be changed; some classes refuse a list in its place."""


def _opened(part: Any) -> Any:
    """Return a section with every tuple opened."""
    if isinstance(part, Mapping):
        for key in part:
            part[key] = _opened(part[key])
        return part
    kind = {list: list, tuple: _Open}.get(type(part))
    return part if kind is None else kind(_opened(one) for one in part)


def _closed(part: Any) -> Any:
    """Return a section with tuples again."""
    if isinstance(part, Mapping):
        for key in part:
            part[key] = _closed(part[key])
        return part
    kind = {list: list, _Open: tuple}.get(type(part))
    return part if kind is None else kind(_closed(one) for one in part)


def _shifted(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, value * 2, value // 2))
    if isinstance(value, float):
        return value * chance.choice((0.5, 2, 10, -1))
    if isinstance(value, list) and value:
        value = type(value)(value)
        k = chance.randrange(len(value))
        value[k] = _shifted(value[k], chance)
    elif isinstance(value, Mapping) and value:
        key = chance.choice(sorted(value))
        value = {**value, key: _shifted(value[key], chance)}
    return value


def _retyped(value: Any, chance: random.Random) -> Any:
    if isinstance(value, list) and value and chance.random() < 0.5:
        value = type(value)(value)
        value[chance.randrange(len(value))] = chance.choice(VALUES)
        return value
    return str(value) if chance.random() < 0.2 else chance.choice(VALUES)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:37]}...'


def _effective(part: Any, scope: str) -> Any:
    """Return settings with the defaults of their classes, as far as these are known, in one form of lists."""
    if isinstance(part, Mapping):
        filled = {key: value for key, value in part.items() if (key, value) != ('_scope_', scope)}
        kind = part.get('type')
        for owner in find_type(kind, scope) if isinstance(kind, str) else ():
            for base in reversed(getattr(owner, '__mro__', ())):
                for name, parameter in inspect.signature(base).parameters.items() if '__init__' in vars(base) else ():
                    if parameter.default is not parameter.empty and name not in part:
                        filled[name] = parameter.default
        if 'milestones' in filled:  # which mmengine counts, in any order
            filled['milestones'] = sorted(filled['milestones'])
        return {
            str(key): _effective(value, scope) for key, value in sorted(filled.items(), key=lambda one: str(one[0]))
        }
    if isinstance(part, list | tuple):
        return [_effective(one, scope) for one in part]
    return json.dumps(part, default=str)


if __name__ == '__main__':
    sys.exit(main())
