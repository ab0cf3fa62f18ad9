#!/usr/bin/env bash
# Usage: floors.sh SOURCE FLOOR...     (the floors lowest first)
# Fails if a file includes a private header of a floor above its own, if discovery includes
# persist's, if the program or an example includes any, or if core or persist includes ZeroMQ.
set -euo pipefail
cd "$1"
shift
floors=("$@")
bad=0

# refuse WHAT PATTERN FOLDER...: no source in the folders may have an #include that matches.
refuse () {
    local what=$1 pattern=$2 folder
    shift 2
    for folder in "$@"; do
        [ -d "$folder" ] || continue
        if grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$pattern" \
            "$folder"; then
            echo "  ^ $what"
            bad=1
        fi
    done
}

any=$(IFS='|'; echo "${floors[*]}")
for i in "${!floors[@]}"; do
    higher=$(IFS='|'; echo "${floors[*]:i+1}")
    refuse "${floors[i]} must not see a higher floor" "(${higher:+$higher|}cli|tests)/" "${floors[i]}"
done
refuse "discovery must not see persist" "persist/" discovery
refuse "only devices and what is above them see ZeroMQ" "c?zmq" core persist
refuse "only public headers here" "(\.\./|($any)/)" cli examples
refuse "write includes from the root of the repository" "\.\./" "${floors[@]}"
exit $bad
