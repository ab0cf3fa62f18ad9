/* Damage: bytes of a golden journal are changed or cut off, and open has to answer what it must:
 * all that was there, a clean prefix where nothing says that more was durable, or an error that
 * names the file and the place, with nothing changed on disk. */
#ifndef TESTS_PERSIST_DAMAGE_H
#define TESTS_PERSIST_DAMAGE_H

#include "tests/persist/golden.h"
#include "tests/persist/plant.h"

typedef struct {
    golden_t golden;    /* the journal that is damaged */
    plant_kind_t plant; /* a bug planted on purpose */
    bool blind;         /* planted too: the damage is done to something else */
    bool read_only;     /* how it is opened */
    uint64_t tried;     /* answer: how often something was damaged */
    uint64_t reported;  /* answer: how often that was reported */
    char wrong[512];    /* answer: the first thing that was wrong; empty: nothing */
} damage_t;

void damage_init (damage_t *damage, const char *name);
void damage_fini (damage_t *damage);

/* Each returns false if something was wrong. */
bool damage_none (damage_t *damage);
bool damage_bits (damage_t *damage, size_t file, size_t offset, uint8_t bits);
bool damage_length (damage_t *damage, size_t file, size_t size);
bool damage_missing (damage_t *damage, size_t file);

/* A byte in the header of the last entry, the sum of which is put right: it is a valid entry, but
 * none that follows the one before. */
bool damage_forged (damage_t *damage, size_t byte);

#endif
