#!/usr/bin/env bash
# Brings .venv to where `edgevoice` runs: packages at the versions of constraints.txt, llama-cpp-python compiled for this machine, the C
# core, the default models. Each step leaves a stamp with a hash of what it was made from, and is left out while that hash holds; with
# nothing to do neither apt nor pip nor Python is started.
# Usage: scripts/setup.sh [base|test]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
group=${1:-base}
unset MAKEFLAGS MFLAGS MAKELEVEL PYTHONPATH PYTHONHOME
python=.venv/bin/python
stamps=.venv/.stamps
store=${EDGEVOICE_MODELS:-${XDG_DATA_HOME:-${HOME:?HOME is not set}/.local/share}/edgevoice/models}

build_tools=(setuptools cython numpy scikit-build-core packaging pathspec)
llama_flags="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TESTS=OFF"
# llama.cpp's AMX kernels end in SIGILL on virtual machines that show the unit and do not keep its tiles (seen on a Xeon under Firecracker),
# and a model of this size gains nothing by them.
without_amx=''
if [ "$(uname -m)" = x86_64 ] && cc -mno-amx-tile -E -x c /dev/null >/dev/null 2>&1; then without_amx="-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"; fi
extras=''; [ "$group" = test ] && extras='[test]'

fresh() { [ -f "$stamps/$1" ] && [ "$(<"$stamps/$1")" = "$2" ]; }
stamp() { mkdir -p "$stamps"; printf '%s\n' "$2" >"$stamps/$1.new"; mv "$stamps/$1.new" "$stamps/$1"; }
pip_install() { "$python" -m pip install --disable-pip-version-check --no-input --no-build-isolation -c constraints.txt "$@"; }

# suitable PYTHON: 3.11 to 3.13 with venv and the headers to build against
suitable() {
    "$1" -c 'import os, sys, sysconfig, venv, ensurepip
sys.exit(not ((3, 11) <= sys.version_info < (3, 14) and os.path.exists(sysconfig.get_path("include") + "/Python.h")))' >/dev/null 2>&1
}

make_venv() {
    local candidate
    for candidate in ${EDGEVOICE_PYTHON:-/usr/bin/python3 python3 python3.13 python3.12 python3.11}; do
        if suitable "$candidate"; then
            say "[2] .venv with $("$candidate" -V)"
            "$candidate" -m venv --clear .venv || die "$candidate could not make .venv here: see above"
            return
        fi
    done
    die "edgevoice needs Python 3.11, 3.12 or 3.13 with its headers and venv; found $(python3 -V 2>&1 || true)" \
        "EDGEVOICE_PYTHON=/path/to/python3.12 make … names another one"
}

# failed WHAT: the end of the log, and what may help
failed() {
    local log=.venv/setup.log
    if grep -qa 'No space left on device' "$log"; then
        die "$1 could not be installed: the disk is full (a setup needs about 2 GB)" "the whole log: $log"
    elif grep -qaE 'NewConnectionError|Temporary failure in name resolution|Network is unreachable|ConnectTimeout|No matching distribution' "$log"; then
        grep -aE '^ *ERROR' "$log" | tail -n 2 >&2 || true
        die "$1 could not be installed: the package index does not answer, or lacks it" \
            "offline, a folder of wheels serves as well: PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/to/wheels make …" "the whole log: $log"
    fi
    tail -n 15 "$log" >&2
    die "$1 could not be installed" "the whole log: $log"
}

# jobs: compilers that fit this machine, about 1 GB each
jobs_that_fit() {
    local cores gigabytes
    cores=$(nproc); gigabytes=$(awk '/MemAvailable/ {print int($2 / 1000000)}' /proc/meminfo)
    (( gigabytes < 1 )) && gigabytes=1
    (( cores < gigabytes )) && echo "$cores" || echo "$gigabytes"
}

# llama_fits: it loads here, and has no AMX
llama_fits() {
    "$python" -c 'import sys, llama_cpp; sys.exit(b"AMX_INT8 = 1" in llama_cpp.llama_print_system_info())'
}

compile_llama() {
    # Built under .venv: /tmp is often a small piece of memory.
    export TMPDIR=$PWD/.venv/tmp; mkdir -p "$TMPDIR"
    export CMAKE_ARGS=$llama_flags CFLAGS=$without_amx CXXFLAGS=$without_amx CMAKE_BUILD_PARALLEL_LEVEL
    CMAKE_BUILD_PARALLEL_LEVEL=$(jobs_that_fit)
    pip_install -v llama-cpp-python || return
    if ! llama_fits; then # pip's cache does not know with which flags, or on which machine, its wheel was made
        "$python" -m pip cache remove llama_cpp_python >/dev/null 2>&1 || true
        pip_install -v --force-reinstall --no-deps llama-cpp-python || return
        llama_fits || return
    fi
    rm -rf "$TMPDIR"
}

models_are_there() {
    local manifest
    fresh models "$1" || return
    while read -r manifest; do [ -f "$manifest" ] || return; done <"$stamps/models.files"
}

if [ ! -x .venv/bin/python ] || { ! fresh python "$(readlink -f .venv/bin/python)" && ! suitable .venv/bin/python; }; then
    make_venv
fi
stamp python "$(readlink -f .venv/bin/python)"
this_python=$(<"$stamps/python")

tools=$(hash_of "$this_python" constraints.txt "${build_tools[@]}")
if ! fresh tools "$tools"; then
    say "[3] build tools"
    logged "build tools" .venv/setup.log pip_install "${build_tools[@]}" || failed "a build tool"
    stamp tools "$tools"
fi

llama=$(hash_of "$this_python" "$(grep '^llama-cpp-python==' constraints.txt)" "$llama_flags" "$without_amx")
if ! fresh llama "$llama"; then
    say "[4] llama-cpp-python, compiled for this machine (about 6 minutes on two cores, 25 on a Pi 4, seconds where pip has it in its cache)"
    started=$SECONDS
    logged "llama-cpp-python" .venv/setup.log compile_llama || failed llama-cpp-python
    stamp llama "$llama"
    say "      done after $(( SECONDS - started )) s"
fi

sources=(setup.py pyproject.toml constraints.txt ext/*.h ext/*.pyx ext/*.pxd ext/*.pxi)
for source in ext/*.c; do [ -f "${source%.c}.pyx" ] || sources+=("$source"); done # Cython's own output is not a source
core=$(hash_of "$this_python" "${sources[@]}")
packages=$(hash_of "$this_python" constraints.txt pyproject.toml)
if ! fresh core "$core" || ! fresh "packages-$group" "$packages"; then
    say "[5] packages and the C core"
    started=$SECONDS
    EDGEVOICE_NATIVE=1 logged "packages and the C core" .venv/setup.log pip_install -e ".$extras" || failed "edgevoice"
    stamp core "$core"; stamp "packages-$group" "$packages"
    [ "$group" = test ] && stamp packages-base "$packages"
    say "      done after $(( SECONDS - started )) s"
fi

models=$(hash_of "$store" edgevoice/models/catalogue.py edgevoice/settings.py edgevoice/cli/models.py) # settings name them
if ! models_are_there "$models"; then
    say "[6] the default models, into $store"
    .venv/bin/edgevoice models pull
    find -L "$store" -mindepth 2 -maxdepth 2 -name model.json >"$stamps/models.files"
    stamp models "$models"
fi
