#!/bin/sh
# Owns a daemon with an /etc of its own over the host's, whose name server is on the host's loopback: for the test of the resolver.
set -eu
root=
for flag in "$@"; do case $flag in --data-root=*) root=${flag#--data-root=}/..;; esac; done
cd "$(dirname -- "$0")/../../.."
checkout=$PWD
exec unshare -m --propagation private sh -c '
  set -eu
  mount -t tmpfs none "$1/etc"
  mkdir "$1/etc/upper" "$1/etc/work"
  mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/etc/upper,workdir=$1/etc/work" /etc
  rm -f /etc/resolv.conf
  echo "nameserver 127.0.77.53" >/etc/resolv.conf
  checkout=$2
  shift 2
  exec "$checkout/daemon/tsd" "$@"
' sh "$root" "$checkout" "$@"
