/* First frames of ZRE: what is one is written again as it was, and its lists have as many entries
 * as it says. */
#include "discovery/zre.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void check (bool holds)
{
    if (!holds)
        abort ();
}

static bool has_zero (zf_bytes_t text)
{
    return text.size > 0 && memchr (text.data, 0, text.size) != NULL;
}

/* Writes the lists again, entry by entry. */
static void check_lists (const zf_zre_t *message)
{
    zf_writer_t groups = {0}, headers = {0};
    zf_bytes_t left = message->groups;
    zf_bytes_t name, value;
    uint32_t count = 0;
    for (; zf_zre_next_group (&left, &name); count++) {
        check (!has_zero (name));
        zf_zre_put_group (&groups, name);
    }
    check (count == message->group_count);
    left = message->headers;
    for (count = 0; zf_zre_next_header (&left, &name, &value); count++) {
        check (!has_zero (name));
        zf_zre_put_header (&headers, name, value);
    }
    check (count == message->header_count);
    check (zf_bytes_equal (zf_bytes (groups.data, groups.size), message->groups));
    check (zf_bytes_equal (zf_bytes (headers.data, headers.size), message->headers));
    zf_writer_free (&groups);
    zf_writer_free (&headers);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    zf_writer_t w = {0};
    zf_zre_t message;
    if (!zf_zre_decode (zf_bytes (data, size), &message))
        return 0;
    check (!has_zero (message.endpoint) && !has_zero (message.name));
    check (!has_zero (message.group) && !has_zero (message.who));
    check_lists (&message);
    zf_zre_encode (&w, &message);
    check (!w.failed && zf_bytes_equal (zf_bytes (w.data, w.size), zf_bytes (data, size)));
    zf_writer_free (&w);
    return 0;
}
