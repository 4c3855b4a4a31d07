"""Tests a checkpoint: python tools/test.py configs/demo/hrnet-c_digits.py work_dirs/hrnet-c_digits/iter_500.pth."""

import argparse

from hrnet_mm.engine import add_test_arguments, test

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    add_test_arguments(parser)
    test(parser.parse_args())
