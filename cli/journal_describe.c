/* What is in an entry of a journal: what a broker wrote, or else how it begins. */
#include "journal_describe.h"

#define SHOWN 40 /* bytes at most */

static json_t *beginning (zf_bytes_t data)
{
    char text[SHOWN + 4];
    const unsigned char *bytes = data.data;
    size_t size = data.size < SHOWN ? data.size : SHOWN;
    for (size_t i = 0; i < size; i++)
        text[i] = bytes[i] >= ' ' && bytes[i] < 0x7f ? (char) bytes[i] : '.';
    snprintf (text + size, sizeof text - size, "%s", size < data.size ? "..." : "");
    return json_string (text);
}

/* Operations behind each other. */
typedef struct {
    char text[1000];
    size_t used;
} operations_t;

static void add (void *arg, const char *operation)
{
    operations_t *all = arg;
    size_t left = sizeof all->text - all->used;
    int n = snprintf (all->text + all->used, left, "%s%s", all->used > 0 ? "; " : "", operation);
    all->used += n < 0 ? 0 : (size_t) n < left ? (size_t) n : left - 1;
}

json_t *journal_describe (zf_bytes_t data)
{
    operations_t all = {.used = 0};
    if (data.size == 0 || zf_entry_describe (data, add, &all) != 0)
        return beginning (data);
    if (all.used == sizeof all.text - 1)
        snprintf (all.text + sizeof all.text - 4, 4, "...");
    return json_string (all.text);
}
