/* The parts of the doctor:
 *
 *   doctor.c          its run; versions and limits
 *   doctor_net.c      interfaces, broadcasts, ports
 *   doctor_peers.c    seeds, and who is in a namespace
 *   doctor_journal.c  the directory of a journal */
#ifndef ZF_PATTERNS_DOCTOR_H
#define ZF_PATTERNS_DOCTOR_H

#include <zferry/doctor.h>

/* Whom to tell. */
typedef struct {
    zf_doctor_fn *fn;
    void *arg;
} zf_doctor_t;

void zf_doctor_say (const zf_doctor_t *doctor, zf_doctor_level_t level, const char *name,
                    const char *advice, const char *format, ...) ZF_PRINTF (5, 6);

void zf_doctor_look_at_net (const zf_doctor_t *doctor, const zf_doctor_options_t *options);
void zf_doctor_look_at_peers (const zf_doctor_t *doctor, const zf_doctor_options_t *options);
void zf_doctor_look_at_journal (const zf_doctor_t *doctor, const char *dir);

/* Writes "512 MiB" or the like. Returns text. */
#define ZF_DOCTOR_SIZE 32
char *zf_doctor_size (uint64_t bytes, char text[ZF_DOCTOR_SIZE]);

#endif
