/* Replays a corpus without libFuzzer: every file of the directories named is given to the target,
 * once.
 *
 * Each input is laid so that its last byte is the last byte of a page and the page behind it cannot
 * be touched: reading one byte too far ends the program. Ends with 1 if there is nothing to
 * replay. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    uint8_t *map;     /* pages of the input and the guard page behind them */
    size_t map_bytes; /* of the whole map */
    uint8_t *data;    /* where the input begins */
    size_t size;      /* of the input */
} guarded_t;

static void fail (const char *what, const char *path)
{
    fprintf (stderr, "replay: %s %s: ", what, path);
    perror (NULL);
    exit (1);
}

static size_t round_up (size_t size, size_t page)
{
    return (size + page - 1) / page * page;
}

static guarded_t guarded_new (size_t size)
{
    size_t page = (size_t) sysconf (_SC_PAGESIZE);
    size_t room = round_up (size, page);
    guarded_t self = {.map_bytes = room + page, .size = size};
    self.map =
        mmap (NULL, self.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (self.map == MAP_FAILED || mprotect (self.map + room, page, PROT_NONE) != 0)
        fail ("map pages", "");
    self.data = self.map + room - size;
    return self;
}

static void read_fully (int fd, const guarded_t *input, const char *path)
{
    size_t done = 0;
    while (done < input->size) {
        ssize_t n = read (fd, input->data + done, input->size - done);
        if (n <= 0)
            fail ("read", path);
        done += (size_t) n;
    }
}

/* Returns 1 if path is a file and was replayed, 0 if it is something else. */
static size_t replay_file (const char *path)
{
    struct stat info;
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat (fd, &info) != 0)
        fail ("open", path);
    if (!S_ISREG (info.st_mode)) {
        close (fd);
        return 0;
    }
    guarded_t input = guarded_new ((size_t) info.st_size);
    read_fully (fd, &input, path);
    close (fd);
    printf ("%s\n", path); /* flushed before the target runs, so that a crash names its file */
    LLVMFuzzerTestOneInput (input.data, input.size);
    munmap (input.map, input.map_bytes);
    return 1;
}

static size_t replay_directory (const char *path)
{
    struct dirent **entries = NULL;
    int n = scandir (path, &entries, NULL, alphasort);
    if (n < 0)
        fail ("list", path);
    size_t count = 0;
    for (int i = 0; i < n; i++) {
        char name[4096];
        snprintf (name, sizeof name, "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            count += replay_file (name);
        free (entries[i]);
    }
    free (entries);
    return count;
}

int main (int argc, char **argv)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    size_t count = 0;
    for (int i = 1; i < argc; i++)
        count += replay_directory (argv[i]);
    printf ("%zu inputs replayed\n", count);
    return count == 0 ? 1 : 0;
}
