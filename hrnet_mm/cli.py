"""The console script `hrnet-mm`; each command's code is imported when the command is called."""

import argparse
import fnmatch
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ._messages import nearest

__all__ = ['main']


@dataclass(frozen=True)
class _Command:
    """A command: its line in the list, examples, and a function that adds its arguments and gives what to call."""

    help: str
    example: str
    prepare: Callable[[argparse.ArgumentParser], Callable[[argparse.Namespace], int | None]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process unless given) and return the exit code; mistakes exit with 2."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(
        prog='hrnet-mm',
        description='HRNet for the OpenMMLab libraries.',
        epilog='example:\n  hrnet-mm demo\n\nhrnet-mm COMMAND --help shows more.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title='commands', dest='command', metavar='COMMAND', required=True)
    run: Callable[[argparse.Namespace], int | None] | None = None
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(
            name,
            help=command.help,
            description=command.help,
            epilog=f'example:\n{command.example}',
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if argv[:1] == [name]:
            run = command.prepare(subparser)
    if argv and not argv[0].startswith('-') and run is None:
        parser.error(f'unknown command {argv[0]!r}{nearest(argv[0], list(_COMMANDS))}')
    args = parser.parse_args(argv)
    assert run is not None  # parse_args exits where no command is given
    try:
        return run(args) or 0
    except (ValueError, RuntimeError) as error:
        if not str(error):
            raise  # such as a library's NotImplementedError, of which only the place says something
        print(f'hrnet-mm {args.command}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'hrnet-mm {args.command}: interrupted', file=sys.stderr)
        return 130


def _prepare_demo(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .demo import add_demo_arguments, demo

    add_demo_arguments(parser)
    return demo


def _prepare_train(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .demo import add_folder_arguments, train_folder
    from .demo.job import TASKS
    from .engine import add_train_arguments, train

    add_train_arguments(parser)
    add_folder_arguments(parser)
    return lambda args: train(args) if args.data is None and args.config not in TASKS else train_folder(args)


def _prepare_test(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .engine import add_test_arguments, test

    add_test_arguments(parser)
    return test


def _prepare_track(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .tracking.command import add_track_arguments, track

    add_track_arguments(parser)
    return track


def _prepare_predict(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .predict import add_predict_arguments, predict

    add_predict_arguments(parser)
    return predict


def _prepare_streams(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .visualize import add_streams_arguments, draw_streams

    add_streams_arguments(parser)
    return draw_streams


def _prepare_convert(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .checkpoints import add_convert_arguments, convert_file

    add_convert_arguments(parser)
    return convert_file


def _prepare_verify_checkpoint(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .checkpoints import add_verify_checkpoint_arguments, verify_checkpoint

    add_verify_checkpoint_arguments(parser)
    return verify_checkpoint


def _prepare_verify(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .verify import add_verify_arguments, verify

    add_verify_arguments(parser)
    return verify


def _prepare_export(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .export import add_export_arguments, export_file

    add_export_arguments(parser)
    return export_file


def _prepare_benchmark(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    from .fast.benchmark import add_benchmark_arguments, benchmark

    add_benchmark_arguments(parser)
    return benchmark


def _prepare_list(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    parser.add_argument('pattern', nargs='?', default='*', help="which names, such as '*small*' (default: all)")
    return _list


def _prepare_info(parser: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int | None]:
    parser.add_argument('arch', help='a name that hrnet-mm list shows, or any w<N>')
    parser.add_argument(
        '--size', nargs=2, type=int, default=(224, 224), metavar=('H', 'W'), help='input size (default: 224 224)'
    )
    return _info


def _list(args: argparse.Namespace) -> None:
    from .models import ARCHS

    names = fnmatch.filter(ARCHS, args.pattern)
    if not names:
        raise ValueError(f'no architecture is called {args.pattern!r}{nearest(args.pattern, ARCHS)}, or any w<N>')
    print(f'{"name":14} channels of the four streams')
    for name in names:
        print(f'{name:14} {" ".join(f"{channels:4}" for channels in ARCHS[name].out_channels)}')
    if args.pattern == '*':
        print("and w<N> for any width N, and test-w<N> for tiny networks to test with; 'hrnet-mm info NAME' says more")


def _info(args: argparse.Namespace) -> None:
    from .summary import readouts

    height, width = args.size
    print(f'{args.arch}, input 3 x {height} x {width}; MACs are multiply-adds, 1 GiMAC = 2**30 MACs')
    print(f'{"readout":9} {"parameters":>12} {"MACs":>16} {"GiMACs":>8}  maps (channels x height x width)')
    for readout in readouts(args.arch, (height, width)):
        maps = ', '.join(' x '.join(map(str, shape)) for shape in readout.shapes)
        print(f'{readout.name:9} {readout.parameters:12,} {readout.macs:16,} {readout.macs / 2**30:8.3f}  {maps}')


_COMMANDS = {
    'demo': _Command(
        'train, test and draw five tasks on demonstration data, or those that a folder of your own allows',
        '  hrnet-mm demo\n  hrnet-mm demo pose faces --work-dir work_dirs/keypoints\n'
        '  hrnet-mm demo --data my_images --minutes 10',
        _prepare_demo,
    ),
    'list': _Command('list the architectures', "  hrnet-mm list\n  hrnet-mm list 'w*b'", _prepare_list),
    'info': _Command(
        'parameters, MACs and output maps of an architecture for each readout',
        '  hrnet-mm info w32\n  hrnet-mm info w48 --size 512 1024',
        _prepare_info,
    ),
    'train': _Command(
        'train an mmdet, mmseg, mmpose or mmpretrain config, or a task on a folder of your own',
        '  hrnet-mm train configs/demo/fcn_hrnetv2_nuclei.py --work-dir work_dirs/fcn\n'
        '  hrnet-mm train pose --data my_images --arch w18 --minutes 20',
        _prepare_train,
    ),
    'test': _Command(
        'test a checkpoint as an mmdet, mmseg, mmpose or mmpretrain config says',
        '  hrnet-mm test configs/demo/fcn_hrnetv2_nuclei.py work_dirs/demo/segmentation/weights.pth',
        _prepare_test,
    ),
    'track': _Command(
        'follow the poses of persons through a video, and measure it where annotations are given',
        '  hrnet-mm track video.mp4 --model pose.py pose.pth --detector persons.py persons.pth\n'
        '  hrnet-mm track images/val/000342_mpii_test --model pose.py pose.pth --boxes detections.json '
        '--truth annotations/val/000342_mpii_test.json',
        _prepare_track,
    ),
    'predict': _Command(
        'answer and draw images with a trained model of any task, in one process or many, resumable',
        '  hrnet-mm predict images --model work_dirs/demo/instances/weights.pth --out work_dirs/found\n'
        '  torchrun --nproc_per_node=8 -m hrnet_mm.cli predict images --model weights.pth --out found '
        '--launcher pytorch --workers 4 --no-pictures',
        _prepare_predict,
    ),
    'streams': _Command(
        'draw what the network keeps at each of its four resolutions, after each stage',
        '  hrnet-mm streams image.png --model work_dirs/demo/segmentation/weights.pth\n'
        '  hrnet-mm streams image.png --model timm://hrnet_w18.ms_aug_in1k --out streams.png',
        _prepare_streams,
    ),
    'convert': _Command(
        'convert a checkpoint from any known layout to another, each key accounted for',
        '  hrnet-mm convert hrnetv2_w48_imagenet_pretrained.pth w48.safetensors --to mmpretrain\n'
        '  hrnet-mm convert hrnetv2_w48_imagenet_pretrained.pth body.pth --to mmseg --backbone-only',
        _prepare_convert,
    ),
    'export': _Command(
        'write a network for ONNX Runtime, OpenVINO or torch.export, checked against the network itself',
        '  hrnet-mm export hrnetv1_w32 pose.onnx --weights pose_hrnet_w32_256x192.pth --dynamic\n'
        '  hrnet-mm export hrnet_w18 w18.xml --weights timm://hrnet_w18.ms_aug_in1k --precision int8 '
        '--calibration images\n'
        '  hrnet-mm export configs/demo/hrnet-c_digits.py digits.pt2 '
        '--weights work_dirs/demo/classification/weights.pth --size 56 56 --aot',
        _prepare_export,
    ),
    'benchmark': _Command(
        'time networks in every engine, in turn with other implementations, and print the ratios',
        '  hrnet-mm benchmark hrnetv1_w32 --engines plain eager openvino openvino:bf16 --against mmpose resnet50\n'
        '  hrnet-mm benchmark hrnetv1_w32 --train --batch 8 --engines plain compile --against mmpose',
        _prepare_benchmark,
    ),
    'verify': _Command(
        'count parameters and MACs of every shipped config and compare with the published figures',
        '  hrnet-mm verify\n  hrnet-mm verify segmentation --all',
        _prepare_verify,
    ),
    'verify-checkpoint': _Command(
        'say what a checkpoint is and whether it is complete, and run its network once',
        '  hrnet-mm verify-checkpoint hrnetv2_w48_imagenet_pretrained.pth',
        _prepare_verify_checkpoint,
    ),
}

if __name__ == '__main__':
    sys.exit(main())
