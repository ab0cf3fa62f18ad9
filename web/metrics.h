/* Prometheus' text format: what writes it, family by family. */
#ifndef ZF_WEB_METRICS_H
#define ZF_WEB_METRICS_H

#include "web/look.h"
#include "web/text.h"

#define ZF_WEB_QUEUES_LISTED 2000 /* series of queues; the rest is summed up, device by device */

/* # HELP and # TYPE. */
void zf_web_family (zf_web_text_t *text, const char *name, const char *type, const char *help);

/* A label's value, in its quotes. What is no text is written as in a URL. */
void zf_web_label (zf_web_text_t *text, const char *value);

/* number / divisor, exact. */
void zf_web_number (zf_web_text_t *text, uint64_t number, uint32_t divisor);

/* The parts of /metrics; all devices are locked and looked at. */
void zf_web_write_devices (zf_web_text_t *text, const zf_web_held_t *held);
void zf_web_write_histograms (zf_web_text_t *text, const zf_web_held_t *held);
void zf_web_write_queues (zf_web_text_t *text, const zf_web_held_t *held);
void zf_web_write_process (zf_web_text_t *text);
void zf_web_write_peers (zf_web_text_t *text, zf_peer_t *peer);

#endif
