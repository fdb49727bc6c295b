#!/bin/sh
# How long redaction takes on texts made to be slow, 64 KiB and 128 KiB of each: the time must grow as the text does. Then how
# long the most expensive expressions of an operator take until a text is given up.
set -eu
cd "$(dirname "$0")/.."
exec cargo test --profile "${PROFILE:-release}" --package voiced --lib -- \
    --ignored --nocapture privacy::redactor::tests::time_taken
