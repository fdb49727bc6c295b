#!/usr/bin/env bash
# How long text turns take through a network that loses packets: with the agent's end by LiveKit's own SDK in Python, and with
# `voiced`, a turn of each by turns. Both are behind the same network, 20 ms away in each direction; the server and the caller,
# who has the Python SDK, are on its other side. A reply is 20 chunks, 2 ms apart.
#
#   bench/loss-text.sh [TURNS [PERCENT...]]      default: 300 turns of each; 0, 2, 5 and 10 percent lost in each direction
#
# Prints when the first word and the whole reply have come, in milliseconds after the question: median, 95th percentile, worst;
# and of the whole reply how many times that of the official SDK it is. Chance and the machine's moods are in every figure, so
# only the ratios say something; SEED (default 1) decides which packets are lost. OTHER names the program of another worker
# that is measured in the same run. Wants root, /dev/net/tun and iproute2.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${LOSS_TEXT_INSIDE:-}" ]; then
  export LOSS_TEXT_INSIDE=1
  exec unshare --net bash -c 'ip link set lo up; exec "$@"' inside "$PWD/bench/loss-text.sh" "$@"
fi
turns=${1:-300} chunks=20 pause_ms=2 delay_ms=20
shift || true
[ $# -gt 0 ] || set -- 0 2 5 10
voiced=$(realpath "${VOICED:-target/release/voiced}")
model=$(realpath "${SCRIPTED_MODEL:-target/release/scripted-model}")
bench=$(realpath "${VOICE_BENCH:-target/release/voice-bench}")
python=$(realpath -s "${PYTHON:-target/venv/bin/python}")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# One network with everything around it, in a subshell of its own: the table's rows for PERCENT.
measure() { # PERCENT
  address=10.78.0.1
  unshare --net sleep 86400 & local far=$!
  trap "kill $far" EXIT
  until [ "$(readlink "/proc/$far/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  beyond() { nsenter --net="/proc/$far/ns/net" "$@"; }
  # A program that runs until the end, itself and not a shell around it being what is ended.
  start_beyond() { nsenter --net="/proc/$far/ns/net" "$@" & pids+=($!); }
  beyond ip link set lo up
  rm -f "$scratch/up"
  "$bench" wire --far "$far" --loss "$(awk -v p="$1" 'BEGIN { print p / 100 }')" --delay-ms "$delay_ms" --seed "${SEED:-1}" \
    --counts "$scratch/counts" > "$scratch/up" & local wire=$!
  until [ -s "$scratch/up" ]; do sleep 0.05; done
  . bench/server.sh
  pids+=("$far" "$wire")
  until (: < "/dev/tcp/$address/17880") 2> /dev/null; do sleep 0.1; done

  local words; words=$(for i in $(seq "$chunks"); do printf 'word%02d ' "$i"; done)
  printf '{"otherwise": {"reply": {"text": "%s"}, "pause_ms": %d}}' "${words% }" "$pause_ms" > "$dir/script.json"
  start_beyond "$model" --listen 127.0.0.1:17890 --script "$dir/script.json" > "$dir/model.log" 2>&1
  start_beyond "$python" tests/python/text.py answer official "$chunks" "$pause_ms" > "$dir/official.log" 2>&1
  local rooms=(official=official)
  worker voiced "$voiced" 17883
  [ -z "${OTHER:-}" ] || worker other "$(realpath "$OTHER")" 17884
  until [ -s "$dir/official.log" ]; do sleep 0.1; done
  "$python" tests/python/text.py ask "$1" "$turns" "$chunks" "${rooms[@]}" || { tail -n ${TAIL:-20} "$dir"/*.log >&2; return 1; }
}

# A program: whether the worker at its argument, a port, is registered.
ready='exec 3<> "/dev/tcp/127.0.0.1/$1" && printf "GET /readyz HTTP/1.0\r\n\r\n" >&3 && read -r _ status _ <&3 && [ "$status" = 200 ]'

# A worker on the other side, and a room for it.
worker() { # NAME PROGRAM PORT
  OPENAI_BASE_URL=http://127.0.0.1:17890/v1 OPENAI_API_KEY=bench VOICED_LLM__MODEL=scripted RUST_LOG=${RUST_LOG:-warn} \
    STATE_DIRECTORY=$dir/$1 LIVEKIT_AGENT_NAME=$1 start_beyond "$2" --set http.listen="127.0.0.1:$3" --set store.path=off --set telemetry.enabled=false \
    start > "$dir/$1.log" 2>&1
  until beyond bash -c "$ready" ready "$3" 2> /dev/null; do
    kill -0 "${pids[-1]}" 2>/dev/null || { cat "$dir/$1.log" >&2; exit 1; }
    sleep 0.1
  done
  rooms+=("$1=$1=$1")
}

printf '%-6s %-10s %28s %28s   %s\n' lost "agent by" "first word: p50 / p95 / worst" "whole: p50 / p95 / worst" "whole, times official"
for percent in "$@"; do (measure "$percent"); done
