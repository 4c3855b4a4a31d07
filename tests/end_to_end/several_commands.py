"""Commands of `hrnet-mm`, a JSON list of argument lists, one after another in one process."""

import json
import sys

from hrnet_mm.cli import main

if __name__ == '__main__':
    for arguments in json.loads(sys.argv[1]):
        assert main(arguments) == 0
