"""Tests a checkpoint as a config of mmdet, mmseg, mmpose or mmpretrain says.

example:
  python tools/test.py configs/demo/hrnet-c_digits.py work_dirs/digits/iter_500.pth
"""

import argparse

from hrnet_mm.engine import add_test_arguments, test

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_test_arguments(parser)
    test(parser.parse_args())
