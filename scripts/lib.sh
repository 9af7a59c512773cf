# Owns what the scripts of this folder share: where the checkout is, which Node they run, how they speak and lock.
# Sourced by POSIX sh with `set -eu`; does no work of its own.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
stamps=$root/.stamps
node_bin=$root/node_modules/node/bin/node

# The pinned Node and the tools of node_modules come first, whatever the host has.
PATH=$root/node_modules/.bin:$PATH
export PATH

say() { printf 'tsd: %s\n' "$*"; }
fail() {
  printf 'tsd: %s\n' "$*" >&2
  exit 1
}

# One digest over the given files, and all files below the given directories: names and contents, in a stable order.
digest_of() {
  find "$@" -type f -print0 2>/dev/null | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

# stamp_is NAME VALUE: the work that NAME stands for was last done for VALUE.
stamp_is() { [ -f "$stamps/$1" ] && [ "$(cat "$stamps/$1")" = "$2" ]; }
stamp_set() {
  mkdir -p "$stamps"
  printf '%s\n' "$2" >"$stamps/$1"
}

# Runs the rest of the script alone: two set-ups at once would unpack node_modules into each other.
# take_lock FILE DESCRIPTOR-9 is held until the shell ends.
take_lock() {
  mkdir -p "$stamps"
  command -v flock >/dev/null 2>&1 || return 0
  exec 9>"$stamps/$1.lock"
  if ! flock -n 9; then
    say "waiting for another $1 in this checkout"
    flock 9
  fi
}
