/* The operations of an entry, for people: zf_entry_describe. */
#include "core/mp.h"
#include "core/store.h"
#include <zferry/error.h>
#include <zferry/journal.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX   400
#define SHOWN_MAX  32 /* bytes of a string */
#define PAIRS_SOME 4  /* pairs of numbers in a list */

/* Their names, and those of their arguments. */
static const struct {
    const char *name;
    const char *arguments[8];
} ops[] = {
    [ZF_OP_QUEUE] = {"QUEUE", {"queue", "name", "policy", "declared", "dead", "next", "stream"}},
    [ZF_OP_FORGET] = {"FORGET", {"queue"}},
    [ZF_OP_RECORDS] = {"RECORDS", {"queue", "first", "count", "time_ms", "records"}},
    [ZF_OP_BATCH] = {"BATCH", {"queue", "first", "time_ms", "batch"}},
    [ZF_OP_CARRY] = {"CARRY",
                     {"queue", "first", "count", "oldest_ms", "newest_ms", "alive", "batch"}},
    [ZF_OP_STATE] = {"STATE", {"queue", "first", "count", "attempts", "due_ms"}},
    [ZF_OP_GONE] = {"GONE", {"queue", "first", "count"}},
    [ZF_OP_PRODUCER] = {"PRODUCER", {"queue", "uuid", "last", "kept", "refusals"}},
    [ZF_OP_ID] = {"ID", {"queue", "hash", "until_ms"}},
    [ZF_OP_EXPIRES] = {"EXPIRES", {"queue", "id", "due_ms"}},
    [ZF_OP_START] = {"START", {"time_ms", "floor"}},
    [ZF_OP_CURSOR] = {"CURSOR", {"queue", "floor", "missed"}},
};

typedef struct {
    char text[TEXT_MAX];
    size_t used;
} line_t;

static void put (line_t *line, const char *format, ...) ZF_PRINTF (2, 3);
static void put (line_t *line, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    int n = vsnprintf (line->text + line->used, sizeof line->text - line->used, format, args);
    va_end (args);
    if (n > 0)
        line->used += (size_t) n;
    if (line->used >= sizeof line->text)
        line->used = sizeof line->text - 1;
}

static bool is_text (zf_bytes_t bytes)
{
    const uint8_t *at = bytes.data;
    for (size_t i = 0; i < bytes.size; i++) {
        if (at[i] < ' ' || at[i] == 0x7f)
            return false;
    }
    return bytes.size <= SHOWN_MAX;
}

static void put_bytes (line_t *line, zf_reader_t *r, bool is_bin)
{
    zf_bytes_t bytes = zf_mp_bytes (r);
    const uint8_t *at = bytes.data;
    if (!is_bin && is_text (bytes)) {
        put (line, " '%.*s'", (int) bytes.size, (const char *) bytes.data);
        return;
    }
    if (bytes.size > SHOWN_MAX) {
        put (line, " (%zu bytes)", bytes.size);
        return;
    }
    put (line, " ");
    for (size_t i = 0; i < bytes.size; i++)
        put (line, "%02x", at[i]);
}

static bool is_str (const zf_reader_t *r)
{
    uint8_t head = r->at < r->end ? *r->at : 0;
    return (head & 0xe0) == 0xa0 || (head >= 0xd9 && head <= 0xdb);
}

static void put_array (line_t *line, zf_reader_t *r)
{
    uint32_t count = zf_mp_array (r);
    put (line, " [");
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        if (i >= 2 * PAIRS_SOME)
            zf_mp_skip (r);
        else if (is_str (r))
            put_bytes (line, r, false);
        else
            put (line, "%s%" PRIu64, i > 0 ? " " : "", zf_mp_uint (r));
    }
    put (line, count > 2 * PAIRS_SOME ? " ... %" PRIu32 " in all]" : "]", count);
}

/* One argument, whatever it is. */
static void put_value (line_t *line, zf_reader_t *r)
{
    uint8_t head = r->at < r->end ? *r->at : 0;
    if ((head & 0xf0) == 0x90 || head == 0xdc || head == 0xdd) {
        put_array (line, r);
    } else if ((head & 0xf0) == 0x80 || head == 0xde || head == 0xdf) {
        zf_mp_skip (r);
        put (line, " {...}");
    } else if (head == 0xc2 || head == 0xc3) {
        put (line, zf_mp_bool (r) ? " yes" : " no");
    } else if (is_str (r)) {
        put_bytes (line, r, false);
    } else if (head >= 0xc4 && head <= 0xc6) {
        put_bytes (line, r, true);
    } else {
        put (line, " %" PRIu64, zf_mp_uint (r));
    }
}

static int describe_one (zf_reader_t *r, line_t *line)
{
    zf_reader_t op = *r;
    zf_mp_skip (r);
    op.end = r->at;
    uint32_t elements = zf_mp_array (&op);
    uint64_t number = zf_mp_uint (&op);
    line->used = 0;
    line->text[0] = '\0';
    if (r->failed || op.failed || elements == 0 || number == 0 ||
        number >= sizeof ops / sizeof ops[0])
        return ZF_E_CORRUPT;
    put (line, "%s", ops[number].name);
    for (uint32_t i = 0; i + 1 < elements && i < 8 && ops[number].arguments[i] != NULL; i++) {
        put (line, " %s", ops[number].arguments[i]);
        put_value (line, &op);
    }
    return op.failed ? ZF_E_CORRUPT : 0;
}

int zf_entry_describe (zf_bytes_t entry, zf_entry_fn *fn, void *arg)
{
    zf_reader_t r = zf_reader (entry);
    int rc = 0;
    while (rc == 0 && zf_reader_left (&r) > 0) {
        line_t line;
        rc = describe_one (&r, &line);
        if (rc == 0)
            fn (arg, line.text);
    }
    return rc;
}
