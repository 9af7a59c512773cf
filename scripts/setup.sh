#!/bin/sh
# Owns everything a fresh Debian 12 needs before tsd can be built, run and tested: system packages, node_modules, native build.
# Idempotent: each step is skipped when what it would make is there, so a re-run takes a fraction of a second.
# Starts no service and leaves none enabled. Usage: setup.sh [--test]
#   --test  also what only tests and the benchmark need: a dockerd to compare with, image tools, tap's plugins
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$root"

with_test=false
for argument; do
  case $argument in
    --test) with_test=true ;;
    *) fail "setup.sh: unknown argument $argument (expected --test)" ;;
  esac
done

take_lock setup

# --- system packages -------------------------------------------------------------------------------------------------

run_packages='g++ make python3 libseccomp-dev libarchive-dev nettle-dev iptables busybox-static ca-certificates'
test_packages='docker.io docker-compose python3-docker docker-registry openssl skopeo umoci zstd iproute2 util-linux bsdutils procps xz-utils'

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

missing_of() {
  for package; do
    installed "$package" || printf '%s ' "$package"
  done
}

lists_fresh=false
apt() { DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" </dev/null; }
update_lists() {
  $lists_fresh && return 0
  apt update || fail 'apt-get update failed: check /etc/apt/sources.list and the network'
  lists_fresh=true
}

# Debian starts the services of what it installs. A policy that answers 101 (not allowed) keeps them stopped meanwhile.
policy=/usr/sbin/policy-rc.d
policy_is_ours=false
forbid_services() {
  [ -e "$policy" ] && return 0
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 0755 "$policy"
  policy_is_ours=true
}
allow_services() {
  if $policy_is_ours; then rm -f "$policy"; fi
  policy_is_ours=false
}
trap allow_services EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_packages() {
  [ $# -gt 0 ] || return 0
  command -v apt-get >/dev/null 2>&1 || fail "these packages are missing, and this is not a Debian system that could install them: $*"
  [ "$(id -u)" = 0 ] || fail "these Debian packages are missing: $*. Run this as root, or install them with: sudo apt-get install $*"
  say "installing Debian packages: $*"
  update_lists
  had_docker=false
  if installed docker.io; then had_docker=true; fi
  forbid_services
  apt install --no-install-recommends "$@" || fail "apt-get install $* failed: see its message above"
  allow_services
  # The peer for comparing is started by tests alone, in namespaces of its own: never at boot.
  if ! $had_docker && installed docker.io; then
    deb-systemd-helper disable docker.service docker.socket containerd.service >/dev/null 2>&1 || true
  fi
}

# The client alone, out of Debian's package: installing docker.io would bring a second engine to a machine that runs this one.
install_docker_client() {
  if apt-cache show docker-cli 2>/dev/null | grep -q '^Filename:'; then
    install_packages docker-cli
    return 0
  fi
  [ "$(id -u)" = 0 ] || fail 'the docker command is missing. Run this as root, or install a Docker client'
  say "unpacking the docker client of Debian's docker.io into /usr/local/bin"
  update_lists
  work=$(mktemp -d)
  chmod 0755 "$work"
  (cd "$work" && apt download docker.io && dpkg -x docker.io_*.deb tree) || fail 'apt-get download docker.io failed: see its message above'
  install -m 0755 "$work/tree/usr/bin/docker" /usr/local/bin/docker
  rm -rf "$work"
}

packages=$run_packages
$with_test && packages="$packages $test_packages"
# shellcheck disable=SC2046,SC2086 # both are lists of words
install_packages $(missing_of $packages)
command -v docker >/dev/null 2>&1 || install_docker_client

# --- node_modules ----------------------------------------------------------------------------------------------------

lock_digest=$(digest_of package-lock.json)
modules_stamp=node_modules/.tsd-lock
if [ ! -x "$node_bin" ] || [ ! -f "$modules_stamp" ] || [ "$(cat "$modules_stamp")" != "$lock_digest" ]; then
  command -v npm >/dev/null 2>&1 || fail 'npm is missing: install Node.js 20 or newer with npm (Debian: apt-get install nodejs npm)'
  say 'installing node_modules (npm ci)'
  # The host's npm on the host's node: the pinned one would be deleted under its own feet.
  host_path=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v '/node_modules/' | paste -sd: -)
  env -u NODE -u npm_node_execpath -u npm_execpath PATH="$host_path" \
    npm ci --no-audit --no-fund --loglevel=error || fail 'npm ci failed: see its message above'
  [ -x "$node_bin" ] || fail "npm did not install the pinned Node ($node_bin): allow the install script of the package \"node\" and run \"npm ci\" again"
  printf '%s\n' "$lock_digest" >"$modules_stamp"
fi
hash -r

# tap builds its own library once for the plugins that .taprc names; a first test run would do it and fail.
if $with_test; then
  tap_digest=$(digest_of .taprc package-lock.json)
  if [ ! -d .tap/plugins ] || [ ! -f node_modules/.tsd-tap ] || [ "$(cat node_modules/.tsd-tap)" != "$tap_digest" ]; then
    say 'building the test runner'
    tap build >/dev/null || fail 'tap build failed'
    printf '%s\n' "$tap_digest" >node_modules/.tsd-tap
  fi
fi

# --- native parts ----------------------------------------------------------------------------------------------------

sh scripts/build-native.sh --if-stale
