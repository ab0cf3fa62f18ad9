/* A way into a device for its own process: a connection without a socket. What a socket would carry
 * is put into two lines, one in and one out, so that nothing has to be woken if the same thread
 * turns the device (shell.h) and waits for the answer.
 *
 * A message is a control frame and maybe a body. To the engine it is a peer whose session begins
 * with the first message, as at a router; an empty one comes first, so that it says RESET.
 *
 * Threads: one side is the device's (whoever turns it), the other the handle's. */
#ifndef ZF_DEVICES_LOCAL_H
#define ZF_DEVICES_LOCAL_H

#include "core/engine.h"

#include <zmq.h>

typedef struct zf_local zf_local_t;

/* Returns 0, ZF_E_NOMEM or ZF_E_IO. */
int zf_local_open (zf_local_t **local, zf_engine_t *engine, const zf_dialect_t *dialect,
                   zf_error_t *err);

/* Before the engine is freed, and after the handle has closed. */
void zf_local_close (zf_local_t **local);

/* -- the handle's side ------------------------------------------------------------------------- */

/* Begins anew: what was under way is gone, and the engine meets us for the first time. */
void zf_local_reset (zf_local_t *local);

/* Takes the body (NULL: none). Returns false if out of memory. */
bool zf_local_send (zf_local_t *local, zf_bytes_t control, zmq_msg_t *body);

/* Receives into messages that are not initialised. False: there is none. */
bool zf_local_receive (zf_local_t *local, zmq_msg_t *control, zmq_msg_t *body, bool *has_body);
bool zf_local_has_output (zf_local_t *local);

/* An eventfd: readable after something came out while nobody was turning the device who looks
 * himself. Receiving the last one clears it. */
int zf_local_fd (const zf_local_t *local);

/* -- the device's side ------------------------------------------------------------------------- */

/* While this is on, what comes out rings nobody: who turns the device looks. */
void zf_local_hush (zf_local_t *local, bool on);

/* Hands what has come in to the engine, a bounded number of messages. True: there may be more. */
bool zf_local_collect (zf_local_t *local);
bool zf_local_has_input (zf_local_t *local);
void zf_local_deliver (zf_local_t *local, zf_effect_t *effect);

/* The engine has ended its session. */
void zf_local_forget (zf_local_t *local);

#endif
