"""Writes the table of docs/demonstration.md from the results of `hrnet-mm demo`, and copies its picture.

hrnet-mm demo
python tools/research/demo_table.py work_dirs/demo --machine '2 cores (Intel Xeon), 24 GB, no GPU'
"""

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from hrnet_mm.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Path('docs', 'five_tasks.png')
BEGIN, END = '<!-- demo:begin -->', '<!-- demo:end -->'


def table(rows: Sequence[Mapping[str, object]]) -> str:
    lines = ['| task | data | metric | value | trivial baseline | target | seconds |', '|---|---|---|---|---|---|---|']
    seen = set()
    for row in rows:
        task, target = str(row['task']), row['target']
        new = task not in seen
        seen.add(task)
        cells = [
            *(TASKS[task].about if new else ('', '')),
            f'{row["metric"]}{" (an error)" if row["is_error"] else ""}',
            f'{row["value"]:.1f}',
            f'{row["baseline"]:.1f}',
            '' if target is None else f'{"at most " if row["is_error"] else ""}{target:g}',
            f'{row["seconds"]:.0f}' if new else '',
        ]
        lines.append(f'| {" | ".join(cells)} |'.replace('|  |', '| |').replace('|  |', '| |'))
    return '\n'.join(lines)


def block(results: Mapping[str, object], machine: str) -> str:
    rows = results['rows']
    baselines = {row['task']: row['baseline_is'] for row in rows}
    trivial = '; '.join(f'{task}, {baseline}' for task, baseline in baselines.items())
    return f"""{BEGIN}
`tools/demo.sh`, {machine}, set A, {results['seconds']:.0f} seconds in all (in percent):

{table(rows)}

The trivial baseline does not look at the images: {trivial}.
{END}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='the work directory of the demonstration')
    parser.add_argument('--machine', required=True, help='where it ran, for the sentence above the table')
    parser.add_argument('--page', type=Path, default=ROOT / 'docs' / 'demonstration.md', help='default: %(default)s')
    args = parser.parse_args()
    results = json.loads((args.folder / 'results.json').read_text())
    if missing := [task for task in TASKS if task not in {row['task'] for row in results['rows']}]:
        parser.error(f'{args.folder} has no results of {", ".join(missing)}: run `hrnet-mm demo` for all tasks at once')
    if results['holdout']:
        parser.error(
            f'{args.folder} holds results on parts of the training data: run `hrnet-mm demo` without --holdout'
        )
    before, _, rest = args.page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    args.page.write_text(f'{before}{block(results, args.machine)}{after}')
    shutil.copyfile(args.folder / 'five_tasks.png', args.page.parent / PICTURE.name)


if __name__ == '__main__':
    main()
