#include "core/secret.h"

static uint64_t read_u64 (const uint8_t *at)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static uint64_t turn (uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix (uint64_t v[4], int rounds)
{
    for (int i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = turn (v[1], 13) ^ v[0];
        v[3] = turn (v[3], 16) ^ v[2];
        v[0] = turn (v[0], 32) + v[3];
        v[2] += v[1];
        v[3] = turn (v[3], 21) ^ v[0];
        v[1] = turn (v[1], 17) ^ v[2];
        v[2] = turn (v[2], 32);
    }
}

static void take (uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix (v, 2);
    v[0] ^= word;
}

uint64_t zf_secret_number (const uint8_t key[ZF_SECRET_BYTES], uint64_t a, uint64_t b)
{
    uint64_t low = read_u64 (key);
    uint64_t high = read_u64 (key + 8);
    uint64_t v[4] = {low ^ UINT64_C (0x736f6d6570736575), high ^ UINT64_C (0x646f72616e646f6d),
                     low ^ UINT64_C (0x6c7967656e657261), high ^ UINT64_C (0x7465646279746573)};
    take (v, a);
    take (v, b);
    take (v, UINT64_C (16) << 56); /* the bytes of both */
    v[2] ^= 0xff;
    mix (v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
