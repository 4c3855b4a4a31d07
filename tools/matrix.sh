#!/usr/bin/env bash
# Installs this package without a compiler on several Pythons, torches and numpys, and tries each installation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/install.sh
exec .venv/bin/python tools/research/matrix.py "$@"
