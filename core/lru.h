/* The balancer's dialects: plain ZeroMQ sockets, as frames behind the routing id.
 *
 * Clients: send anything: REQ sockets "" | request..., DEALER sockets with or without the "". All
 *          of it is the request, and all frames of the answer go back as they come.
 * Workers: introduce themselves; the first message decides about the rest:
 *            "" | "READY" or 01   a REQ socket (the guide's load balancer, Simple Pirate)
 *            "READY"              a DEALER socket of the same kind
 *            01                   Paranoid Pirate (RFC 6): 02 HEARTBEAT both ways each
 *                                 heartbeat_ms, lost after three missed
 *          They get [""] | client address | request... and answer [""] | client address | answer...
 *          with the "" if they are REQ sockets; request and answer of a client with a REQ socket
 *          begin with its own "". An answer asks for more.
 * Lost:    the client of a request that expired or was given up hears nothing; answers_dropped
 *          counts it.
 * Wrong:   an answer under another address than the worker was given, or when it owes none, is
 *          dropped and counted as stale. The worker counts as ready, and what it held goes to
 *          another one at once. A REQ socket that answers before it introduced itself (to a
 *          balancer that was restarted) is ready, too: it cannot be busy. Anything else before
 *          READY is dropped: a Paranoid Pirate's late answer must not be taken for the answer to
 *          something else. */
#ifndef ZF_CORE_LRU_H
#define ZF_CORE_LRU_H

#include "core/engine.h"

#define ZF_LRU_QUEUE "balancer"

extern const zf_dialect_t zf_dialect_lru_client, zf_dialect_lru_worker;

#endif
