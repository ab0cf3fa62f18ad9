/* Majordomo: MDP/0.1 (RFC 7), MDP/0.2 (RFC 18) and MMI (RFC 8), as frames behind the routing id.
 *
 *   0.1 client   "" | "MDPC01" | service | body...                          both ways
 *   0.1 worker   "" | "MDPW01" | 01 READY | service
 *                "" | "MDPW01" | 02 REQUEST, 03 REPLY | address | "" | body...
 *                "" | "MDPW01" | 04 HEARTBEAT, 05 DISCONNECT
 *   0.2 client   "MDPC02" | 01 REQUEST, 02 PARTIAL, 03 FINAL | service | body...
 *   0.2 worker   "MDPW02" | 01 READY | service
 *                "MDPW02" | 02 REQUEST, 03 PARTIAL, 04 FINAL | address | "" | body...
 *                "MDPW02" | 05 HEARTBEAT, 06 DISCONNECT
 * A body is one frame or more; any frame may be empty.
 *
 * Requests:  are records of the queue named as the service, so native workers answer Majordomo
 *            clients, and Majordomo workers serve native clients and posts. The address is opaque
 *            to workers; its answer must repeat it (foreign.h).
 * No answer: MDP has no error frame. A client whose request expired, was given up or could not be
 *            queued hears nothing and asks again; answers_dropped counts it.
 * Parts:     MDP/0.1 knows one reply: its clients get the final one only, parts are dropped and
 *            counted as above.
 * Wrong:     a worker that breaks the protocol gets DISCONNECT, and its request goes to another; a
 *            client's message is dropped. Both are counted. An answer to what the worker does not
 *            hold is dropped and counted as stale; it stays busy if it owes another one.
 * MMI:       mmi.service answers 200 or 404, any other mmi.* 501. */
#ifndef ZF_CORE_MDP_H
#define ZF_CORE_MDP_H

#include "core/engine.h"

extern const zf_dialect_t zf_dialect_mdp1, zf_dialect_mdp2;

#endif
