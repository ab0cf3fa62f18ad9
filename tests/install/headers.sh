#!/usr/bin/env bash
# Usage: headers.sh CC CXX INCLUDE
# Fails if a public header does not compile alone, without a warning, as C11 and as C++17.
set -euo pipefail
cc=$1 cxx=$2 include=$3

warnings=(-Wall -Wextra -Wpedantic -Werror)
count=0
for header in "$include"/zferry/*.h; do
    # One declaration more: a header of macros alone would leave an empty translation unit.
    line="#include <zferry/${header##*/}>"$'\nextern int zf_headers_test;'
    "$cc" -std=c11 "${warnings[@]}" -I"$include" -fsyntax-only -x c - <<<"$line"
    "$cxx" -std=c++17 "${warnings[@]}" -I"$include" -fsyntax-only -x c++ - <<<"$line"
    count=$((count + 1))
done
echo "$count headers compile alone"
[ "$count" -gt 0 ]
