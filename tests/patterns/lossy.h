/* A relay between one native peer and a broker that loses messages: every n-th of those that the
 * broker says with one of the chosen commands. It is a ROUTER and a DEALER on a thread of its own,
 * and drops whole ZeroMQ messages, as no network does.
 *
 * Threads: the test's own calls everything. */
#ifndef TESTS_PATTERNS_LOSSY_H
#define TESTS_PATTERNS_LOSSY_H

#include <zferry/device.h>

typedef struct lossy lossy_t;

/* commands: a bit for each, 1 << (command - 50). Aborts if it can't be had. */
lossy_t *lossy_open (const zf_device_t *broker, unsigned every, unsigned commands);
const char *lossy_endpoint (const lossy_t *lossy);

/* From now on; 0: nothing is lost. */
void lossy_set (lossy_t *lossy, unsigned every);

/* How many messages were lost. */
unsigned lossy_lost (const lossy_t *lossy);
void lossy_close (lossy_t **lossy);

#endif
