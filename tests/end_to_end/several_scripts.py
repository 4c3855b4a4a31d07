"""Scripts, a JSON list of their command lines, one after another in one process, which imports the libraries once."""

import json
import runpy
import sys

if __name__ == '__main__':
    for line in json.loads(sys.argv[1]):
        sys.argv = line
        try:
            runpy.run_path(line[0], run_name='__main__')
        except SystemExit as end:
            if end.code:
                raise
