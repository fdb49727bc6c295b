#!/usr/bin/env bash
# What a worker costs: memory when idle and with N rooms, CPU per turn, latency through a real LiveKit server.
#
#   bench/rooms.sh [ROOMS] [TURNS]      default: 50 rooms, 20 turns each
#
# Takes target/release/voiced and target/release/scripted-model, or what VOICED and SCRIPTED_MODEL name, and the
# LiveKit server that LIVEKIT_SERVER or target/tools/ has. The caller, the server and the model run on the same
# machine, so latencies are comparable within one run only; CPU and memory are the worker's alone.
set -euo pipefail
cd "$(dirname "$0")/.."
rooms=${1:-50} turns=${2:-20}
voiced=${VOICED:-target/release/voiced}
model=${SCRIPTED_MODEL:-target/release/scripted-model}
server=${LIVEKIT_SERVER:-$(ls target/tools/livekit-server* | head -n 1)}
dir=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait || true; rm -rf "$dir"' EXIT

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
"$voiced" --set http.listen=127.0.0.1:17883 --set worker.max_sessions=1000 \
  --set agent.leave_grace=100ms --set store.path="$dir/record.sqlite" \
  --set telemetry.spool_dir="$dir/spool" start > "$dir/worker.log" 2>&1 &
worker=$!; pids+=("$worker")
until curl -fs http://127.0.0.1:17883/readyz > /dev/null; do
  kill -0 "$worker" 2>/dev/null || { cat "$dir/worker.log"; exit 1; }
  sleep 0.1
done

rss() { awk '/^VmRSS/ {printf "%.1f MiB", $2 / 1024}' "/proc/$worker/status"; }
ticks() { awk '{print $14 + $15}' "/proc/$worker/stat"; }

printf 'binary            %s bytes\n' "$(stat -c %s "$voiced")"
printf 'idle, registered  %s\n' "$(rss)"
before=$(ticks)
"$voiced" call --room bench --rooms "$rooms" --turns "$turns" > "$dir/call.log" 2>&1 & caller=$!; pids+=("$caller")
peak=0
while kill -0 "$caller" 2>/dev/null; do
  now=$(awk '/^VmRSS/ {print $2}' "/proc/$worker/status")
  (( now > peak )) && peak=$now
  sleep 0.2
done
wait "$caller" || { cat "$dir/call.log" "$dir/worker.log"; exit 1; }
after=$(ticks)
printf '%s rooms at once    %s\n' "$rooms" "$(awk -v k="$peak" 'BEGIN {printf "%.1f MiB", k / 1024}')"
awk -v t=$((after - before)) -v n=$((rooms * turns)) -v hz="$(getconf CLK_TCK)" \
  'BEGIN {printf "CPU               %.2f ms a turn, joins and leaves included (%.2f s for %d turns)\n", 1000 * t / hz / n, t / hz, n}'
cat "$dir/call.log"
