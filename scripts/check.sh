#!/bin/sh
# Owns the quick look before a commit: types, lint, import directions and unit tests. Needs no kernel rights.
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$root"
[ -x "$node_bin" ] || fail 'the pinned Node is missing: run "npm run setup" first'
exec sh scripts/test.sh --unit
