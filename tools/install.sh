#!/usr/bin/env bash
# Makes .venv in the checkout and installs there what is missing: the four libraries and this package, no compiler needed.
#   --compiled   mmcv with its compiled operators in place of those of hrnet_mm.ops
#   --develop    also what tools/test.sh runs
# A second call takes less than a second; an interrupted one is continued by calling it again.
# PYTHON=... chooses the interpreter, UV_TORCH_BACKEND=cpu, cu126, ... the build of torch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=$PWD/.venv
python=$venv/bin/python
stamp=$venv/.installed
mmcv=$(sed -n 's/^mmcv-lite==//p' requirements/constraints.txt)
libraries=(mmdet mmseg mmpose mmpretrain)

say() { printf '%s\n' "$*"; }
fail() { say "install: $*" >&2; exit 1; }
supported() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }
fingerprint() { { "$python" --version; cat requirements/*.txt setup.py pyproject.toml; } 2>/dev/null | sha256sum; }
built() { compgen -G "$venv/lib/python3*/site-packages/$1" >/dev/null; }

compiled= develop=
for option; do
    case $option in
        --compiled) compiled=yes ;;
        --develop) develop=yes ;;
        *) fail "no such option: $option; allowed: --compiled, --develop." ;;
    esac
done
# What an earlier call has installed stays.
if grep -qs compiled "$stamp"; then compiled=yes; fi
if grep -qs develop "$stamp"; then develop=yes; fi

complete() {
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(state)" ] || return 1
    local item
    for item in 'torch/_C*' mmcv/ops xtcocotools hrnet_mm.pth ${compiled:+'mmcv/_ext*.so'} \
        "${libraries[@]/%//apis}"; do
        built "$item" || return 1
    done
    for item in hrnet-mm ${develop:+pytest pre-commit ruff mypy lint-imports mkdocs}; do
        [ -x "$venv/bin/$item" ] || return 1
    done
}

state() { say "$(fingerprint) ${compiled:+compiled} ${develop:+develop}"; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.10 python3}; do
        if supported "$candidate"; then say "$candidate"; return; fi
    done
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is not a working Python 3.10 to 3.13; point PYTHON at one, or unset it."
    fi
    fail "no working Python 3.10 to 3.13 on the PATH; install one (Debian: apt-get install python3.11" \
        "python3.11-venv python3.11-dev) or name one with PYTHON=/path/to/python."
}

make_environment() {
    if [ -x "$python" ] && "$python" -m pip --version >/dev/null 2>&1; then
        supported "$python" || fail "$venv holds $("$python" --version), and 3.10 to 3.13 is needed;" \
            "remove that folder and run this again."
        return
    fi
    local base
    base=$(find_python)
    "$base" -m venv --clear "$venv" || fail "$base cannot make a virtual environment; install its venv module" \
        "(Debian: apt-get install python3-venv) and run this again."
}

need_disk() {
    local free
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
    [ "$free" -ge "$1" ] || fail "$free GB are free at $PWD and the installation needs $1;" \
        "free some space, or move the checkout to a larger disk."
}

need_compiler() {
    local include
    printf '#include <vector>\n' | ${CXX:-c++} -x c++ -fsyntax-only - >/dev/null 2>&1 ||
        fail "no working C++ compiler (tried '${CXX:-c++}'), and mmcv's ops must be compiled;" \
            "install one (Debian: apt-get install g++) or name one with CXX."
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    printf '#include <Python.h>\n' | ${CXX:-c++} -x c++ -fsyntax-only "-I$include" - >/dev/null 2>&1 ||
        fail "the headers of $("$python" --version) are not in $include, and mmcv's ops are compiled against them;" \
            "install them (Debian: apt-get install python3-dev, for this very version)."
}

pip_setting() { "$python" -m pip config list 2>/dev/null | sed -n "s/^global\.$1='\(.*\)'$/\1/p"; }

# uv does not read pip's settings, and pip does not read uv's: whichever index was configured is given to both.
share_index() {
    local index certificate
    index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(pip_setting index-url)}}}
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX=$index PIP_INDEX_URL=$index; fi
    certificate=${PIP_CERT:-$(pip_setting cert)}
    if [ -n "$certificate" ]; then export SSL_CERT_FILE=${SSL_CERT_FILE:-$certificate}; fi
}

need_index() {
    "$python" -m pip download --quiet --no-deps --no-cache-dir --retries 1 --timeout 20 \
        --dest "$venv/.index_check" uv >/dev/null 2>&1 && return
    fail "no package index answers at ${PIP_INDEX_URL:-the default address}; check the network," \
        "or set PIP_INDEX_URL to an index that this machine reaches."
}

# The wheel is kept under the versions it was compiled against, which neither pip's cache nor uv's looks at.
build_mmcv() {
    need_compiler
    say "      compiling, once: about 6 minutes on 2 cores; the result is kept in $wheels"
    (for ((minutes = 1; ; minutes++)); do sleep 60 >/dev/null; say "      still compiling after $minutes min"; done) &
    trap "kill $! 2>/dev/null" EXIT
    if ! command -v "${CUDA_HOME:+$CUDA_HOME/bin/}nvcc" >/dev/null; then
        # With a GPU but no nvcc mmcv's build stops; it builds the CPU ops where it sees no GPU.
        export CUDA_VISIBLE_DEVICES=
    fi
    if ! CFLAGS="-g0 -O2" MAX_JOBS=$(nproc) "$python" -m pip wheel --quiet --no-cache-dir --no-deps \
        --no-build-isolation --no-binary mmcv --wheel-dir "$wheels" "mmcv==$mmcv"; then
        need_index
        fail "mmcv could not be compiled, for the reason above; run this again once it is repaired."
    fi
    kill $!
    trap - EXIT
}

# uv takes torch for CPUs, a fifteenth of the download, from PyTorch's own index, for a machine without a GPU.
choose_torch() {
    if [ -n "${UV_TORCH_BACKEND:-}" ] || command -v nvidia-smi >/dev/null || [ "$(uname)" != Linux ]; then return; fi
    if "$python" -c 'import urllib.request as r; r.urlopen("https://download.pytorch.org/whl/cpu/torch/", timeout=5)' \
        2>/dev/null; then
        export UV_TORCH_BACKEND=cpu
    else
        say "      no GPU is here, but download.pytorch.org, which has torch for CPUs alone, does not answer"
    fi
}

install() {
    "$venv/bin/uv" pip install --python "$python" --constraint requirements/constraints.txt "$@" && return
    need_index
    fail "the packages could not be installed, for the reason uv gives above; run this again to continue from here."
}

if complete; then exit 0; fi

make_environment
say "[1/4] $("$python" --version) in $venv"
share_index

say "[2/4] uv, the installer"
if ! [ -x "$venv/bin/uv" ] && ! "$python" -m pip install --quiet --retries 1 --timeout 60 uv; then
    need_index
    fail "pip could not install uv, for the reason it gives above."
fi

choose_torch
if [ "${UV_TORCH_BACKEND:-}" = cpu ]; then megabytes=400 gigabytes=4; else megabytes=2900 gigabytes=9; fi
built 'torch/_C*' || need_disk $gigabytes
say "[3/4] torch and the libraries (about $megabytes MB to download the first time)"
if [ -n "$compiled" ]; then
    install --requirements requirements/build.txt
    wheels=${XDG_CACHE_HOME:-$HOME/.cache}/hrnet_mm/$("$python" -c \
        'import sys, torch; print("torch{}-python{}.{}".format(torch.__version__, *sys.version_info))')
    mkdir -p "$wheels"
    if ! built 'mmcv/_ext*.so'; then
        compgen -G "$wheels/mmcv-$mmcv-*.whl" >/dev/null || build_mmcv
        # Both have the same files.
        "$venv/bin/uv" pip uninstall --quiet --python "$python" mmcv mmcv-lite
        install --no-deps "$wheels/mmcv-$mmcv"-*.whl
    fi
    say "mmcv-lite; sys_platform == 'never'" > "$venv/.overrides"
fi
install ${compiled:+--overrides "$venv/.overrides"} --editable ".[all${develop:+,docs,export,lint,mim,mobile,tensorboard,tests}]"

say "[4/4] mmpose, and a trial of every package"
# uv and Python may leave no bytecode; what the trial writes saves the first start about 20 s.
PYTHONDONTWRITEBYTECODE='' PIP_CONSTRAINT=requirements/constraints.txt PIP_QUIET=1 \
    "$venv/bin/hrnet-mm" doctor --fix "${libraries[@]}" ||
    fail "the installed packages do not fit together, for the reason above; remove $venv and run this again."
rm -rf "$venv/.index_check"
state > "$stamp"
say "Installed in $SECONDS s."
