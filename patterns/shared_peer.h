/* The node behind a peer, and the one that handles of this process share. */
#ifndef ZF_PATTERNS_SHARED_PEER_H
#define ZF_PATTERNS_SHARED_PEER_H

#include "devices/node.h"

/* peer.c */
zf_node_t *zf_peer_node (zf_peer_t *peer);

/* The shared node: started for the first, stopped after the last. Returns 0, or as zf_peer_start;
 * ZF_E_INVAL also for what the environment says. Threads: any. */
int zf_shared_node_get (zf_node_t **node, zf_error_t *err);
void zf_shared_node_release (void);

#endif
