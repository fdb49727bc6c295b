#!/usr/bin/env bash
# What voice sessions cost a worker: processor time and memory of 1 and of ROOMS sessions in one process, while people speak,
# with silent microphones, with a quiet room's noise in them, and without sound at all.
#
#   bench/spoken-rooms.sh [ROOMS [CASE...]]      default: 20 rooms, all cases
#
# The cases are `text` (a worker without speech), `silent`, `quiet` (noise at -65 dB) and `speech` (sentences with pauses, each
# transcribed, in which the scripted recogniser understands nothing). The callers are a process of their own
# (`voice-bench rooms`) and share the machine with the server. What a session costs is the difference between 1 and ROOMS. Wants
# flite and the tests' Python. SECONDS_MEASURED is 20 unless set.
set -euo pipefail
cd "$(dirname "$0")/.."
rooms=${1:-20} seconds=${SECONDS_MEASURED:-20}
shift || true
[ $# -gt 0 ] || set -- text silent quiet speech
bench=${VOICE_BENCH:-target/release/voice-bench}
. bench/stage.sh
speech=(--set agent.greeting= --set store.path=off --set telemetry.enabled=false)
for part in stt tts; do
  speech+=(--set $part.provider=openai --set $part.base_url="$OPENAI_BASE_URL" --set $part.model=scripted)
done

flite -voice rms -t "what will the weather be tomorrow, and who will be there when we come" -o "$dir/sentence.wav"
python=${PYTHON:-target/venv/bin/python}
"$python" - "$dir" <<'P'
import sys, wave, numpy
directory = sys.argv[1]
with wave.open(f"{directory}/sentence.wav") as file:
    said = numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(float)
times = numpy.arange(len(said) * 3) / 3
said = numpy.interp(times, numpy.arange(len(said)), said)
pause = numpy.zeros(48000 * 2)
noise = numpy.random.default_rng(1).normal(0, 32768 * 10 ** (-65 / 20), 48000 * 10)
for name, sound in [("silent", numpy.zeros(48000)), ("quiet", noise), ("speech", numpy.concatenate([said, pause]))]:
    sound.astype("<i2").tofile(f"{directory}/{name}.pcm")
P
kill "${pids[-1]}"
echo '{"otherwise": {"reply": {"text": "Yes."}}, "transcriptions": {"otherwise": {"reply": {"text": ""}, "delay_ms": 150}}}' \
  > "$dir/script.json"
"$model" --listen 127.0.0.1:17890 --script "$dir/script.json" > "$dir/model.log" 2>&1 & pids+=($!)
sleep 1

# Prints the resident memory in KiB and the processor time in percent of a worker with so many sessions.
measured() { # CASE COUNT
  local name=$1-$2 say=() settings=()
  [ "$1" = text ] || say=(--say "$dir/$1.pcm")
  [ "$1" = text ] || settings=("${speech[@]}")
  LIVEKIT_AGENT_NAME=$name start_worker "${settings[@]}"
  "$bench" rooms --name "$name" --agent "$name" --count "$2" "${say[@]}" --settle 8 --seconds $((seconds + 6)) \
    > "$dir/caller.log" 2>&1 & local caller=$!
  echo "$caller" >> "$dir/workers"
  until [ "$(sessions)" = "$2" ]; do
    kill -0 "$caller" 2> /dev/null || { cat "$dir/caller.log" "$dir/worker.log" >&2; exit 1; }
    sleep 0.2
  done
  sleep 6
  local before; before=$(cpu_ms)
  sleep "$seconds"
  echo "$(rss) $(( $(cpu_ms) - before ))"
  kill "$caller" "$worker"; wait "$caller" "$worker" 2> /dev/null || true
}

sessions() { curl -s http://127.0.0.1:17883/metrics | awk '/^voiced_worker_jobs_running / {print $2}'; }

printf '%-8s %12s %12s %14s %12s %14s %8s\n' case "1 session" "$rooms sessions" "a session" "CPU in all" "CPU a session" load
for name in "$@"; do
  one=$(measured "$name" 1)
  many=$(measured "$name" "$rooms")
  awk -v name="$name" -v n="$rooms" -v s="$seconds" -v one="$one" -v many="$many" -v load="$(cut -d ' ' -f 1 /proc/loadavg)" 'BEGIN {
    split(one, a, " "); split(many, b, " ")
    printf "%-8s %8.1f MiB %8.1f MiB %10.2f MiB %10.1f %% %12.2f %% %8s\n", name, a[1] / 1024, b[1] / 1024,
      (b[1] - a[1]) / 1024 / (n - 1), b[2] / s / 10, (b[2] - a[2]) / s / 10 / (n - 1), load }'
done
