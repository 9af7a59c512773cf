#!/bin/sh
# Owns the native build: addon/build/Release/{tsd.node,tsd-monitor} from addon/src, by node-gyp and g++.
# Quick when nothing changed. Installs nothing (setup.sh does) and downloads nothing.
# Usage: build-native.sh [--if-stale] [--debug]
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$root"

if_stale=false
kind=--release
for argument; do
  case $argument in
    --if-stale) if_stale=true ;;
    --debug) kind=--debug ;;
    *) fail "build-native.sh: unknown argument $argument (expected --if-stale or --debug)" ;;
  esac
done

[ -x "$node_bin" ] || fail 'the pinned Node is missing: run "npm ci" first'
command -v g++ >/dev/null 2>&1 || fail 'g++ is missing: run "npm run setup", which installs it'

wanted=$(digest_of addon/src addon/binding.gyp scripts/node-headers node_modules/node-api-headers/package.json node_modules/node-addon-api/package.json)
if $if_stale && [ -f addon/build/Release/tsd.node ] && [ -f addon/build/Release/tsd-monitor ] && stamp_is native "$wanted"; then
  exit 0
fi
take_lock build

# node-gyp takes its headers from a directory shaped like Node's own include tree.
headers=$root/build/node-headers/include
mkdir -p "$headers"
mkdir -p "$headers/node"
for header in node_modules/node-api-headers/include/*.h; do
  ln -sfn "$root/$header" "$headers/node/${header##*/}"
done
ln -sfn "$root/scripts/node-headers/common.gypi" "$headers/node/common.gypi"

cd addon
gyp() {
  node "$root/node_modules/node-gyp/bin/node-gyp.js" "$@" "$kind" --force-process-config --nodedir="$root/build/node-headers" --loglevel=warn
}
layout=$(digest_of binding.gyp "$root/scripts/node-headers")
if [ ! -f build/Makefile ] || ! stamp_is native-layout "$layout$kind"; then
  gyp configure
  stamp_set native-layout "$layout$kind"
fi
gyp build
cd "$root"
stamp_set native "$wanted"
