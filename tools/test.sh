#!/usr/bin/env bash
# Installs what is missing, then runs every check and test; with arguments, only pytest with these arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if printf '#include <vector>\n' | ${CXX:-c++} -x c++ -fsyntax-only - >/dev/null 2>&1; then
    bash tools/install.sh --develop --compiled  # with whose operators those in Python are compared
else
    bash tools/install.sh --develop
fi
cores=$(nproc)  # before the next line, which nproc would heed
export OMP_NUM_THREADS=1
.venv/bin/python tools/prepare/demo_data.py  # tests are kept from the network
if [ $# -gt 0 ]; then
    exec .venv/bin/pytest "$@"
fi
.venv/bin/pre-commit run --all-files --show-diff-on-failure
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet  # into work_dirs/site; a broken link is an error
bash tools/matrix.sh --short  # the installation of a user, without a compiler
# One process a core, one thread each: two busy processes of two threads are many times slower.
exec .venv/bin/pytest --numprocesses "$cores" --dist worksteal
