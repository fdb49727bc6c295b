#!/usr/bin/env bash
# What telemetry costs a turn: traces through the spool to a real collector, the record, metrics and logs over OTLP, all on
# against all off, in turns within one run.
#
#   bench/overhead.sh [ROOMS] [TURNS] [PAIRS]      default: 20 rooms, 12 turns each, 5 pairs
#
# Also takes the collector that OTELCOL or target/tools/ has. The figure of a pair is on minus off, or on over off; what
# counts is the median of the pairs, because the machine has other things to do.
set -euo pipefail
cd "$(dirname "$0")/.."
rooms=${1:-20} turns=${2:-12} pairs=${3:-5}
. bench/stage.sh
# Replies of some forty tokens at the pace of a real model: what a turn costs is compared with what it costs there.
export VOICED_LLM__MODEL=gpt-5.4-mini
collector=${OTELCOL:-$(ls target/tools/otelcol | head -n 1)}
export OTELCOL_LISTEN=127.0.0.1:17884 OTELCOL_USER=bench OTELCOL_PASSWORD=bench
export OTELCOL_FILE="$dir/spans" OTELCOL_METRICS_FILE="$dir/metrics" OTELCOL_LOGS_FILE="$dir/logs"
"$collector" --config tools/otelcol/config.yaml > "$dir/collector.log" 2>&1 & pids+=($!)
until curl -s http://127.0.0.1:17884/ > /dev/null; do sleep 0.1; done

on=(--set telemetry.otlp_endpoint=http://127.0.0.1:17884/api/default
    --set "telemetry.otlp_headers=Authorization=Basic $(printf bench:bench | base64)"
    --set telemetry.metrics=true --set telemetry.logs=true)
off=(--set telemetry.enabled=false --set store.path=off)

# Rooms live on for a while, and only a new one gets an agent: each measurement has its own.
# One worker with these arguments under the same load: median of the first word in milliseconds, and CPU a turn.
measure() {
  start_worker "$@"
  # What is done once is not what a turn costs.
  "$voiced" call --room "warm-$RANDOM" --rooms "$rooms" --turns 2 > "$dir/warm.log" 2>&1 || { cat "$dir/warm.log" >&2; exit 1; }
  local before; before=$(cpu_ms)
  "$voiced" call --room "bench-$RANDOM" --rooms "$rooms" --turns "$turns" > "$dir/call.log" 2>&1 ||
    { cat "$dir/call.log" "$dir/worker.log" >&2; kill "$worker"; exit 1; }
  local spent=$(( $(cpu_ms) - before ))
  kill "$worker"; wait "$worker" || true
  awk -v t="$spent" -v n=$((rooms * turns)) '/^first word/ {print $4, t / n}' "$dir/call.log"
}

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

printf 'pair   off: first word, CPU      on: first word, CPU\n'
for pair in $(seq "$pairs"); do
  # Each side goes first in every other pair.
  spool="$dir/spool-$pair" record="$dir/record-$pair.sqlite"
  with=("${on[@]}" --set telemetry.spool_dir="$spool" --set store.path="$record")
  if (( pair % 2 )); then a=$(measure "${off[@]}"); b=$(measure "${with[@]}"); else b=$(measure "${with[@]}"); a=$(measure "${off[@]}"); fi
  echo "$a $b" | awk -v n="$pair" '{printf "%-4d   %6.2f ms  %5.2f ms        %6.2f ms  %5.2f ms\n", n, $1, $2, $3, $4}'
  echo "$a $b" >> "$dir/pairs"
done
printf 'median of the pairs: first word %+.2f ms, CPU %+.0f %%\n' \
  "$(awk '{print $3 - $1}' "$dir/pairs" | median)" "$(awk '{print ($4 / $2 - 1) * 100}' "$dir/pairs" | median)"
spans=$(grep -o '"spanId"' "$dir/spans" | wc -l)
printf '%s spans reached the collector, of %s\n' "$spans" $((3 * rooms * (turns + 2) * pairs))
