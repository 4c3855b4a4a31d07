"""Scripts, a JSON list of their command lines, one after another in one process, which imports the libraries once."""

import json
import runpy
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / 'support'))

from quick import quick_runs

if __name__ == '__main__':
    with quick_runs():
        for line in json.loads(sys.argv[1]):
            sys.argv = line
            try:
                runpy.run_path(line[0], run_name='__main__')
            except SystemExit as end:
                if end.code:
                    raise
