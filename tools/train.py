"""Trains a model as a config of mmdet, mmseg, mmpose or mmpretrain says.

example:
  python tools/train.py configs/demo/hrnet-c_digits.py --work-dir work_dirs/digits
"""

import argparse

from hrnet_mm.commands.train import add_arguments, run

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    run(parser.parse_args())
