"""Train a model by a config of mmdet, mmseg, mmpose or mmpretrain.

example:
  python tools/train.py configs/demo/hrnet-c_digits.py --work-dir work_dirs/digits
"""

import sys

from hrnet_mm.cli import main

if __name__ == '__main__':
    sys.exit(main(['train', *sys.argv[1:]]))
