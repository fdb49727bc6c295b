#!/bin/bash
# Runs within a booted container (`cargo xtask test-systemd`) and writes a line for each claim about the units:
# `ok CLAIM`, or `FAIL CLAIM` with what systemd and the journal say.
#
# A LiveKit server, a scripted model, the units and /usr/bin/voiced are there; what they need is made here.
set -u
cd "$(dirname "$0")" || exit 1
results=$PWD/results
export LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret-of-thirty-two-characters-or-more LIVEKIT_AGENT_NAME=tester
# Callers have a configuration of their own, which no test breaks.
export VOICED_CONFIG=$PWD/caller.toml
:>caller.toml
export VOICED_STORE__PATH=off VOICED_TELEMETRY__SPOOL_DIR=off HOME=/root

ok() { echo "ok $1" >>"$results"; }
fail() {
    echo "FAIL $1"
    systemctl show voiced -p ActiveState,SubState,Result,StatusText,NRestarts,MainPID
    journalctl --no-pager -n 30 -u voiced -u 'voiced@*'
} >>"$results"
# check CLAIM COMMAND...: the command succeeds.
check() { local claim=$1; shift; if "$@"; then ok "$claim"; else fail "$claim"; fi; }
# eventually COMMAND...: it succeeds within a minute.
eventually() { for _ in $(seq 300); do "$@" && return 0; sleep 0.2; done; return 1; }
show() { systemctl show "${2:-voiced}" -p "$1" --value; }
is() { [ "$(show "$1" "${3:-voiced}")" = "$2" ]; }
status_says() { [[ "$(show StatusText "${2:-voiced}")" == *"$1"* ]]; }
restarted_from() { local now; now=$(show MainPID); [ "$now" != 0 ] && [ "$now" != "$1" ] && is ActiveState active; }
drop_in() { mkdir -p /etc/systemd/system/voiced.service.d; printf '[Service]\n%s\n' "$1" >/etc/systemd/system/voiced.service.d/test.conf; systemctl daemon-reload; }
configure() { printf '[worker]\nagent_name = "tester"\nmax_sessions = %s\n[agent]\nleave_grace = "1s"\n[llm]\nmodel = "%s"\n' "$1" "$2" >/etc/voiced/agent.toml; }
answered() { timeout 60 voiced call --room "$1" --say hello >"$1.log" 2>&1; }
journal_has() { journalctl --no-pager -u "${2:-voiced}" | grep -q "$1"; }

# There is no network but loopback.
cat >livekit.yaml <<EOF
port: 7880
bind_addresses: [127.0.0.1]
keys: {devkey: secret-of-thirty-two-characters-or-more}
rtc:
  node_ip: 127.0.0.1
  use_external_ip: false
  enable_loopback_candidate: true
  interfaces: {includes: [lo]}
  ips: {includes: [127.0.0.0/8]}
  udp_port: 7882
  tcp_port: 7881
  stun_servers: ['127.0.0.1:7882']
EOF
./livekit-server --config livekit.yaml >livekit.log 2>&1 &
./scripted-model --listen 127.0.0.1:9000 --pause 200 >model.log 2>&1 &
mkdir -p /etc/voiced /etc/credstore
printf 'LIVEKIT_URL=%s\nOPENAI_BASE_URL=http://127.0.0.1:9000/v1\n' "$LIVEKIT_URL" >/etc/voiced/voiced.env
printf devkey >/etc/credstore/voiced.livekit_api_key
printf %s "$LIVEKIT_API_SECRET" >/etc/credstore/voiced.livekit_api_secret
chmod 600 /etc/credstore/* /etc/voiced/voiced.env
configure 5 small

systemctl start voiced
check "start returns when the worker has registered" status_says "registered with LiveKit; 0 of 5 sessions"
pid=$(show MainPID)
in_environment() { tr '\0' '\n' <"/proc/$pid/environ" | grep -qE '^(LIVEKIT_API_|OPENAI_API_KEY)'; }
check "secrets come as credentials and are not in the environment" eval '! in_environment'
check "the worker runs as a user of its own" eval '[ "$(stat -c %u "/proc/$pid")" -ge 61184 ]'
check "its state is in /var/lib/voiced" eventually test -e /var/lib/voiced/record.sqlite
check "a call is answered" answered first

configure 7 large
check "reload succeeds" systemctl reload voiced
check "reload takes new limits" eventually status_says "of 7 sessions"
check "reload keeps the process" is MainPID "$pid"
echo 'nonsense' >/etc/voiced/agent.toml
systemctl reload voiced
check "a broken file is refused and the worker serves on" eventually status_says "of 7 sessions, load 0.00; the last reload was refused"
check "the journal names its line" journal_has 'agent.toml:1:'
check "a call is answered after a refused reload" answered second
configure 5 small

kill -9 "$pid"
check "kill -9: a new worker registers" eventually restarted_from "$pid"

drop_in 'WatchdogSec=3'
systemctl restart voiced
pid=$(show MainPID)
sleep 7
check "the watchdog leaves a worker alone that does well" is MainPID "$pid"
kill -STOP "$pid"
check "the watchdog replaces a worker that hangs" eventually restarted_from "$pid"
check "the journal says that it was the watchdog" journal_has 'Watchdog timeout'

drop_in 'TimeoutStopSec=5'
systemctl restart voiced
voiced call --room long --say hello --turns 100000 >long.log 2>&1 &
caller=$!
check "a call is under way" eventually status_says "1 of 5 sessions"
systemctl stop --no-block voiced
sleep 12
check "a drain goes on beyond TimeoutStopSec" is ActiveState deactivating
check "the status says what it waits for" status_says "draining: 1 session left"
kill "$caller"
check "it ends when the last call has ended" eventually is ActiveState inactive
check "and counts as a clean end" is Result success
rm -r /etc/systemd/system/voiced.service.d
systemctl daemon-reload

# An upgrade: a second worker takes the calls while the first one drains.
systemctl start voiced
cp /etc/voiced/agent.toml /etc/voiced/next.toml
(cat /etc/voiced/voiced.env; echo VOICED_HTTP__LISTEN=127.0.0.1:8082) >/etc/voiced/next.env
voiced call --room upgrade --say hello --turns 100000 >upgrade.log 2>&1 &
caller=$!
eventually status_says "1 of 5 sessions"
systemctl start voiced@next
check "a second worker registers beside the first" status_says "registered with LiveKit; 0 of 5 sessions" voiced@next
systemctl restart --no-block voiced
eventually is ActiveState deactivating
check "while the first drains the second answers" answered meanwhile
check "the call on the first goes on" kill -0 "$caller"
kill "$caller"
check "the first is back after its drain" eventually status_says "registered with LiveKit"
systemctl stop voiced@next
check "the second drains and ends" is Result success voiced@next
check "the upgraded worker answers" answered last

echo 'nonsense' >/etc/voiced/agent.toml
systemctl restart voiced
check "a wrong configuration does not start again and again" eval 'is ExecMainStatus 78 && sleep 4 && is ActiveState failed && is NRestarts 0'
echo done >>"$results"
# Else the container waits for the servers to end by themselves.
kill -KILL $(jobs -p)
