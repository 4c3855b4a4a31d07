"""Test a checkpoint by a config of mmdet, mmseg, mmpose or mmpretrain.

example:
  python tools/test.py configs/demo/hrnet-c_digits.py work_dirs/digits/iter_500.pth
"""

import sys

from hrnet_mm.cli import main

if __name__ == '__main__':
    arguments = sys.argv[1:]
    if len(arguments) > 1 and not arguments[1].startswith('-'):
        arguments.insert(1, '--weights')  # MIM passes the checkpoint by position, as OpenMMLab's tools/test.py expects
    sys.exit(main(['test', *arguments]))
