"""Training on a folder of the user's own images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from ..datasets import Annotations, Folder, find_annotations, read_folder
from ..errors import UserError
from ..models.archs import get_arch
from ..tasks import ARCH, TASKS, check_installed, config_path, fitting_tasks
from .job import PATIENCE, Job, Own
from .length import length_in_steps, steps_of_epochs, steps_of_validation
from .record import check_place, free_folder, is_unfinished, newest_unfinished
from .runs import run_jobs
from .suspicions import suspicions_before

MINUTES = 5.0
PLACE = Path('work_dirs', 'own')
_SHOWN_LABELS = 20


def train_folder(
    task: str,
    path: Path,
    work_dir: Path | None = None,
    seed: int = 0,
    minutes: float | None = None,
    epochs: int | None = None,
    arch: str | None = None,
    pretrained: str | None = None,
    form: str | None = None,
    patience: int = PATIENCE,
    resume: bool = False,
    preview: bool = False,
    bands: Sequence[int] = (),
) -> None:
    """Train, test and draw a task on a folder, as `hrnet-mm train TASK --data DIR` does.

    Args:
        task: A name of `TASKS`.
        path: The folder, in one of the formats of docs/tutorials/own_images.md.
        work_dir: The folder for weights, pictures and tables (default: the first of `PLACE`, PLACE_2, ... that holds no
            training of the task).
        seed: The seed.
        minutes: The length of the training, without `epochs` (default: `MINUTES`).
        epochs: The length of the training.
        arch: The architecture in place of the demonstration's.
        pretrained: Weights of the backbone: a path, an address or a published name.
        form: The annotation format, in place of a search.
        patience: The validations in a row without a better metric that end the training; 0 for any number.
        resume: Whether to continue the training that the folder holds (default: the newest that is not finished).
        preview: Whether to draw training samples, after their augmentation, in place of the training.
        bands: The numbers of the bands of the images that are read, from 1.

    Raises:
        UserError: An argument or the data do not fit, or a file cannot be written.
        RuntimeError: The training fails.
        KeyboardInterrupt: After Ctrl-C; its arguments say what is kept, and where.
    """
    if arch is not None:
        get_arch(arch)
    console = Console()
    minutes = None if epochs else minutes or MINUTES
    settings = {'minutes': minutes, 'epochs': epochs, 'arch': arch, 'pretrained': pretrained, 'patience': patience}
    if work_dir is None:
        work_dir = newest_unfinished(PLACE, task) if resume else free_folder(PLACE, [task])
    jobs = own_jobs(path, [task], work_dir, seed, None, settings, console, form, None if preview else resume, bands)
    if preview:
        from .preview import write_preview

        file = Path(f'preview_{jobs[0].name}.png')
        number = write_preview(jobs[0], file)
        console.print(f'wrote {file}: {number} training samples; nothing was trained', highlight=False, soft_wrap=True)
        return
    try:
        run_jobs(jobs, work_dir, console, {'seed': seed, 'data': str(path)})
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(*stop.args[:1], work_dir) from None


def own_jobs(
    path: Path,
    tasks: Sequence[str],
    work_dir: Path,
    seed: int,
    iterations: int | None,
    settings: Mapping[str, Any],
    console: Console,
    form: str | None = None,
    resume: bool | Literal['auto'] | None = False,
    bands: Sequence[int] = (),
) -> list[Job]:
    """The jobs for a folder, whose plan is printed.

    Args:
        path: The folder.
        tasks: Names of tasks; none for all that the folder is annotated for.
        work_dir: The parent of the jobs' folders.
        seed: The seed.
        iterations: The length of each training, in place of that of the settings.
        settings: The arguments of `Own` but the folder.
        console: Shows the plan.
        form: The annotation format, in place of a search.
        resume: Whether the jobs' folders hold trainings that are continued; 'auto' for those that hold an unfinished
            one; None where nothing is trained.
        bands: The numbers of the bands of the images that are read, from 1.

    Raises:
        UserError: The data do not fit, a library is missing, or a folder is not as it must be.
    """
    tasks = [task for task in TASKS if task in (tasks or fitting_tasks(path, form))]
    check_installed(tasks)
    jobs = []
    for task in tasks:
        own = Own(_read(path, task, form, bands), **settings)
        is_continued = is_unfinished(work_dir / task) if resume == 'auto' else bool(resume)
        job = Job(task, config_path(task), work_dir / task, seed, iterations=iterations, own=own, resume=is_continued)
        if resume is not None:
            check_place(job)
        for line in _plan(job, own, is_trained=resume is not None):
            console.print(f'{task}: {line}', highlight=False, soft_wrap=True, markup=False)
        jobs.append(job)
    return jobs


def _plan(job: Job, own: Own, is_trained: bool) -> list[str]:
    """The sentences that are printed before a training."""
    folder, task = own.folder, TASKS[job.task]
    measured = task.measure(folder)
    height, width = measured['input_size']
    start = 'random weights' if own.pretrained is None else own.pretrained
    lines = [
        f'{folder.about}; {folder.split}',
        _labels(folder),
        *([f'pictures show {folder.bands.shown}'] if folder.bands else []),
        f'{task.readout}_{own.arch or ARCH} from {start}, input {width} x {height} pixels, '
        f'{task.batch_size} images a step',
    ]
    if is_trained:
        lines += [
            _length(job, own),
            f'output in {job.work_dir}: weights.pth, metrics.json, {job.name}_card.md, pictures',
        ]
    return lines + [f'warning: {sentence}' for sentence in (*folder.warnings, *suspicions_before(folder))]


def _length(job: Job, own: Own) -> str:
    task = TASKS[job.task]
    early = f', ends early after {own.patience} without a better metric' if own.patience else ''
    steps = job.iterations or steps_of_epochs(own, task.batch_size)
    if steps is None:
        length = f'{own.minutes:g} minute{"s"[: own.minutes != 1]}'
        return f'{length} with up to 10 validations{early}; then the test'
    cost = steps_of_validation(own.folder, task.measure(own.folder), task.batch_size)
    interval = length_in_steps(steps, cost).interval
    if interval is None:
        return f'{steps} steps, then the test; too few for validations on the way'
    return f'{steps} steps, a validation after every {interval}{early}; then the test'


def choose_task(path: Path, form: str | None = None) -> tuple[str, str]:
    """Choose the task that a folder is labeled for.

    Args:
        path: The folder.
        form: The annotation format, in place of a search.

    Returns:
        The task, and a sentence on the choice.

    Raises:
        UserError: The labels are for several tasks, or of no known format.
    """
    fitting = fitting_tasks(path, form)
    if len(fitting) > 1:
        raise UserError(
            f'{path} is labeled for {" and for ".join(fitting)}: name one of them, as in hrnet-mm train {fitting[0]} '
            f'--data {path}, or train all with hrnet-mm demo --data {path}'
        )
    (task,) = fitting
    others = [name for name in _tasks_of(TASKS[task].annotations) if name != task]
    also = f'; {" and ".join(others)} would fit too' if others else ''
    return task, f'{path} is labeled for {task}, which is trained{also}'


def _tasks_of(annotations: Annotations) -> list[str]:
    return [name for name, task in TASKS.items() if task.annotations == annotations]


def _read(path: Path, task: str, form: str | None, bands: Sequence[int]) -> Folder:
    """Read a folder for a task.

    Raises:
        UserError: It cannot be; the sentence names the tasks that its labels are for, if these are others.
    """
    try:
        return read_folder(path, TASKS[task].annotations, form, bands)
    except UserError as error:
        try:
            fitting = [name for kind in find_annotations(path, form) for name in _tasks_of(kind)]
        except UserError:
            raise error from None
        if task in fitting:
            raise
        raise UserError(f'{path} is labeled for {" and for ".join(fitting)}, not for {task}: {error}') from None


def _labels(folder: Folder) -> str:
    """The classes or keypoints, and how often each occurs."""
    kind, unit = ('keypoints', 'points') if folder.points else ('classes', 'objects')
    if not folder.train['annotations'] or folder.has_semantic:
        unit = 'images'
    counts = [f'{name} {train} + {val}' for name, (train, val) in folder.counts.items()]
    rest = f' and {len(counts) - _SHOWN_LABELS} others' if len(counts) > _SHOWN_LABELS else ''
    shown = ', '.join(counts[:_SHOWN_LABELS])
    return f'{len(counts)} {kind}, with the {unit} for training + validation: {shown}{rest}'
