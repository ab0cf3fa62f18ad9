/* A cable between peers and a broker, that a test can cut: a TCP relay on a thread of its own.
 *
 * Connect to cable_endpoint instead of the broker's. Cut, it closes what is connected, and new
 * connections are taken at once; mute, it swallows what the broker says; dead, it passes nothing in
 * either direction but closes nothing.
 *
 * Threads: the test's own calls everything. */
#ifndef TESTS_PATTERNS_CABLE_H
#define TESTS_PATTERNS_CABLE_H

#include <zferry/device.h>

typedef struct cable cable_t;

typedef enum { CABLE_WHOLE, CABLE_MUTE, CABLE_DEAD } cable_state_t;

/* A cable to the broker's first endpoint, which is on tcp. Aborts if it can't be had. */
cable_t *cable_lay (const zf_device_t *broker);
const char *cable_endpoint (const cable_t *cable);
void cable_set (cable_t *cable, cable_state_t state);

/* Closes all connections; the state stays. Returns when they are closed. */
void cable_cut (cable_t *cable);

/* Closes all connections, and passes on what comes over those that follow. Nothing that a mute or
 * dead cable held back is heard after all. */
void cable_renew (cable_t *cable);
void cable_remove (cable_t **cable);

#endif
