#!/usr/bin/env bash
# The delay from mouth to ear between our SDK and LiveKit's own in Python, over loopback and through a network that loses
# packets: chirps in speech, handed to one SDK and found in what comes out of the other. CLOCK_MONOTONIC is the same for all.
#
#   bench/voice.sh
#
# Wants flite, and root for the second part. Python to Python in the same run is the yardstick: the machine's moods are in
# every figure, so only differences say something.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${VOICE_BENCH:-}" ]; then
  cargo build --quiet --release --package voice-bench
  export VOICE_BENCH=$PWD/target/release/voice-bench
fi
cargo test --quiet --package voiced --test alone -- --ignored --nocapture --test-threads=1 speech::delay::
