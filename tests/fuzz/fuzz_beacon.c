/* Beacons: what is one is written again as it was. */
#include "discovery/beacon.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    uint8_t again[ZF_BEACON_KEY_BYTES];
    zf_beacon_t beacon;
    if (!zf_beacon_decode (zf_bytes (data, size), &beacon))
        return 0;
    if (zf_beacon_encode (&beacon, again) != size || memcmp (again, data, size) != 0)
        abort ();
    return 0;
}
