#!/bin/sh
# Owns the way from a clean clone to a first container: set-up, then scripts/up.ts. Flags go to the daemon.
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$root"
[ "$(id -u)" = 0 ] || fail 'a container engine needs root: run "sudo npm run up"'
sh scripts/setup.sh
hash -r
exec node scripts/up.ts "$@"
