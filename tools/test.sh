#!/usr/bin/env bash
# Installs what is missing, then runs every check and test; with arguments, only pytest with these arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/install.sh
export OMP_NUM_THREADS=1
if [ $# -eq 0 ]; then
    .venv/bin/pre-commit run --all-files --show-diff-on-failure
fi
exec .venv/bin/pytest "$@"
