"""Tests a checkpoint as a config of mmdet, mmseg, mmpose or mmpretrain says.

example:
  python tools/test.py configs/demo/hrnet-c_digits.py work_dirs/digits/iter_500.pth
"""

import argparse

from hrnet_mm.commands.test import add_arguments, run

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    run(parser.parse_args())
