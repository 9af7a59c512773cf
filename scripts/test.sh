#!/bin/sh
# Owns the way to run the tests: set-up first, then the checks of the sources, then tap, then one line of counts.
# Usage: test.sh [--unit | --integration] [file.test.ts ...]
#   With files, only those run, and the checks of the sources are left out.
# The last line of the output is "N passed, N failed, N skipped"; the exit code is non-zero when anything failed.
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$root"

which=all
case ${1:-} in
  --unit) which=unit && shift ;;
  --integration) which=integration && shift ;;
  --*) fail "test.sh: unknown argument $1 (expected --unit or --integration)" ;;
esac

sh scripts/setup.sh --test
hash -r

failed_checks=
run_check() {
  name=$1
  shift
  if "$@"; then say "$name: ok"; else failed_checks="$failed_checks $name"; fi
}

if [ $# -eq 0 ]; then
  if [ "$which" != integration ]; then
    run_check types tsc -p .
    run_check lint biome ci --diagnostic-level=error .
  fi
  # Below test/ the folders named here need root and the real kernel; all else is pure.
  kernel='^test/(integration|escape|chaos|conformance|vm)/'
  all=$(find addon api-spec client daemon scripts test -name '*.test.ts' -not -path '*/node_modules/*' -not -path '*/fixtures/*' 2>/dev/null | LC_ALL=C sort)
  case $which in
    all) files=$all ;;
    unit) files=$(printf '%s\n' "$all" | grep -Ev "$kernel" || true) ;;
    integration) files=$(printf '%s\n' "$all" | grep -E "$kernel" || true) ;;
  esac
  [ -n "$files" ] || fail 'no test file found'
  # shellcheck disable=SC2086 # paths of this tree hold no spaces
  set -- $files
fi

# The status of tap comes through a file: what a pipe's left side returned is lost in POSIX sh.
status_file=$(mktemp)
trap 'rm -f "$status_file"' EXIT
{
  status=0
  tap run --reporter=tap --no-color "$@" || status=$?
  echo "$status" >"$status_file"
} | node scripts/test-report.ts --failed-checks="${failed_checks# }" || exit 1
exit "$(cat "$status_file")"
