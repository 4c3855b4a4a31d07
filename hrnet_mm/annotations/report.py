"""What a check of data found: mistakes, which stop a training, and warnings."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from ..errors import UserError

__all__ = ['DataError', 'Finding', 'Report', 'listed']

Level = Literal['error', 'warning']

_SHOWN_NAMES = 5
_LONGEST = 1000  # characters of a sentence


@dataclass(frozen=True)
class Finding:
    """A sentence that names the file and the annotation, and how many others are like it."""

    level: Level
    sentence: str
    others: int = 0

    def __str__(self) -> str:
        """The sentence with the number of the others."""
        more = f' ({self.others} other{"s are" if self.others > 1 else " is"} like it)' if self.others else ''
        return self.sentence + more


class DataError(UserError):
    """The first of a report's mistakes, with the number of the others."""


class Report:
    """Findings in the order of their discovery; of each kind, the first has a sentence and the others are counted."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[Level, str, int]] = {}

    def error(self, sentence: str, *kind: Hashable) -> None:
        """Add a mistake; without a kind, it is the only one of its kind."""
        self._add('error', sentence, kind)

    def warning(self, sentence: str, *kind: Hashable) -> None:
        """Add a warning; without a kind, it is the only one of its kind."""
        self._add('warning', sentence, kind)

    def _add(self, level: Level, sentence: str, kind: tuple[Hashable, ...]) -> None:
        sentence = _shown(sentence)
        key = (level, *(kind or (sentence,)))
        first = self._found.get(key)
        if first is None:
            self._found[key] = level, sentence, 0
        elif kind:
            self._found[key] = level, first[1], first[2] + 1

    @property
    def findings(self) -> list[Finding]:
        """All findings, mistakes first."""
        found = [Finding(level, sentence, others) for level, sentence, others in self._found.values()]
        return sorted(found, key=lambda finding: finding.level)

    @property
    def errors(self) -> list[str]:
        """The mistakes."""
        return [str(finding) for finding in self.findings if finding.level == 'error']

    @property
    def warnings(self) -> list[str]:
        """The warnings."""
        return [str(finding) for finding in self.findings if finding.level == 'warning']

    @contextmanager
    def collecting(self, *kind: Hashable) -> Iterator[None]:
        """Turn a UserError of a `with` block into a mistake of this report, of a kind as in `error`."""
        try:
            yield
        except DataError:
            pass  # they are in the report
        except UserError as error:
            self.error(str(error), *kind)

    def stop(self, all_of_them: str = '') -> None:
        """Raise the mistakes as one sentence, if there are any.

        Args:
            all_of_them: The command that shows all of them.

        Raises:
            DataError: There is one.
        """
        if errors := self.errors:
            count = len(errors) - 1
            others = f'; {count} other mistake{"s"[: count != 1]}' if count else ''
            raise DataError(errors[0] + others + (f': {all_of_them}' if count and all_of_them else ''))


def _shown(sentence: str) -> str:
    """A sentence in one line of a readable length, whatever characters the names in it have."""
    if not sentence.isprintable():
        sentence = ''.join(one if one.isprintable() else repr(one)[1:-1] for one in sentence)
    half = _LONGEST // 2
    return sentence if len(sentence) <= _LONGEST else f'{sentence[:half]} ... {sentence[-half:]}'


def listed(names: Sequence[str]) -> str:
    """The first names, quoted, and the number of the others."""
    shown = ', '.join(repr(name) for name in names[:_SHOWN_NAMES])
    return shown + (f' and {len(names) - _SHOWN_NAMES} others' if len(names) > _SHOWN_NAMES else '')
