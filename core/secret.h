/* Numbers that nobody can foresee who does not know a key, even if he has seen others that were
 * made with it: SipHash-2-4 (Aumasson and Bernstein 2012) of two numbers. */
#ifndef ZF_CORE_SECRET_H
#define ZF_CORE_SECRET_H

#include <stdint.h>

#define ZF_SECRET_BYTES 16

uint64_t zf_secret_number (const uint8_t key[ZF_SECRET_BYTES], uint64_t a, uint64_t b);

#endif
