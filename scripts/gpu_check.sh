#!/usr/bin/env bash
# What a CUDA card gives, and whether it gives the right numbers: tests, trainings, whole folds, flow, networks of stages.
# Takes at most 12 minutes, installs nothing, goes on after a step that failed, and writes one JSON file.
#
#   scripts/gpu_check.sh [out.json]              on a card
#   DEVICE=cpu scripts/gpu_check.sh [out.json]   the same steps, small, on a CPU: to try the script
#
# PYTHON names the interpreter that has mer (default: .venv/bin/python, else python3), LIMIT the seconds of all steps.
set -uo pipefail
OUT=$(realpath -m "${1:-gpu_check.json}")
cd "$(dirname "$0")/.." || exit 1

DEVICE=${DEVICE:-cuda}
LIMIT=${LIMIT:-700}
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python3
  [ -x .venv/bin/python ] && PYTHON=.venv/bin/python
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
CHECK=("$PYTHON" -m mer.bench.gpu_check)
MER=("$PYTHON" -c "from mer.cli import main; main()")
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT

# step NAME SECONDS COMMAND…: run it for so many seconds at most, or what is left of all; keep what it says.
step() {
  local name=$1 seconds=$2 left=$((LIMIT - SECONDS)) status=0 begun
  shift 2
  if [ "$left" -lt 5 ]; then
    printf '%s\t%s\t%s\n' "$name" "no time" 0 >>"$FOLDER/steps.tsv"
    echo "$name: no time left" >&2
    return
  fi
  [ "$seconds" -gt "$left" ] && seconds=$left
  begun=$(date +%s.%N)
  timeout --kill-after=10 "$seconds" "$@" >"$FOLDER/$name.out" 2>"$FOLDER/$name.err" || status=$?
  case $status in
    0) status=ok ;;
    124 | 137) status="stopped after $seconds s" ;;
    *) status="failed ($status)" ;;
  esac
  printf '%s\t%s\t%s\n' "$name" "$status" "$(echo "$(date +%s.%N) $begun" | awk '{printf "%.1f", $1 - $2}')" >>"$FOLDER/steps.tsv"
  echo "$name: $status" >&2
}

if [ "$DEVICE" = cpu ]; then
  SIZE=(--folds 2 --epochs 1 --clips 136) FOLD=(--clips 8 --epochs 1)
  SYSTEMS=(--models "mean,dual_branch,dual_branch_msmh,au_fusion,aman" --preset small --clips 8)
  KERNELS=(--pairs 2 --side 48)
else
  SIZE=(--folds 68 --epochs 40) SYSTEMS=(--clips 64) FOLD=(--clips 435) KERNELS=(--pairs 64 --side 128)
fi

step machine 60 "${CHECK[@]}" machine
step tests 200 "$PYTHON" -m pytest -q -m cuda -p no:cacheprovider tests/cuda
step kernels 60 "${CHECK[@]}" kernels --device "$DEVICE" "${KERNELS[@]}"
for model in ststnet mean; do
  step "training-$model" 60 "${MER[@]}" bench training --model "$model" --device "$DEVICE" --json "${SIZE[@]}"
done
step systems 120 "${MER[@]}" bench systems --device "$DEVICE" --json "${SYSTEMS[@]}"
for model in ststnet mean dual_branch dual_branch_msmh au_fusion aman; do
  preset=
  [ "$DEVICE" = cpu ] && [ "$model" != ststnet ] && preset=small
  step "fold-$model" 75 "${CHECK[@]}" fold --model "$model" --preset "$preset" --device "$DEVICE" --seconds 60 "${FOLD[@]}"
done
if "${MER[@]}" bench feeding --help >/dev/null 2>&1; then
  step feeding 60 "${MER[@]}" bench feeding --json
fi

"${CHECK[@]}" merge --folder "$FOLDER" --out "$OUT"
