#!/bin/sh
# The command line in a script: an echo server, a message and its answer, JSON, and a measurement.
#
#     sh examples/command_line.sh
#
# In a clone: WS="deno task run cli.ts" sh examples/command_line.sh
set -eu
WS=${WS:-deno run -N jsr:@wsconn/ws/cli}
log=$(mktemp)

$WS serve --port 0 >"$log" &
server=$!
trap 'kill "$server"; rm "$log"' EXIT
until url=$(grep -o 'ws://[^ ]*' "$log"); do sleep 0.1; done

echo "The answer to hi is $(echo hi | $WS --once "$url")"
printf 'one\ntwo\n' | $WS --json "$url" | grep -o '"type":"message".*'
$WS bench "$url" --duration 0.5 --connections 4

$WS --once ws://127.0.0.1:1/ </dev/null 2>/dev/null || echo "Nobody listens there: exit code $?"
