#!/bin/sh
# run.sh BUILD_DIRECTORY CMAKE COMPILER - installs the build, moves the installed copy, and compiles and runs
# examples-c/quickstart.c against it: by find_package, by pkg-config, shared and static.
# The service comes from the COGNITE_* variables (tests/c/with_emulator.sh).
set -eu
build=$1
cmake=$2
compiler=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/moved"

run() {
  echo "consumer: $1"
  shift
  "$@" >"$work/out"
  grep -q '"items"' "$work/out" || { echo "consumer: no items in: $(cat "$work/out")" >&2; exit 1; }
}

"$cmake" -S "$here" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/moved" -DCMAKE_C_COMPILER="$compiler" >/dev/null
"$cmake" --build "$work/build" >/dev/null
run "find_package, shared" "$work/build/quickstart"
run "find_package, static" "$work/build/quickstart_static"

pc=$(dirname "$(find "$work/moved" -name cognite.pc)")
export PKG_CONFIG_PATH="$pc"
# Word splitting is wanted: pkg-config prints several arguments.
"$compiler" -std=c99 "$here/../../examples-c/quickstart.c" -o "$work/quickstart" $(pkg-config --cflags --libs cognite)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir cognite)
export LD_LIBRARY_PATH
run "pkg-config, shared" "$work/quickstart"

unset LD_LIBRARY_PATH
libs=$(pkg-config --libs --static cognite | sed 's/-lcognite/-l:libcognite.a/')
"$compiler" -std=c99 "$here/../../examples-c/quickstart.c" -o "$work/quickstart_static" $(pkg-config --cflags cognite) $libs
run "pkg-config, static" "$work/quickstart_static"
echo "consumer: 4 passed, 0 failed"
