"""Command-line settings, `--cfg-options KEY=VALUE ...`: parsing, checks, and application to a config."""

import argparse
import copy
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from mmengine.config import ConfigDict, DictAction
from mmengine.utils import import_modules_from_strings

from ..errors import UserError
from ._mmengine import parse_setting

__all__ = ['SettingsAction', 'apply_settings']


class SettingsAction(DictAction):
    """mmengine's DictAction with one-sentence errors for settings that mmengine misreads or fails on."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        """Add the settings to the earlier ones."""
        for setting in values:
            key, equals, value = setting.partition('=')
            expected = _expected(key, value) if key and equals else 'KEY=VALUE'
            if expected is not None:
                raise argparse.ArgumentError(self, f'{setting!r} is not a setting; expected {expected}')
        super().__call__(parser, namespace, values, option_string)


def _expected(key: str, value: str) -> str | None:
    """Return the expected form of a value that mmengine would misread; None if it would not."""
    if re.search(r'(^|[\[(,])[\s\'"]*{', value):
        return f'one {key}.KEY=VALUE for each key of a dict'
    brackets = 'matching brackets, as in 4, [4,8] or [(4,8),(16,32)]'
    try:
        strings = list(_strings(parse_setting(value)))
    except (AssertionError, RecursionError):
        return brackets
    if any(string.count('[') != string.count(']') or string.count('(') != string.count(')') for string in strings):
        return brackets
    return None


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings at any depth of lists and tuples."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def apply_settings(config: Any, settings: Mapping[str, Any]) -> None:
    """Change settings of a config as its `merge_from_dict` does, and import modules added to its `custom_imports`.

    Args:
        config: The mmengine Config to change.
        settings: Values by key, such as `model.roi_head.bbox_head.0.num_classes`, where numbers are indices of lists.
            `KEY._delete_=True` empties KEY before other settings fill it.

    Raises:
        UserError: A key does not lead to a dict or list, or a custom import fails.

    Examples:
        >>> from mmengine.config import Config
        >>> config = Config(dict(model=dict(head=[dict(num_classes=80)])))
        >>> apply_settings(config, {'model.head.0.num_classes': 3})
        >>> config.model.head[0].num_classes
        3
    """
    for key, value in sorted(settings.items(), key=lambda item: not item[0].endswith('._delete_')):
        path = key.split('.')
        if path[-1] == '_delete_':
            if not value:
                continue
            path, value = path[:-1], ConfigDict()
        config[path[0]] = _changed(config.get(path[0], ConfigDict()), path[1:], value, key)
    if any(key.split('.')[0] == 'custom_imports' for key in settings):  # mmengine imports when it reads the file only
        try:
            import_modules_from_strings(**config.custom_imports)
        except (ImportError, TypeError) as error:
            raise UserError(f'custom_imports: {error}; expected names of modules that can be imported') from error


def _changed(part: Any, path: Sequence[str], value: Any, key: str) -> Any:
    """Return `part` with the value at the path; a copy, because one object may be in several places of a config."""
    if not path:
        return value
    name, rest = path[0], path[1:]
    if isinstance(part, list | tuple):
        if not name.isdigit() or int(name) >= len(part):
            raise UserError(f'{key}: {name} is not a place in a list of {len(part)}; expected 0 to {len(part) - 1}')
        place = int(name)
        return type(part)([*part[:place], _changed(part[place], rest, value, key), *part[place + 1 :]])
    if not isinstance(part, MutableMapping):
        raise UserError(f'{key}: {name} is below {part!r}; expected a dict or a list there')
    part = copy.copy(part)
    part[name] = _changed(part.get(name, ConfigDict()), rest, value, key)
    return part
