/* What zferry top is made of: a sample of a broker's figures with rates, a frame drawn of it, and
 * the terminal that shows the frame. */
#ifndef ZFERRY_CLI_TOP_H
#define ZFERRY_CLI_TOP_H

#include "cli.h"

/* -- samples (top_sample.c) -------------------------------------------------------------------- */

typedef enum { TOP_QUEUE, TOP_STREAM, TOP_GROUP } top_kind_t;

/* Each second, between two samples. */
typedef struct {
    double in;  /* posted */
    double out; /* delivered */
    double acked;
    double redelivered; /* of out */
    double dead;        /* dead-lettered */
} top_rates_t;

typedef struct {
    top_kind_t kind;
    zf_queue_info_t info;
    top_rates_t rates;
} top_row_t;

/* Figures of the broker itself, as zf_admin_stats names them. */
typedef struct {
    uint64_t sessions;
    uint64_t queues;
    uint64_t records;
    uint64_t bytes;
    uint64_t posted;
    uint64_t delivered;
    uint64_t acked;
    uint64_t redelivered;
    uint64_t dead;
    uint64_t dropped;
    uint64_t sync;            /* a zf_sync_t */
    uint64_t durable_bytes;   /* of bytes */
    uint64_t in_memory;       /* of durable_bytes */
    uint64_t journal_written; /* bytes; 0: there is no journal */
    uint64_t log_failed;
} top_figures_t;

typedef struct {
    uint64_t at_us;  /* monotonic, when it was taken; 0: there is none */
    bool has_rates;  /* there was a sample before it */
    top_row_t *rows; /* by name; owned */
    size_t count;    /* of rows */
    size_t room;     /* for rows */
    top_figures_t figures;
    top_rates_t rates;   /* of the broker */
    double journal_rate; /* bytes written each second */
} top_sample_t;

/* Takes one; rates are since before (may be empty). Returns 0, or a code of the library, and then
 * *sample is empty. */
int top_sample_take (top_sample_t *sample, const top_sample_t *before, zf_client_t *client,
                     zf_error_t *err);

/* Returns false when out of memory, and then *copy is empty. */
bool top_sample_copy (top_sample_t *copy, const top_sample_t *sample);

/* Makes it empty. */
void top_sample_free (top_sample_t *sample);

/* The sample as one JSON object. */
json_t *top_sample_json (const top_sample_t *sample, const char *endpoint);

/* -- frames (top_draw.c) ----------------------------------------------------------------------- */

typedef enum {
    TOP_BY_ACTIVITY,
    TOP_BY_LENGTH, /* of groups: by lag */
    TOP_BY_OLDEST,
    TOP_BY_LEASED,
    TOP_BY_DEAD,
    TOP_BY_NAME,
    TOP_SORTS
} top_sort_t;

extern const char *const top_sort_names[TOP_SORTS];

#define TOP_FILTER_MAX 100 /* bytes of a filter */

/* What is shown, and how. */
typedef struct {
    const cli_t *cli;
    const char *endpoint; /* of the broker, as given */
    uint64_t interval_ms; /* between samples */
    const top_sample_t *sample;
    top_sort_t sort;
    char filter[TOP_FILTER_MAX + 1]; /* part of a name; "": all */
    bool filtering;                  /* the filter is being typed */
    bool paused;                     /* the sample stays */
    bool live;                       /* on a screen, with a line of keys below */
    const char *trouble;             /* why there is no newer sample; NULL: there is none */
    size_t width;                    /* columns of the screen */
    size_t height;                   /* lines; 0: as many as there are */
    size_t scroll;                   /* lines of the tables that are above the screen */
    size_t scroll_most;              /* set by draw: more than that would leave room below */
} top_view_t;

/* The lines of a frame, each ended by newline; to be freed. NULL when out of memory. */
char *top_draw (top_view_t *view);

/* -- the terminal (top_screen.c) --------------------------------------------------------------- */

/* Enters the alternate screen and lets keys come one by one, until screen_close, the end of the
 * program or a signal that ends it; also leaves it while the program is stopped (Ctrl-Z). Returns
 * 0 or an exit code, having said why. */
int screen_open (const cli_t *cli);
void screen_close (void);

/* Readable when the screen's size or the program's turn on it has changed: screen_turned reads
 * that, and enters the screen again if need be. */
int screen_fd (void);
void screen_turned (void);

/* Columns and lines. */
void screen_size (size_t *width, size_t *height);

/* Shows the lines from the top on. Returns false if the terminal is gone. */
bool screen_show (const char *frame);

typedef enum {
    SCREEN_NONE = 0, /* nothing more has come */
    SCREEN_UP = 256, /* below that: the character itself */
    SCREEN_DOWN,
    SCREEN_PAGE_UP,
    SCREEN_PAGE_DOWN,
    SCREEN_HOME,
    SCREEN_END,
    SCREEN_ESCAPE,
    SCREEN_OTHER, /* some other key */
    SCREEN_GONE   /* no key will come any more */
} screen_key_t;

/* The next key of those that have come; does not wait. */
int screen_key (void);

#endif
