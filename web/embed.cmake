# cmake -DFILES=a;b -DFROM=DIR -DTO=assets.c -P embed.cmake
#
# Writes the files into one C source: zf_web_assets, a table of web/page.h.
set (arrays "")
set (rows "")
set (number 0)
foreach (file IN LISTS FILES)
    file (READ "${FROM}/${file}" hex HEX)
    file (SHA256 "${FROM}/${file}" hash)
    string (SUBSTRING "${hash}" 0 16 tag)
    string (REGEX REPLACE "(................................)" "\\1\n    " lines "${hex}")
    string (REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${lines}")
    string (APPEND arrays "static const unsigned char file_${number}[] = {\n    ${bytes}0};\n\n")
    string (APPEND rows
            "    {\"/${file}\", file_${number}, sizeof file_${number} - 1, \"\\\"${tag}\\\"\"},\n")
    math (EXPR number "${number} + 1")
endforeach ()
file (WRITE "${TO}" "/* Made by web/embed.cmake. */\n#include \"web/page.h\"\n\n${arrays}"
      "const zf_web_asset_t zf_web_assets[] = {\n${rows}    {0, 0, 0, 0}};\n")
