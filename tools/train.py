"""Trains from a config of mmdet, mmseg, mmpose or mmpretrain: python tools/train.py configs/demo/hrnet-c_digits.py."""

import argparse

from hrnet_mm.engine import add_train_arguments, train

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    add_train_arguments(parser)
    train(parser.parse_args())
