/* A directory for one test's files. */
#ifndef TESTS_PERSIST_PLACE_H
#define TESTS_PERSIST_PLACE_H

#include <stdint.h>

/* Makes one, empty; and removes it with all that is in it. */
void place_make (char *path, int size);
void place_remove (const char *path);

/* The path of a segment in dir. Valid until the next call. */
const char *place_segment (const char *dir, uint64_t number);

/* Makes a directory and copies the files of another one into it. */
void place_copy_all (const char *from, const char *to);

/* How many names in dir begin with that. */
int place_count (const char *dir, const char *beginning);

/* Bytes of a file, changed in place; or as many as there are, read. */
void place_write (const char *file, long offset, const void *data, int size);
void place_read (const char *file, long offset, void *data, int size);
void place_copy (const char *from, const char *to);
long place_size (const char *file);

#endif
