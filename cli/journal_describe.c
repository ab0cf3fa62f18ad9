/* What is in an entry of a journal: how it begins. */
#include "journal_describe.h"

#define SHOWN 40 /* bytes at most */

json_t *journal_describe (zf_bytes_t data)
{
    char text[SHOWN + 4];
    const unsigned char *bytes = data.data;
    size_t size = data.size < SHOWN ? data.size : SHOWN;
    for (size_t i = 0; i < size; i++)
        text[i] = bytes[i] >= ' ' && bytes[i] < 0x7f ? (char) bytes[i] : '.';
    snprintf (text + size, sizeof text - size, "%s", size < data.size ? "..." : "");
    return json_string (text);
}
