#!/bin/sh
# Owns the way to run the benchmark: set-up with the peer to compare with, then test/bench/bench.ts. Flags are its own.
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$root"
[ "$(id -u)" = 0 ] || fail 'the benchmark makes namespaces and mounts: run "sudo npm run bench"'
sh scripts/setup.sh --test
hash -r
exec node test/bench/bench.ts "$@"
