# Sourced by the benchmarks: a LiveKit server on loopback, or at $address. Takes the one that LIVEKIT_SERVER or target/tools/
# has.
server=${LIVEKIT_SERVER:-$(ls target/tools/livekit-server | head -n 1)}
address=${address:-127.0.0.1}
dir=$(mktemp -d)
pids=()
# What is started in subshells has its ids in a file.
trap 'kill "${pids[@]}" $(cat "$dir/workers" 2>/dev/null) 2>/dev/null || true; wait || true; rm -rf "$dir"' EXIT

cat > "$dir/livekit.yaml" <<Y
port: 17880
bind_addresses: ["$address"]
rtc:
  node_ip: $address
  enable_loopback_candidate: true
  ips: {includes: [$address/32]}
  tcp_port: 17881
  udp_port: 17882
  # Without an entry the server looks for its address at public STUN servers.
  stun_servers: ["$address:17882"]
keys: {benchkey: benchsecretbenchsecretbenchsecret12}
logging: {level: warn}
Y
"$server" --config "$dir/livekit.yaml" > "$dir/livekit.log" 2>&1 & pids+=($!)
export LIVEKIT_URL=ws://$address:17880 LIVEKIT_API_KEY=benchkey LIVEKIT_API_SECRET=benchsecretbenchsecretbenchsecret12
