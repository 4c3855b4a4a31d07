"""`hrnet-mm verify`: parameters and MACs of the shipped configs, compared with the published figures."""

import argparse

from ..errors import UserError
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'count parameters and MACs of every shipped config and compare with the published figures'
EXAMPLE = '  hrnet-mm verify\n  hrnet-mm verify segmentation --all'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm verify`."""
    parser.add_argument('pattern', nargs='?', default='', help='only configs whose path contains this text')
    parser.add_argument('--all', action='store_true', help='also print the rows that agree')


def run(args: argparse.Namespace) -> int:
    """Print the rows that differ, with the reason if one is known, and a summary.

    Returns:
        1 if a figure differs without a known reason, or a config has unknown keys.

    Raises:
        UserError: No config has `args.pattern` in its path.
    """
    from collections import Counter

    from ..config.check import check_config
    from ..config.zoo import compare, config_paths, published_results, read_config
    from ..engine import quick_reading

    ignore_library_warnings()
    configs = [path for path in config_paths() if args.pattern in path]
    if not configs:
        folders = sorted({path.partition('/')[0] for path in config_paths()})
        raise UserError(f'no config has {args.pattern!r} in its path; give a part of one below {", ".join(folders)}')
    with quick_reading():
        problems = {path: check_config(read_config(path)) for path in configs}
    for path, sentences in problems.items():
        for sentence in sentences:
            print(f'configs/{path}: {sentence}')
    rows = [row for row in published_results() if row['config'] in {f'configs/{path}' for path in configs}]
    comparisons = [comparison for row in rows for comparison in compare(row)]
    for c in comparisons:
        if args.all or c.status != 'equal':
            reason = f': {c.row["note"]}' if c.status == 'explained' else ''
            print(f'{c.status:9} {c.row["id"]}: {c.kind} {c.published} published, {c.counted:.3f} counted{reason}')
    statuses = Counter(comparison.status for comparison in comparisons)
    misspelled = sum(map(bool, problems.values()))
    print(
        f'{len(configs)} configs, {misspelled} with unknown keys; {len(rows)} published rows, '
        f'{len(comparisons)} printed figures: {statuses["equal"]} equal, {statuses["explained"]} explained, '
        f'{statuses["different"]} different'
    )
    return int(misspelled + statuses['different'] > 0)
