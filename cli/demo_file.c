#include "demo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GENERATED_LINES 20000
#define GENERATED_WIDTH 64 /* bytes of a generated line at most */
#define CHUNK           65536

uint64_t demo_checksum (const void *data, size_t size)
{
    const unsigned char *byte = data;
    uint64_t sum = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ byte[i]) * 1099511628211u;
    return sum;
}

/* -- reading ----------------------------------------------------------------------------------- */

/* Reads to the end. Returns false with errno set; *size is what text holds. */
static bool read_stream (FILE *stream, char **text, size_t *size)
{
    size_t room = 0, got = 1;
    for (*size = 0; got > 0; *size += got) {
        if (*size + CHUNK > room) {
            room = 2 * room + CHUNK;
            char *more = realloc (*text, room);
            if (more == NULL)
                return false;
            *text = more;
        }
        got = fread (*text + *size, 1, CHUNK, stream);
    }
    return ferror (stream) == 0;
}

static int read_file (const cli_t *cli, demo_file_t *file, const char *path, size_t *size)
{
    bool standard = strcmp (path, "-") == 0;
    FILE *stream = standard ? stdin : fopen (path, "rbe");
    file->name = standard ? "standard input" : path;
    if (stream == NULL)
        return cli_fail (cli, EX_NOINPUT, "can't open %s: %s", path, strerror (errno));
    bool done = read_stream (stream, &file->text, size);
    int problem = errno;
    if (!standard)
        fclose (stream);
    return done ? 0 : cli_fail (cli, EX_IOERR, "can't read %s: %s", file->name, strerror (problem));
}

static int generate (const cli_t *cli, demo_file_t *file, size_t *size)
{
    file->name = "a generated text";
    file->text = malloc ((size_t) GENERATED_LINES * GENERATED_WIDTH);
    if (file->text == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    *size = 0;
    for (int i = 1; i <= GENERATED_LINES; i++) {
        int n = snprintf (file->text + *size, GENERATED_WIDTH,
                          "line %d of %d of a generated text\n", i, GENERATED_LINES);
        *size += (size_t) n;
    }
    return 0;
}

static int read_default (const cli_t *cli, demo_file_t *file, size_t *size)
{
    const char *path = getenv ("ZFERRY_DEMO_FILE");
    if (path != NULL && path[0] != '\0')
        return read_file (cli, file, path, size);
    FILE *licence = fopen ("LICENSE", "rbe");
    if (licence == NULL)
        return generate (cli, file, size);
    fclose (licence);
    return read_file (cli, file, "LICENSE", size);
}

/* -- lines ------------------------------------------------------------------------------------- */

static size_t count_lines (const char *text, size_t size)
{
    size_t count = size > 0 && text[size - 1] != '\n' ? 1 : 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == '\n' ? 1 : 0;
    return count;
}

static void split_lines (demo_file_t *file, size_t size)
{
    const char *at = file->text;
    for (size_t i = 0; i < file->count; i++) {
        size_t rest = size - (size_t) (at - file->text);
        const char *end = memchr (at, '\n', rest);
        size_t length = end != NULL ? (size_t) (end - at) : rest;
        file->lines[i] = (demo_line_t){
            .data = at,
            .size = length,
            .checksum = demo_checksum (at, length),
        };
        at += length + 1;
    }
}

int demo_file_open (const cli_t *cli, demo_file_t *file, const char *path)
{
    size_t size = 0;
    *file = (demo_file_t){0};
    int rc = path != NULL ? read_file (cli, file, path, &size) : read_default (cli, file, &size);
    if (rc != 0)
        return rc;
    file->count = count_lines (file->text, size);
    if (file->count == 0)
        return cli_fail (cli, EX_DATAERR, "%s is empty; give a file with lines", file->name);
    file->lines = calloc (file->count, sizeof *file->lines);
    if (file->lines == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    split_lines (file, size);
    return 0;
}

void demo_file_close (demo_file_t *file)
{
    free (file->text);
    free (file->lines);
    *file = (demo_file_t){0};
}
