"""`hrnet-mm check`: mistakes in a folder of labeled images, or in a config and the annotations that it names."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import UserError, did_you_mean

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'check a folder of your own, or a config and the annotations that it names, as a training does first'
EXAMPLE = (
    '  hrnet-mm check my_images\n  hrnet-mm check my_images --task pose --json\n'
    '  hrnet-mm check configs/demo/fcn_hrnetv2_nuclei.py'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm check`."""
    from ..tasks import TASKS
    from ._config import SettingsAction

    parser.add_argument('path', metavar='DIR|CONFIG', help='a folder of labeled images, or a config as for train')
    parser.add_argument(
        '--task',
        metavar='TASK',
        help=f'with a folder: only what this task needs, {", ".join(TASKS)} (default: all that the labels are for)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=SettingsAction,
        metavar='KEY=VALUE',
        help='with a config: settings that replace those of the config',
    )
    parser.add_argument(
        '--format', metavar='FORMAT', help='with a folder: its annotation format (default: found by its content)'
    )
    parser.add_argument('--json', action='store_true', help='print the report as JSON')


def run(args: argparse.Namespace) -> int:
    """Print the report.

    Returns:
        1 if there are mistakes; 0 for none, or for warnings alone.

    Raises:
        UserError: There is no such folder or config, or the arguments do not fit it.
    """
    import json

    report: dict[str, Any] = {'path': args.path}
    if Path(args.path).is_dir():
        if args.cfg_options:
            raise UserError('--cfg-options needs a config and has no effect on a folder; leave it out')
        report |= _check_folder(Path(args.path), args.task, args.format)
    else:
        for option in ('task', 'format'):
            if getattr(args, option) is not None:
                raise UserError(f'--{option} needs a folder of labeled images, and {args.path} is none; leave it out')
        report |= _check_config(args.path, args.cfg_options)
    if args.json:
        print(json.dumps(report, indent=1))
    else:
        for line in report['about']:
            print(line)
        for level in ('error', 'warning'):
            for sentence in report[f'{level}s']:
                print(f'{level}: {sentence}')
        counts = [(len(report[name]), name[:-1]) for name in ('errors', 'warnings')]
        print(f'{args.path}: ' + ', '.join(f'{count} {name}{"s"[: count != 1]}' for count, name in counts))
    return 1 if report['errors'] else 0


def _check_folder(path: Path, task: str | None, form: str | None) -> dict[str, Any]:
    from ..annotations import Report
    from ..datasets import check_folder
    from ..tasks import TASKS, fitting_tasks

    if task is not None and task not in TASKS:
        raise UserError(f'--task: unknown task {task!r}{did_you_mean(task, TASKS)}')
    report, about, tasks = Report(), [], [task] if task else []
    if not tasks:
        with report.collecting():
            tasks = fitting_tasks(path, form)
    errors, warnings = [*report.errors], [*report.warnings]
    for name in tasks:
        of_task = Report()
        folder = check_folder(path, TASKS[name].annotations, of_task, form)
        if folder is not None:
            about.append(f'{name}: {folder.about}; {folder.split}')
        errors += of_task.errors
        warnings += of_task.warnings
    unique = {'errors': list(dict.fromkeys(errors)), 'warnings': list(dict.fromkeys(warnings))}
    return {'tasks': tasks, 'about': about, **unique}


def _check_config(config: str, options: Any) -> dict[str, Any]:
    from ..engine import inspect_config
    from ._warnings import ignore_library_warnings

    ignore_library_warnings()
    findings = inspect_config(config, options)
    return {
        'about': [],
        **{f'{level}s': [str(one) for one in findings if one.level == level] for level in ('error', 'warning')},
    }
