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
# The installation of a user, without a compiler, beside the checks and the first tests.
mkdir -p work_dirs
bash tools/matrix.sh --short >work_dirs/matrix.log 2>&1 &
matrix=$!
trap 'kill "$matrix" 2>/dev/null || true' EXIT
.venv/bin/pre-commit run --all-files --show-diff-on-failure
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet  # into work_dirs/site; a broken link is an error
code=0
# One process a core, one thread each: two busy processes of two threads are many times slower.
.venv/bin/pytest --numprocesses "$cores" --dist worksteal || code=$?
wait "$matrix" || code=$?
cat work_dirs/matrix.log
exit "$code"
