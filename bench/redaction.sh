#!/bin/sh
# How long redaction takes on texts made to be slow, 64 KiB and 128 KiB of each: the time must grow as the text does.
set -eu
cd "$(dirname "$0")/.."
exec cargo test --profile "${PROFILE:-release}" --package voiced --lib -- \
    --ignored --exact --nocapture privacy::redactor::tests::time_taken_by_hostile_texts
