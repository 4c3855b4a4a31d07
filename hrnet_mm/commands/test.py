"""`hrnet-mm test`: test of a checkpoint by a config."""

import argparse

from ._config import add_config_arguments, config_settings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'test a checkpoint by a config of mmdet, mmseg, mmpose or mmpretrain'
EXAMPLE = '  hrnet-mm test configs/demo/fcn_hrnetv2_nuclei.py --weights work_dirs/demo/segmentation/weights.pth'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of OpenMMLab's tools/test.py, with the checkpoint as `--weights`."""
    add_config_arguments(parser)
    parser.add_argument('--weights', metavar='FILE', required=True, help='the checkpoint: a path or a URL')
    parser.add_argument('--out', metavar='FILE.pkl', help='also write the predictions to this pickle file')
    parser.add_argument('--show-dir', metavar='DIR', help='also draw the predictions into this directory')
    parser.add_argument('--tta', action='store_true', help="test with the config's tta_model and tta_pipeline")


def run(args: argparse.Namespace) -> None:
    """Test a checkpoint.

    Raises:
        UserError: The config or the arguments have mistakes.
    """
    from ..engine import test

    test(**config_settings(args), checkpoint=args.weights, out=args.out, show_dir=args.show_dir, tta=args.tta)
