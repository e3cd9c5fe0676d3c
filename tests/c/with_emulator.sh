#!/bin/sh
# with_emulator.sh EMULATOR COMMAND [ARGUMENT...]
#
# Starts the emulator, exports COGNITE_BASE_URL, COGNITE_PROJECT, COGNITE_TOKEN_URL, COGNITE_CLIENT_ID,
# COGNITE_CLIENT_SECRET and COGNITE_SCOPES from the JSON line it prints, runs the command, and ends the emulator.
# The exit status is the command's; 125 when the emulator does not start.
set -u
emulator=$1
shift

line=$(mktemp) || exit 125
"$emulator" >"$line" &
pid=$!
trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; rm -f "$line"' EXIT
trap 'exit 130' INT TERM HUP

tries=0
until grep -q '}' "$line"; do
  tries=$((tries + 1))
  if [ "$tries" -gt 200 ] || ! kill -0 "$pid" 2>/dev/null; then
    echo "with_emulator.sh: $emulator did not say where it listens" >&2
    exit 125
  fi
  sleep 0.05
done

# The value of a text member. (Enough for this one line: its values have no quotes in them.)
member() {
  sed -n 's/.*"'"$1"'" *: *"\([^"]*\)".*/\1/p' "$line"
}
COGNITE_BASE_URL=$(member url)
COGNITE_PROJECT=$(member project)
COGNITE_TOKEN_URL=$(member token_url)
COGNITE_CLIENT_ID=$(member client_id)
COGNITE_CLIENT_SECRET=$(member client_secret)
COGNITE_SCOPES=$(member scopes)
if [ -z "$COGNITE_BASE_URL" ] || [ -z "$COGNITE_PROJECT" ] || [ -z "$COGNITE_TOKEN_URL" ]; then
  echo "with_emulator.sh: not understood: $(cat "$line")" >&2
  exit 125
fi
unset COGNITE_TOKEN
export COGNITE_BASE_URL COGNITE_PROJECT COGNITE_TOKEN_URL COGNITE_CLIENT_ID COGNITE_CLIENT_SECRET COGNITE_SCOPES

"$@"
