# Sourced by the benchmarks: a LiveKit server and a scripted model on loopback, and what is measured of a worker.
#
# Takes target/release/voiced and target/release/scripted-model, or what VOICED and SCRIPTED_MODEL name.
voiced=${VOICED:-target/release/voiced}
model=${SCRIPTED_MODEL:-target/release/scripted-model}
. bench/server.sh
"$model" --listen 127.0.0.1:17890 > "$dir/model.log" 2>&1 & pids+=($!)
export OPENAI_BASE_URL=http://127.0.0.1:17890/v1 OPENAI_API_KEY=bench VOICED_LLM__MODEL=echo RUST_LOG=warn
# Sessions of an earlier run, which a worker would go back to, are noted elsewhere.
export STATE_DIRECTORY=$dir/state
sleep 1

# Starts a worker with the given arguments and waits until it is registered; $worker is its process.
start_worker() {
  "$voiced" --set http.listen=127.0.0.1:17883 --set worker.max_sessions=1000 --set agent.leave_grace=100ms \
    "$@" start > "$dir/worker.log" 2>&1 &
  worker=$!
  echo "$worker" >> "$dir/workers"
  until curl -fs http://127.0.0.1:17883/readyz > /dev/null; do
    kill -0 "$worker" 2>/dev/null || { cat "$dir/worker.log" >&2; exit 1; }
    sleep 0.1
  done
}

rss() { awk '/^VmRSS/ {print $2}' "/proc/$worker/status"; }
mib() { awk -v k="$1" 'BEGIN {printf "%.1f MiB", k / 1024}'; }
# Processor time of the worker, user and system, in milliseconds.
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{printf "%d", ($14 + $15) * 1000 / hz}' "/proc/$worker/stat"; }
