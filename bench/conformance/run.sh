#!/usr/bin/env bash
# Runs the public HTTP cache tests (github.com/http-tests/cache-tests) against server proxy, and scores them.
#   bench/conformance/run.sh SUITE OUT     SUITE: a checkout of the suite; OUT: a folder for the results
set -euo pipefail
suite=$(cd "$1" && pwd) out=$(mkdir -p "$2" && cd "$2" && pwd) here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d); trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$tmp"' EXIT
(cd "$here/../.." && go build -o "$tmp/server" ./cmd/server)
(cd "$suite" && { [ -d node_modules ] || npm install --ignore-scripts --no-audit --no-fund >/dev/null; } && exec npm run --silent server >"$tmp/origin.log" 2>&1) &
(cd "$tmp" && exec ./server proxy --config "$here/proxy.yaml" 2>"$tmp/proxy.log") &
for _ in $(seq 100); do curl -fs http://127.0.0.1:8090/readyz >/dev/null && curl -fs http://127.0.0.1:8000/ >/dev/null && break; sleep .2; done
(cd "$suite" && npm run --silent cli --base=http://127.0.0.1:8090) >"$out/folio.json"
node "$here/score.mjs" "$suite" "$out/folio.json" | tee "$out/scores.txt"
