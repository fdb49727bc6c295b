#!/usr/bin/env bash
# What a spoken turn takes: a real caller and LiveKit server, this worker, and scripted vendors with the times of fast ones:
# STT 150 ms, LLM 200 ms and 5 ms a word, TTS 100 ms. `turn.min_delay` is 300 ms.
#
#   bench/spoken.sh [TURNS [CASE...]]      default: 50 turns of each case
#
# The cases are `usual`, `preemptive`, `energy` (with preemptive) and `interrupted` (the caller speaks into each answer).
# Prints medians and 95th percentiles from the caller's recording, the vendors' logs and the worker's spans, and fails where
# they are above what each case has to keep to. All that is not ours shares the machine, so look at the load, and compare
# runs only beside each other. Wants flite and root, which sees when packets leave. OTHER_SETTINGS are added to the worker's.
set -euo pipefail
cd "$(dirname "$0")/.."
turns=${1:-50}
shift || true
[ $# -gt 0 ] || set -- usual preemptive energy interrupted
voiced=${VOICED:-target/release/voiced}
model=${SCRIPTED_MODEL:-target/release/scripted-model}
bench=${VOICE_BENCH:-target/release/voice-bench}
. bench/server.sh
reply="Of course I can tell you, and the rest of the week will be the same."
long="This is a long story about a town on a river, and many people live in it. $(printf 'It goes on and on for a while. %.0s' {1..30})"

questions=()
while read -r question; do
  questions+=("$dir/question-${#questions[@]}.wav")
  flite -voice rms -t "$question" -o "${questions[-1]}"
done <<Q
when will you be home
where are you going now
who will be there today
may I have one more
how are you this morning
will we have a garden
are you all alone now
do you know the way
have you ever been there
why are we all here
Q

collector=${OTELCOL:-$(ls target/tools/otelcol | head -n 1)}
export OTELCOL_LISTEN=127.0.0.1:17884 OTELCOL_USER=bench OTELCOL_PASSWORD=bench
export OTELCOL_FILE="$dir/spans" OTELCOL_METRICS_FILE="$dir/metrics" OTELCOL_LOGS_FILE="$dir/logs"
"$collector" --config tools/otelcol/config.yaml > "$dir/collector.log" 2>&1 & pids+=($!)
until curl -s http://127.0.0.1:17884/ > /dev/null; do sleep 0.1; done

export STATE_DIRECTORY=$dir/state OPENAI_BASE_URL=http://127.0.0.1:17890/v1 OPENAI_API_KEY=bench RUST_LOG=${RUST_LOG:-warn}
speech=(--set llm.model=scripted --set turn.min_delay=300ms --set agent.greeting= ${OTHER_SETTINGS:-})
for part in stt tts; do
  speech+=(--set $part.provider=openai --set $part.base_url="$OPENAI_BASE_URL" --set $part.model=scripted)
done

# One case: the caller's turns with a worker of these settings.
case_of() { # NAME REPLY LIMITS CALLER-ARGUMENTS -- SETTINGS...
  local name=$1 said=$2 limits=$3 caller=$4
  shift 4
  cat > "$dir/script.json" <<S
{"otherwise": {"reply": {"text": "$said"}, "delay_ms": 200, "pause_ms": 5},
 "transcriptions": {"otherwise": {"reply": {"text": "When will you be home?"}, "delay_ms": 150}},
 "speeches": {"otherwise": {"answer": {"delay_ms": 100}, "sound": {"tone": 30}}}}
S
  "$model" --listen 127.0.0.1:17890 --script "$dir/script.json" > "$dir/model.log" 2>&1 & local vendor=$!
  LIVEKIT_AGENT_NAME=$name "$voiced" --set http.listen=127.0.0.1:17883 --set store.path=off \
    --set telemetry.otlp_endpoint=http://127.0.0.1:17884/api/default \
    --set "telemetry.otlp_headers=Authorization=Basic $(printf bench:bench | base64)" \
    "${speech[@]}" "$@" start > "$dir/worker.log" 2>&1 & local worker=$!
  echo "$vendor $worker" >> "$dir/workers"
  until curl -fs http://127.0.0.1:17883/readyz > /dev/null; do
    kill -0 "$worker" 2> /dev/null || { cat "$dir/worker.log" >&2; return 1; }
    sleep 0.1
  done
  local before; before=$(cut -d ' ' -f 1 /proc/loadavg)
  # shellcheck disable=SC2086
  "$bench" spoken --agent "$name" --room "$name" --turns "$turns" --media-port 17882 $caller "${questions[@]}" \
    > "$dir/turns" 2> "$dir/caller.log" || { cat "$dir/caller.log" "$dir/worker.log" >&2; return 1; }
  curl -s "$OPENAI_BASE_URL/log" > "$dir/log"
  # The worker delivers its spans before it ends.
  kill "$worker"; wait "$worker" || true
  printf '\n%s: load %s before, %s after\n' "$name" "$before" "$(cut -d ' ' -f 1 /proc/loadavg)"
  # shellcheck disable=SC2086
  "$bench" steps --turns "$dir/turns" --log "$dir/log" --spans "$dir/spans" --reply "$said" --min-delay-ms 300 $limits || failed=1
  kill "$vendor"; wait "$vendor" 2> /dev/null || true
  [ -z "${KEEP:-}" ] || { mkdir -p "$KEEP/$name"; cp "$dir"/{turns,log,spans,worker.log} "$KEEP/$name"; }
}

failed=0
steps="--at-most stt=10 --at-most tts=5 --at-most packet=20"
for name in "$@"; do
  case $name in
    usual) case_of usual "$reply" "--at-most voice=800/860 --at-most llm=5 $steps" "" --set turn.preemptive=false ;;
    preemptive) case_of preemptive "$reply" "--at-most voice=700 $steps" "" --set turn.preemptive=true ;;
    energy) case_of energy "$reply" "--at-most voice=620 $steps" "" --set turn.preemptive=true --set vad.provider=energy ;;
    interrupted) case_of interrupted "$long" "" "--interrupt" ;;
    *) echo "there is no case $name" >&2; exit 2 ;;
  esac
done
exit "$failed"
