# Sourced by the benchmarks: a LiveKit server and a scripted model on loopback, and what is measured of a worker.
#
# Takes target/release/voiced and target/release/scripted-model, or what VOICED and SCRIPTED_MODEL name, and the
# LiveKit server that LIVEKIT_SERVER or target/tools/ has.
voiced=${VOICED:-target/release/voiced}
model=${SCRIPTED_MODEL:-target/release/scripted-model}
server=${LIVEKIT_SERVER:-$(ls target/tools/livekit-server | head -n 1)}
dir=$(mktemp -d)
pids=()
# Workers may be started in subshells, so their ids are in a file.
trap 'kill "${pids[@]}" $(cat "$dir/workers" 2>/dev/null) 2>/dev/null || true; wait || true; rm -rf "$dir"' EXIT

cat > "$dir/livekit.yaml" <<'Y'
port: 17880
bind_addresses: ["127.0.0.1"]
rtc:
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
  interfaces: {includes: [lo]}
  ips: {includes: [127.0.0.0/8]}
  tcp_port: 17881
  udp_port: 17882
  # Without an entry the server looks for its address at public STUN servers.
  stun_servers: ["127.0.0.1:17882"]
keys: {benchkey: benchsecretbenchsecretbenchsecret12}
logging: {level: warn}
Y
"$server" --config "$dir/livekit.yaml" > "$dir/livekit.log" 2>&1 & pids+=($!)
"$model" --listen 127.0.0.1:17890 > "$dir/model.log" 2>&1 & pids+=($!)
export LIVEKIT_URL=ws://127.0.0.1:17880 LIVEKIT_API_KEY=benchkey LIVEKIT_API_SECRET=benchsecretbenchsecretbenchsecret12
export OPENAI_BASE_URL=http://127.0.0.1:17890/v1 OPENAI_API_KEY=bench VOICED_LLM__MODEL=echo RUST_LOG=warn
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
