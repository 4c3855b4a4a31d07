"""Tests a checkpoint as a config of mmdet, mmseg, mmpose or mmpretrain says.

example:
  python tools/test.py configs/demo/hrnet-c_digits.py work_dirs/digits/iter_500.pth
"""

import sys

from hrnet_mm.cli import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))
