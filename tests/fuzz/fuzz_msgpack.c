/* The msgpack reader: whatever the bytes are, it stays inside of them and comes to an end. */
#include "core/mp.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void check (bool holds)
{
    if (!holds)
        abort ();
}

static void check_view (zf_bytes_t in, zf_bytes_t view)
{
    const uint8_t *start = in.data;
    const uint8_t *at = view.data;
    check (view.size == 0 || (at >= start && at + view.size <= start + in.size));
}

/* Reads one thing of the kind and checks that what it says can be. */
static void read_one (zf_reader_t *r, zf_bytes_t in, unsigned kind)
{
    size_t left = zf_reader_left (r);
    switch (kind % 6) {
    case 0:
        zf_mp_uint (r);
        break;
    case 1:
        zf_mp_int (r);
        break;
    case 2:
        zf_mp_bool (r);
        break;
    case 3:
        check_view (in, zf_mp_bytes (r));
        break;
    case 4:
        check (zf_mp_array (r) <= left);
        break;
    default:
        check (zf_mp_map (r) <= left / 2);
    }
    check (zf_reader_left (r) <= left && (r->failed || zf_reader_left (r) < left));
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    zf_bytes_t in = zf_bytes (data, size);
    zf_reader_t r = zf_reader (in);
    while (!r.failed && zf_reader_left (&r) > 0)
        zf_mp_skip (&r);
    for (unsigned kind = 0; kind < 6; kind++) {
        r = zf_reader (in);
        for (unsigned i = 0; !r.failed && zf_reader_left (&r) > 0; i++)
            read_one (&r, in, kind + (i > 0 ? *r.at : 0));
    }
    return 0;
}
