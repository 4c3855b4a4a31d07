"""Arguments by which every command opens a network."""

import argparse

__all__ = ['add_network_arguments', 'add_raw_argument']


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `MODEL`, `--weights` and `--raw`, the arguments of `inference.open_network`."""
    parser.add_argument(
        'model',
        metavar='MODEL',
        help='a name that hrnet-mm list shows, such as hrnetv1_w32; a checkpoint of any layout: a path, a URL, or '
        'a name of published weights; or a config of mmdet, mmseg, mmpose or mmpretrain: a path (.py), or mmpose::...',
    )
    parser.add_argument(
        '--weights', metavar='FILE', help='the checkpoint, if MODEL is a name or a config (default: random weights)'
    )
    add_raw_argument(parser)


def add_raw_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--raw`, the choice between the weights of a training and their moving average."""
    parser.add_argument(
        '--raw', action='store_true', help='take the raw weights where a moving average of them stands beside'
    )
