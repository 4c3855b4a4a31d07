"""Labels that no training image has, and labels that no validation image has."""

from collections.abc import Mapping

from .report import Report, listed

__all__ = ['check_coverage']

_PLURALS = {'class': 'classes', 'keypoint': 'keypoints'}
_CONSEQUENCES = {
    # By whether the training and the validation part have the label; of one label and of several.
    (False, True): (
        'is labeled in the validation part only: it is never learned',
        'are labeled in the validation part only: they are never learned',
    ),
    (True, False): (
        'is labeled in the training part only: no metric measures it',
        'are labeled in the training part only: no metric measures them',
    ),
    (False, False): (
        'is labeled nowhere: it is neither learned nor measured',
        'are labeled nowhere: they are neither learned nor measured',
    ),
}


def check_coverage(where: object, kind: str, train: Mapping[str, int], val: Mapping[str, int], report: Report) -> None:
    """Warn of labels that are never learned or never measured.

    Args:
        where: The folder or the config, for sentences.
        kind: 'class' or 'keypoint'.
        train: How often each label occurs in the training part, zero included.
        val: The same for the validation part.
        report: Takes the warnings.
    """
    names = dict.fromkeys([*train, *val])
    for parts, (of_one, of_several) in _CONSEQUENCES.items():
        missing = [name for name in names if (train.get(name, 0) > 0, val.get(name, 0) > 0) == parts]
        if len(missing) == 1:
            report.warning(f'{where}: the {kind} {missing[0]!r} {of_one}; label it in both parts, or leave it out')
        elif missing:
            report.warning(
                f'{where}: the {_PLURALS[kind]} {listed(missing)} {of_several}; '
                'label them in both parts, or leave them out'
            )
