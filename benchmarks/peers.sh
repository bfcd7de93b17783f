#!/bin/sh
# Environments of peers that need other versions than the project: DIR/NAME/bin/python each.
#     benchmarks/peers.sh [DIR]
# No dependency group holds them, since no resolution would hold both.
set -eu
dir=${1:-.venv/peers}

peer() { # NAME REQUIREMENT…
    name=$1
    shift
    uv --no-config venv --quiet --python 3.11 "$dir/$name"
    uv --no-config pip install --quiet --python "$dir/$name/bin/python" "$@"
}

peer smpybandits 'SMPyBandits==0.9.7' 'numpy<2' 'scipy<1.12' numba tqdm
