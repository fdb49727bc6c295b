#!/usr/bin/env bash
# What rooms cost a client of our libwebrtc: memory, processor time, and how fast they are joined; without sound, with one
# track that comes in, and with one in and one out.
#
#   bench/webrtc.sh [ROOMS]      default: 20 rooms
#   bench/webrtc.sh build        time of a clean build and size of the program, for each Opus and each cryptography of str0m
#
# The client is a process of its own (`voice-bench rooms`); the server and who speaks to it are others on the same machine.
# What a room costs is the difference between 1 and ROOMS rooms. A row does not count, and the script fails, when the machine
# was too busy to say and to hear 100 frames a second in each room. OPUS=libopus takes the C library's Opus instead of ropus.
set -euo pipefail
cd "$(dirname "$0")/.."
opus=${OPUS:-ropus} features=()
[ "$opus" = libopus ] && features=(--features libopus)

# Prints how long a clean build takes and how large the program is.
built() { # NAME PROGRAM CARGO-ARGUMENTS...
  local target begun
  target=$(mktemp -d)
  begun=$(date +%s)
  if cargo build --quiet --release --target-dir "$target" "${@:3}" 2> "$target/log"; then
    printf '%-26s clean build %4s s, program %5.1f MiB\n' "$1" $(( $(date +%s) - begun )) \
      "$(stat -c %s "$target/release/$2" | awk '{ print $1 / 1048576 }')"
  else
    printf '%-26s %s\n' "$1" "$(grep -m 1 error "$target/log")"
  fi
  rm -rf "$target"
}

# str0m by itself with each of its cryptography: ours is aws-lc-rs.
crypto() {
  local dir
  dir=$(mktemp -d)
  mkdir "$dir/src"
  echo 'fn main() { drop(str0m::Rtc::builder().build(std::time::Instant::now())); }' > "$dir/src/main.rs"
  for crypto in aws-lc-rs openssl rust-crypto; do
    printf '[package]\nname = "peer"\nedition = "2024"\n[profile.release]\nstrip = true\n[workspace]\n[dependencies]\n' > "$dir/Cargo.toml"
    printf 'str0m = { version = "=0.25.0", default-features = false, features = ["%s"] }\n' "$crypto" >> "$dir/Cargo.toml"
    rm -f "$dir/Cargo.lock"
    built "str0m with $crypto" peer --manifest-path "$dir/Cargo.toml"
  done
  rm -rf "$dir"
}

if [ "${1:-}" = build ]; then
  built "voice-bench with ropus" voice-bench --package voice-bench
  built "voice-bench with libopus" voice-bench --package voice-bench --features libopus
  crypto
  exit
fi

rooms=${1:-20}
bench=${VOICE_BENCH:-}
if [ -z "$bench" ]; then
  cargo build --quiet --release --package voice-bench "${features[@]}"
  bench=target/release/voice-bench
fi
. bench/server.sh
sleep 1
flite -voice rms -t "what a room costs is measured while somebody is speaking in it" -o "$dir/sound.wav"
target/venv/bin/python tests/python/delay.py make 48000 20 "$dir/sound"

# Prints the client's line for so many rooms; the other side speaks in them when the client hears.
measured() { # NAME COUNT ARGUMENTS...
  local name=$1-$2 count=$2 load=
  shift 2
  if [[ " $* " == *" --hear "* ]]; then
    "$bench" rooms --name "$name" --count "$count" --identity load --say "$dir/sound.pcm" --seconds 600 \
      > /dev/null 2> "$dir/load.log" & load=$!
    echo "$load" >> "$dir/workers"
    sleep 3
  fi
  "$bench" rooms --name "$name" --count "$count" "$@" 2> "$dir/client.log" \
    || { cat "$dir/client.log" >&2; exit 1; }
  [ -z "$load" ] || { kill "$load"; wait "$load" 2>/dev/null || true; }
}

figure() { sed -n "s/.*\b$2=\([0-9.]*\).*/\1/p" <<< "$1"; }

printf '%-14s %10s %10s %12s %12s %10s %10s %9s\n' \
  "$opus" "1 room" "$rooms rooms" "a room" "CPU a room" "join" "joins/s" "audible"
starved=0
# Whether each of so many rooms had its frames of 10 ms, of which a track has 100 a second.
fed() { # LINE COUNT ARGUMENTS...
  local line=$1 count=$2 kind
  for kind in said:--say heard:--hear; do
    [[ " ${*:3} " != *" ${kind#*:} "* ]] || awk -v rate="$(figure "$line" "${kind%:*}_per_s")" -v n="$count" \
      'BEGIN { exit rate < 97 * n }' || return 1
  done
}

row() { # NAME ARGUMENTS...
  local one many verdict=
  one=$(measured "$1" 1 "${@:2}")
  many=$(measured "$1" "$rooms" "${@:2}")
  fed "$one" 1 "${@:2}" && fed "$many" "$rooms" "${@:2}" || { verdict="  starved: does not count"; starved=1; }
  awk -v name="$1" -v n="$rooms" -v m1="$(figure "$one" resident_mib)" -v mn="$(figure "$many" resident_mib)" \
    -v c1="$(figure "$one" cpu_percent)" -v cn="$(figure "$many" cpu_percent)" -v join="$(figure "$many" join_ms)" \
    -v speed="$(figure "$many" joins_per_s)" -v heard="$(figure "$many" audible_per_s)" -v verdict="$verdict" 'BEGIN {
      printf "%-14s %6.1f MiB %6.1f MiB %8.2f MiB %10.3f %% %7.0f ms %10.1f %9.0f%s\n",
        name, m1, mn, (mn - m1) / (n - 1), (cn - c1) / (n - 1), join, speed, heard, verdict }'
}
row data
row in --hear
row in-and-out --hear --say "$dir/sound.pcm"
exit "$starved"
