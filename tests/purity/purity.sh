#!/usr/bin/env bash
# Usage: purity.sh NAME NM ALLOWED FILE... [-- BELOW...]
# Fails if the FILEs (objects or a library) need a symbol that neither they nor what they stand on
# (BELOW) define, and that no pattern in ALLOWED covers.
set -euo pipefail
name=$1 nm=$2 allowed=$3
shift 3
files=() below=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    files+=("$1")
    shift
done
[ $# -eq 0 ] || below=("${@:2}")

[ ${#files[@]} -gt 0 ] || { echo "$name has no files"; exit 1; }
[ "$("$nm" --defined-only "${files[@]}" | awk 'NF == 3' | wc -l)" -gt 0 ] || {
    echo "$name defines nothing"
    exit 1
}
defined=$("$nm" --defined-only "${files[@]}" "${below[@]}" | awk 'NF == 3 {print $3}' | sort -u)
needed=$("$nm" -u "${files[@]}" | awk '$1 == "U" || $1 == "w" {print $2}' | sort -u)

patterns=$(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$allowed")
foreign=$(comm -13 <(echo "$defined") <(echo "$needed"))
refused=$(grep -vxEf <(echo "$patterns") <<<"$foreign" | sed '/^$/d' || true)
if [ -n "$refused" ]; then
    echo "$name must stay pure, but it uses:"
    while read -r symbol; do
        echo "  $symbol, in $("$nm" -A -u "${files[@]}" | awk -v s="$symbol" '$NF == s {print $1}' |
            sed -e 's/:$//' -e 's/.*[:/]//' | sort -u | paste -sd ' ')"
    done <<<"$refused"
    exit 1
fi
echo "$(wc -l <<<"$foreign") outside symbols, all allowed"
