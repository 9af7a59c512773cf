#!/bin/sh
# Owns the stop of what up.sh started: scripts/down.ts on the pinned Node. "--all" removes the containers too.
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$root"
[ -x "$node_bin" ] || fail 'node_modules is missing, so nothing was started from here: "npm run up" does that'
exec node scripts/down.ts "$@"
