#!/usr/bin/env bash
# What a recogniser reads of speech that was heard through many simulated networks, each with losses of its own and 40 ms of
# jitter: how good the jitter buffer and the concealment are, without the chance that is in a few real calls.
#
#   bench/loss.sh [PERCENT [NETWORKS [--features libopus]]]
#
# 20 percent and 40 networks unless told; wants flite. Each packet brings the one before as well (RED), as from LiveKit's SDKs.
set -euo pipefail
cd "$(dirname "$0")/.."
export LOSS_PERCENT=${1:-20} NETWORKS=${2:-40}
SPOKEN=$(mktemp -d)
export SPOKEN
trap 'rm -rf "$SPOKEN"' EXIT
end() { cargo test --quiet --package voiced --test alone -- --ignored --exact --nocapture "speech::simulated::$1"; }
end say
cargo test --quiet --package libwebrtc --lib "${@:3}" -- --ignored --exact --nocapture \
  audio::jitter::tests::spoken::speech_is_heard_through_many_networks
end judge
