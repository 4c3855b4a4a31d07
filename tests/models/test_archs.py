import copy

import pytest

from hrnet_mm.models import ARCHS, Arch, get_arch

NAMES = ['w18', 'w30', 'w32', 'w40', 'w44', 'w48', 'w64', 'w18-small-v1', 'w18-small-v2', 'w44b', 'w76b', 'w96b']


def test_widths_follow_from_the_name() -> None:
    for name in ['w18', 'w32', 'w96b', 'w27']:
        width = int(name[1:].rstrip('b'))
        assert get_arch(name).out_channels == (width, 2 * width, 4 * width, 8 * width)
    # "W18-small-v1" is 16 wide in the official configs.
    assert get_arch('w18-small-v1').out_channels == (16, 32, 64, 128)


@pytest.mark.parametrize('name', [*NAMES, 'w27', 'test-w4'])
def test_extra_round_trip(name: str) -> None:
    arch = get_arch(name)
    extra = arch.to_extra()
    before = copy.deepcopy(extra)
    assert get_arch(extra=extra) == arch
    assert extra == before
    assert get_arch(arch) is arch


def test_architectures_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        ARCHS['w18'].stage1 = ARCHS['w32'].stage2


@pytest.mark.parametrize(
    ('arch', 'message'),
    [
        ('w18-smal-v1', "did you mean 'w18-small-v1'.*any w<N>"),
        ('w0', 'unknown arch'),
        ('resnet50', 'Allowed: w18, w30'),
        (18, "must be a name such as 'w32', got 18"),
        ({'stage1': {}}, 'a mapping of stages goes to extra'),
        (None, 'neither is given'),
    ],
)
def test_bad_arch(arch: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_arch(arch)


def test_wrong_stages_raise_the_libraries_error_too() -> None:
    """Upstream asserts what `extra` holds, and its unit tests and users' code expect that."""
    extra = {name: stage for name, stage in get_arch('w18').to_extra().items() if name != 'stage4'}
    with pytest.raises(AssertionError):
        get_arch(extra=extra)


def test_arch_and_extra_exclude_each_other() -> None:
    with pytest.raises(ValueError, match='both is given'):
        get_arch('w18', get_arch('w18').to_extra())


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        (['stage5'], {}, "unknown key 'stage5'"),
        (['stage4'], None, 'extra lacks stage4'),
        (['stage4', 'num_block'], (4,), "extra.stage4 has an unknown key 'num_block'; did you mean 'num_blocks'"),
        (['stage3', 'num_blocks'], None, 'extra.stage3 lacks num_blocks'),
        (['stage2', 'num_branches'], 3, 'extra.stage2.num_branches must be 2, got 3'),
        (['stage2', 'block'], 'BASICS', "extra.stage2.block is 'BASICS'; did you mean 'BASIC'"),
        (['stage3', 'num_channels'], (18, 36), r'num_channels must hold 3 positive integer\(s\).*got \(18, 36\)'),
        (['stage3', 'num_channels'], (18, 36, 0), 'num_channels must hold 3 positive'),
        (['stage3', 'num_channels'], 18, 'num_channels must hold 3 positive'),
        (['stage1', 'num_modules'], 2, 'extra.stage1.num_modules must be 1'),
        (['stage3', 'num_modules'], 0, 'extra.stage3.num_modules must hold 1 positive'),
    ],
)
def test_bad_extra(path: list[str], value: object, message: str) -> None:
    extra: dict = get_arch('w18').to_extra()
    place = extra
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        get_arch(extra=extra)


def test_one_line_gives_an_architecture() -> None:
    assert isinstance(ARCHS['w44b'], Arch)
    assert ARCHS['w44b'].stage2.block == 'BOTTLENECK'
    assert ARCHS['w44b'].stage4.num_channels == (11, 22, 44, 88)
