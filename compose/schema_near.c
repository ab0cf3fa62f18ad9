/* Which word was meant. */
#include "compose/schema.h"

#include <string.h>

enum { WORD_MAX = 40, NEAR = 2, BEGINNING_MIN = 3 };

/* Row i of the table, from the two rows above it. */
static void fill_row (unsigned rows[3][WORD_MAX + 1], size_t i, const char *a, const char *b)
{
    unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];
    row[0] = (unsigned) i;
    for (size_t j = 1; b[j - 1] != '\0'; j++) {
        unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
        if (above[j] + 1 < best)
            best = above[j] + 1;
        if (row[j - 1] + 1 < best)
            best = row[j - 1] + 1;
        bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
        if (swapped && higher[j - 2] + 1 < best)
            best = higher[j - 2] + 1;
        row[j] = best;
    }
}

unsigned zf_schema_distance (const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1] = {{0}};
    size_t rows_count = strlen (a), columns = strlen (b);
    if (rows_count > WORD_MAX || columns > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= columns; j++)
        rows[0][j] = (unsigned) j;
    for (size_t i = 1; i <= rows_count; i++)
        fill_row (rows, i, a, b);
    return rows[rows_count % 3][columns];
}

/* Somebody has cut a long word short. */
static bool is_beginning (const char *text, const char *word)
{
    size_t length = strlen (text);
    return length >= BEGINNING_MIN && strncmp (text, word, length) == 0;
}

const char *zf_schema_nearest (const char *text, const char *const *words)
{
    const char *near = NULL;
    size_t length = strlen (text);
    unsigned least = NEAR + 1;
    for (; *words != NULL; words++) {
        unsigned distance = is_beginning (text, *words) ? 1 : zf_schema_distance (text, *words);
        if (distance < least && distance <= length / 2) { /* at least half of it is right */
            least = distance;
            near = *words;
        }
    }
    return near;
}
