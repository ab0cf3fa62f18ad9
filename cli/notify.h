/* Telling systemd how the program is doing (Type=notify; sd_notify(3)).
 *
 * Outside of systemd, where $NOTIFY_SOCKET is not set, nothing is sent. What could not be sent is
 * lost: the service manager notices by its own time limits.
 * Threads: any. */
#ifndef ZFERRY_CLI_NOTIFY_H
#define ZFERRY_CLI_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Is somebody listening? */
bool notify_is_on (void);

/* Sends assignments, one a line: "READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "STOPPING=1",
 * "WATCHDOG=1", "STATUS=...". */
void notify_send (const char *text);

/* WATCHDOG=1 is expected this often, else the program is ended; 0: it is not. Half of it is a good
 * interval. */
uint64_t notify_watchdog_ms (void);

#endif
