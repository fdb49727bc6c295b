#!/usr/bin/env bash
# What a worker costs: memory when idle and with N rooms, CPU per turn, latency through a real LiveKit server.
#
#   bench/rooms.sh [ROOMS] [TURNS]      default: 50 rooms, 20 turns each
#
# The caller, the server and the model run on the same machine, so latencies are comparable within one run only; CPU and
# memory are the worker's alone.
set -euo pipefail
cd "$(dirname "$0")/.."
rooms=${1:-50} turns=${2:-20}
. bench/stage.sh
start_worker --set store.path="$dir/record.sqlite" --set telemetry.spool_dir="$dir/spool"

printf 'binary            %s bytes\n' "$(stat -c %s "$voiced")"
printf 'idle, registered  %s\n' "$(mib "$(rss)")"
before=$(cpu_ms)
"$voiced" call --room bench --rooms "$rooms" --turns "$turns" > "$dir/call.log" 2>&1 & caller=$!; pids+=("$caller")
peak=0
while kill -0 "$caller" 2>/dev/null; do
  now=$(rss)
  (( now > peak )) && peak=$now
  sleep 0.2
done
wait "$caller" || { cat "$dir/call.log" "$dir/worker.log"; exit 1; }
spent=$(( $(cpu_ms) - before ))
printf '%s rooms at once    %s\n' "$rooms" "$(mib "$peak")"
awk -v t="$spent" -v n=$((rooms * turns)) \
  'BEGIN {printf "CPU               %.2f ms a turn, joins and leaves included (%.2f s for %d turns)\n", t / n, t / 1000, n}'
cat "$dir/call.log"
