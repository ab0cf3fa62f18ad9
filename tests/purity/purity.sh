#!/usr/bin/env bash
# Usage: purity.sh NM LIBRARY ALLOWED
# Fails if LIBRARY needs a symbol that it does not define itself and that no pattern in ALLOWED
# covers.
set -euo pipefail
nm=$1 library=$2 allowed=$3

defined=$("$nm" --defined-only "$library" | awk 'NF == 3 {print $3}' | sort -u)
needed=$("$nm" -u "$library" | awk '$1 == "U" || $1 == "w" {print $2}' | sort -u)
[ -n "$defined" ] || { echo "$library defines nothing"; exit 1; }

patterns=$(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$allowed")
foreign=$(comm -13 <(echo "$defined") <(echo "$needed"))
refused=$(grep -vxEf <(echo "$patterns") <<<"$foreign" | sed '/^$/d' || true)
if [ -n "$refused" ]; then
    echo "core must stay pure, but it uses:"
    while read -r symbol; do
        echo "  $symbol, in $("$nm" -A -u "$library" | awk -v s="$symbol" '$NF == s {print $1}' |
            sed 's/.*\.a:\(.*\):.*/\1/' | sort -u | paste -sd ' ')"
    done <<<"$refused"
    exit 1
fi
echo "$(wc -l <<<"$foreign") outside symbols, all allowed"
