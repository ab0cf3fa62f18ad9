/* What the tests of the beacon's shell share: shells at one port, the notes that they make, and
 * waiting for what comes. */
#ifndef TESTS_DISCOVERY_AIR_H
#define TESTS_DISCOVERY_AIR_H

/* cmocka wants these before itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "discovery/udp.h"

/* A shell, and what came to it last. */
typedef struct {
    zf_udp_t *udp;
    char notes[4096]; /* a line each */
    uint8_t data[64];
    size_t size;
    char from[ZF_UDP_HOST];
    char own[ZF_UDP_HOST];
} air_t;

/* A UDP port that nobody else uses; it is shared by all that ask to share it. The descriptor keeps
 * it. */
int air_port (uint16_t *port);

/* As zf_udp_open. */
int air_open (air_t *air, uint16_t port, const char *const *rules, size_t count, zf_error_t *err);
size_t air_send (air_t *air, const char *text);

/* Sends until it goes to so many addresses: the system takes its time with new ones of IPv6, and
 * tells when it is done. */
void air_send_to (air_t *air, const char *text, size_t count);

/* Takes what is there now. False: nothing. */
bool air_take (air_t *air);

/* Waits until this text comes, and takes it; others are thrown away. */
void air_await (air_t *air, const char *text);

/* The same, from this host. */
void air_await_from (air_t *air, const char *text, const char *from);

/* Waits until the system tells of a change that changes the choice. */
void air_await_change (air_t *air);

#endif
