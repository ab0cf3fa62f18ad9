#!/usr/bin/env bash
# Usage: exports.sh NM LIBRARY HEADERS
# Fails if the shared LIBRARY shows a symbol that the public HEADERS do not declare with ZF_API, or
# lacks one.
set -euo pipefail
nm=$1 library=$2 headers=$3

exported=$("$nm" -D --defined-only "$library" | awk '{print $3}' | sort -u)
declared=$(cat "$headers"/*.h | tr '\n' ' ' | grep -oE 'ZF_API[^;(]* \**zf_[a-z0-9_]+ \(' |
    grep -oE 'zf_[a-z0-9_]+ \($' | cut -d' ' -f1 | sort -u)

extra=$(comm -23 <(echo "$exported") <(echo "$declared"))
missing=$(comm -13 <(echo "$exported") <(echo "$declared"))
[ -z "$extra" ] || { echo "exported, but not public:"; sed 's/^/  /' <<<"$extra"; }
[ -z "$missing" ] || { echo "public, but not exported:"; sed 's/^/  /' <<<"$missing"; }
[ -z "$extra$missing" ] || exit 1
if grep -v '^zf_' <<<"$exported"; then
    echo "exported symbols must begin with zf_"
    exit 1
fi
echo "$(wc -l <<<"$exported") symbols exported, all public"
