#!/usr/bin/env bash
# Installs what is missing, then runs every check and test; with arguments, only pytest with these arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/install.sh
cores=$(nproc)  # before the next line, which nproc would heed
export OMP_NUM_THREADS=1
.venv/bin/python tools/prepare/demo_data.py  # tests are kept from the network
if [ $# -gt 0 ]; then
    exec .venv/bin/pytest "$@"
fi
.venv/bin/pre-commit run --all-files --show-diff-on-failure
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet  # into work_dirs/site; a broken link is an error
# One process a core, one thread each: two busy processes of two threads are many times slower.
exec .venv/bin/pytest --numprocesses "$cores" --dist worksteal
