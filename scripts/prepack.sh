#!/bin/sh
# Owns what the packed tarball carries beside the sources' launchers: JavaScript emitted from the TypeScript, because Node
# strips no types below node_modules, and the native parts, built.
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$root"
[ -x "$node_bin" ] || fail 'the pinned Node is missing: run "npm run setup" first'
sh scripts/build-native.sh --if-stale
rm -rf dist
tsc -p tsconfig.build.json
