/* What a disk is made of. Private to disk*.c. */
#ifndef TESTS_PERSIST_DISK_NODE_H
#define TESTS_PERSIST_DISK_NODE_H

#include "tests/persist/disk.h"

#include <pthread.h>

#define DISK_HANDLES 512

/* Bytes that several disks share for as long as nobody writes. */
typedef struct {
    size_t refs;
    size_t room; /* whole sectors */
    uint8_t bytes[];
} blob_t;

typedef struct {
    char name[DISK_NAME];
    int node; /* index into the disk's nodes */
} entry_t;

typedef struct {
    entry_t *list; /* in no order that anybody may rely on */
    size_t count;
} names_t;

typedef enum { CHANGE_ADD, CHANGE_REMOVE, CHANGE_RENAME } change_kind_t;

/* A change of names that was not synced. */
typedef struct {
    change_kind_t kind;
    char from[DISK_NAME]; /* the name that is added, removed, or renamed */
    char to[DISK_NAME];   /* the new name of a rename */
    int node;             /* what bears it */
} change_t;

typedef enum { SECTOR_CLEAN, SECTOR_DIRTY, SECTOR_DOOMED } sector_t;

/* A file or a directory. */
typedef struct {
    bool directory;
    int links;          /* names that it has now */
    int opens;          /* handles on it */
    int locked_by;      /* a handle, or -1 */
    blob_t *now;        /* what programs see */
    blob_t *kept;       /* what is durable */
    uint64_t size;      /* as programs see it */
    uint64_t kept_size; /* as it is durable */
    uint8_t *sectors;   /* sector_t of each, as many as `now` has room for */
    names_t names;      /* of a directory, as programs see it */
    names_t kept_names; /* as they are durable */
    change_t *changes;  /* between the two, oldest first */
    size_t change_count;
} node_t;

typedef struct {
    int node; /* -1: not open */
    bool writable;
} handle_t;

typedef struct {
    uint64_t from;  /* the first call of that kind to fail, by count; 0: none */
    uint64_t until; /* and the first one behind those */
    int error;
} fault_t;

struct disk {
    zf_fs_t fs; /* first: the calls are given a pointer to it */
    pthread_mutex_t mutex;
    node_t *nodes; /* the first is the root; none goes before the disk does */
    size_t node_count;
    handle_t handles[DISK_HANDLES];
    uint64_t calls[DISK_CALLS];
    uint64_t total;   /* of all calls */
    uint64_t stop_at; /* in calls of all kinds; 0: never */
    disk_part_t part;
    bool stopped;
    bool dying; /* inside the call that it stops at */
    fault_t faults[DISK_CALLS];
    uint64_t failures;
    uint64_t interrupt_every;
    uint64_t interruptible; /* calls that could have been interrupted */
    size_t shorten_to;
    uint64_t limit;
    uint64_t seed;       /* of how short reads and writes are */
    uint8_t next_random; /* byte that random() answers */
    void (*watch) (bool inside);
};

/* What a path leads to. */
typedef struct {
    int parent;           /* directory that it is in, or -1: it is not there, or path is the root */
    int node;             /* -1: not there */
    char name[DISK_NAME]; /* in the parent */
} place_t;

/* -- disk_node.c ------------------------------------------------------------------------------- */

void *disk_memory (void *block, size_t size); /* realloc that ends the program when it fails */
blob_t *blob_share (blob_t *blob);
void blob_drop (blob_t **blob);
void blob_own (blob_t **blob, uint64_t size);                /* ours alone, with room for so much */
const uint8_t *blob_sector (const blob_t *blob, uint64_t i); /* zeros where there is no room */

int names_find (const names_t *names, const char *name); /* the node, or -1 */
void names_set (names_t *names, const char *name, int node);
void names_remove (names_t *names, const char *name);
void names_copy (names_t *names, const names_t *from);

int node_new (disk_t *disk, bool directory);
void node_clear (node_t *node);
place_t disk_place (const disk_t *disk, const char *path);
node_t *disk_file (const disk_t *disk, const char *path); /* NULL: there is none */
uint64_t disk_rounded (uint64_t size);                    /* up to whole sectors */

/* Changes names as programs see them, and notes the change. */
void directory_change (disk_t *disk, int parent, const change_t *change);
void change_apply (names_t *names, const change_t *change); /* if it still can be */

/* -- disk_calls.c ------------------------------------------------------------------------------ */

extern const zf_fs_t disk_calls_table;

#endif
