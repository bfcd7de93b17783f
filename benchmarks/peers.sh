#!/bin/sh
# Environments of peers that need other versions than the project: DIR/NAME/bin/python each.
#     benchmarks/peers.sh [DIR [NAME…]]         all of them if none is named
# No dependency group holds them, since no resolution would hold both.
set -eu
dir=${1:-.venv/peers}
[ $# -eq 0 ] || shift
asked=" $* "

wanted() { # NAME
    case $asked in *[a-z]*) case $asked in *" $1 "*) ;; *) return 1 ;; esac ;; esac
}

peer() { # NAME REQUIREMENT…
    wanted "$1" || return 0
    name=$1
    shift
    uv --no-config venv --quiet --python 3.11 "$dir/$name"
    uv --no-config pip install --quiet --python "$dir/$name/bin/python" "$@"
}

pip_peer() { # NAME REQUIREMENT…, by pip: torch's processor-only build is where pip is told to look
    wanted "$1" || return 0
    name=$1
    shift
    uv --no-config venv --quiet --seed --python 3.11 "$dir/$name"
    "$dir/$name/bin/python" -m pip install --quiet "$@"
}

peer smpybandits 'SMPyBandits==0.9.7' 'numpy<2' 'scipy<1.12' numba tqdm
pip_peer torch 'torch==2.13.0' 'stable-baselines3>=2.7,<3' 'gymnasium>=1.1,<2'
# For sources that are no package: `python -m benchmarks deep --purejaxrl FOLDER`.
peer purejaxrl 'jax==0.10.2' 'flax==0.12.8' 'distrax==0.1.9' 'gymnax==0.0.9' 'flashbax==0.1.3'
