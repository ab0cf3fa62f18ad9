/* Who may come in. A browser of somebody here may be on any site of the world: what that site makes
 * it ask for must not be answered (DNS rebinding: by the Host) nor done (by the Origin).
 *
 * All arguments but the first of each may be NULL, or are texts that a stranger has sent. */
#ifndef ZF_WEB_GATE_H
#define ZF_WEB_GATE_H

#include <stdbool.h>

/* Is this Host header one of ours: an IP address as digits, localhost, the name that was bound, or
 * that of the public origin? NULL, as HTTP/1.0 sends it, is. */
bool zf_web_gate_host (const char *host, const char *bound, const char *public_origin);

/* Is this Origin header the endpoint's own, as it was called by this Host? NULL, as all but
 * browsers send it, is. */
bool zf_web_gate_origin (const char *origin, const char *host, const char *public_origin);

/* Is this "Bearer TOKEN" with the right one? The time it takes does not tell how much of it is. */
bool zf_web_gate_token (const char *authorization, const char *token);

#endif
