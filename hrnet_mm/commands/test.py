"""`hrnet-mm test`: a checkpoint tested as a config says."""

import argparse

from ._config import add_config_arguments, config_settings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'test a checkpoint as an mmdet, mmseg, mmpose or mmpretrain config says'
EXAMPLE = '  hrnet-mm test configs/demo/fcn_hrnetv2_nuclei.py --weights work_dirs/demo/segmentation/weights.pth'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that OpenMMLab's tools/test.py takes, the checkpoint as `--weights`."""
    add_config_arguments(parser)
    parser.add_argument('--weights', metavar='FILE', required=True, help='the checkpoint: a path or an address')
    parser.add_argument('--out', metavar='FILE.pkl', help='also write the predictions to this pickle file')
    parser.add_argument('--show-dir', metavar='DIR', help='also draw the predictions into this directory')
    parser.add_argument('--tta', action='store_true', help="test as the config's tta_model and tta_pipeline say")


def run(args: argparse.Namespace) -> None:
    """Test; raises UserError for a mistake in the config or the arguments."""
    from ..engine import test

    test(**config_settings(args), checkpoint=args.weights, out=args.out, show_dir=args.show_dir, tta=args.tta)
