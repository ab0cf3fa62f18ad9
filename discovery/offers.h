/* Inside the directory: words of offers, shared by its two files. */
#ifndef ZF_DISCOVERY_OFFERS_H
#define ZF_DISCOVERY_OFFERS_H

#include "core/bytes.h"

/* KIND/NAME taken apart; without a / the name is empty. */
zf_bytes_t zf_offer_kind (zf_bytes_t what);
zf_bytes_t zf_offer_name (zf_bytes_t what);

/* Both are as zf_offer_is_what wants them. */
bool zf_offer_matches (zf_bytes_t pattern, zf_bytes_t what);

/* Neither spaces nor control characters. */
bool zf_offer_is_plain (zf_bytes_t text);
bool zf_offer_is_endpoint (zf_bytes_t endpoint);

#endif
