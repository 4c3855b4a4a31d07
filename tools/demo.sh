#!/usr/bin/env bash
# Installs what is missing, then trains, tests and draws the demonstration; arguments go to `hrnet-mm demo`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/install.sh
exec .venv/bin/hrnet-mm demo "$@"
