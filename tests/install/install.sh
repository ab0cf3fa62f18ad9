#!/usr/bin/env bash
# Usage: install.sh pkgconfig|package CMAKE BUILD VERSION
# Installs the built tree into a temporary directory, moves that elsewhere (nothing may remember the
# first place), and builds and runs outside/outside.c against it, shared and static, as C and as
# C++.
set -euo pipefail
route=$1 cmake=$2 build=$3 version=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/first" >/dev/null
prefix=$work/moved
mv "$work/first" "$prefix"
mkdir "$work/outside"
cp "$here/outside/outside.c" "$work/outside/outside.c"
cp "$here/outside/outside.c" "$work/outside/outside.cpp"
cp "$here/outside/CMakeLists.txt" "$work/outside/"

# expect PROGRAM: it must run and tell the version that was installed.
expect () {
    local said
    said=$("$@")
    [ "$said" = "$version" ] || { echo "$* said '$said', not '$version'"; exit 1; }
    echo "$(basename "$1"): $said"
}

by_pkgconfig () {
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name zferry.pc)")
    export PKG_CONFIG_PATH
    local cflags libs static libdir
    cflags=$(pkg-config --cflags zferry)
    libs=$(pkg-config --libs zferry)
    libdir=$(pkg-config --variable=libdir zferry)
    # Said by name, since the linker takes the shared one of two equals.
    static=$(pkg-config --static --libs zferry | sed 's/-lzferry\b/-l:libzferry.a/')
    [ "$(pkg-config --modversion zferry)" = "$version" ]
    cd "$work/outside"
    # shellcheck disable=SC2086 # the flags are lists of words
    {
        "$CC" -std=c11 outside.c -o c_shared $cflags $libs
        "$CC" -std=c11 outside.c -o c_static $cflags $static
        "$CXX" -std=c++17 outside.cpp -o cxx_shared $cflags $libs
        "$CXX" -std=c++17 outside.cpp -o cxx_static $cflags $static
    }
    expect env LD_LIBRARY_PATH="$libdir" ./c_shared
    expect env LD_LIBRARY_PATH="$libdir" ./cxx_shared
    expect ./c_static
    expect ./cxx_static
}

by_package () {
    "$cmake" -S "$work/outside" -B "$work/outside/build" -DCMAKE_PREFIX_PATH="$prefix" \
        -DZFERRY_EXPECTED="$version" >/dev/null
    "$cmake" --build "$work/outside/build" >/dev/null
    local program
    for program in c_shared c_static cxx_shared cxx_static; do
        expect "$work/outside/build/$program"
    done
}

# The program itself, and every header that there is.
"$prefix/bin/zferry" version >/dev/null
[ -e "$prefix/include/zferry/zferry.h" ]
case $route in
pkgconfig) by_pkgconfig ;;
package) by_package ;;
*) echo "unknown route $route"; exit 2 ;;
esac
