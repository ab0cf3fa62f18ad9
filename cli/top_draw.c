/* Frames: what the broker does as a whole, then its queues, streams and groups as tables that can
 * be scrolled together, then the keys. */
#include "top.h"

#include "durable.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CELLS = 10,      /* columns of a table at most */
    CELL_SIZE = 24,  /* bytes of a cell but the first, which is a name */
    NAME_WIDTH = 12, /* of names at least */
    SPARES = 2,      /* kinds of columns that may be left out */
    HEAD_LINES = 4,  /* above the tables */
    KEY_LINES = 1    /* below */
};

const char *const top_sort_names[TOP_SORTS] = {"activity", "length", "oldest",
                                               "leased",   "dead",   "name"};

/* A frame that is being written. */
typedef struct {
    top_view_t *view;
    FILE *out;
    const top_row_t **rows; /* those that the filter leaves, sorted, by kind */
    size_t row_count;
    size_t line; /* of the tables, that comes next */
    size_t last; /* of the tables, that fits on the screen */
} frame_t;

/* -- order ------------------------------------------------------------------------------------- */

static uint64_t length_of (const top_row_t *row)
{
    return row->kind == TOP_GROUP ? row->info.lag : row->info.length;
}

static double key_of (const top_row_t *row, top_sort_t sort)
{
    switch (sort) {
    case TOP_BY_ACTIVITY:
        return row->rates.in + row->rates.out + row->rates.acked + row->rates.dead;
    case TOP_BY_LENGTH:
        return (double) length_of (row);
    case TOP_BY_OLDEST:
        return (double) row->info.oldest_ms;
    case TOP_BY_LEASED:
        return (double) row->info.leased;
    case TOP_BY_DEAD:
        return (double) row->info.dead;
    case TOP_BY_NAME:
    case TOP_SORTS:
        break;
    }
    return 0;
}

/* Kinds stay together; of what is equally active the longer, and then the name, comes first. */
static int compare (const void *a, const void *b, void *arg)
{
    const top_row_t *const *left = a;
    const top_row_t *const *right = b;
    top_sort_t sort = *(const top_sort_t *) arg;
    if ((*left)->kind != (*right)->kind)
        return (*left)->kind < (*right)->kind ? -1 : 1;
    double first = key_of (*left, sort);
    double second = key_of (*right, sort);
    if (sort == TOP_BY_ACTIVITY && !(first < second) && !(first > second)) {
        first = (double) length_of (*left);
        second = (double) length_of (*right);
    }
    if (first > second)
        return -1;
    return first < second ? 1 : strcmp ((*left)->info.name, (*right)->info.name);
}

static void choose_rows (frame_t *frame)
{
    const top_sample_t *sample = frame->view->sample;
    for (size_t i = 0; i < sample->count; i++)
        if (strstr (sample->rows[i].info.name, frame->view->filter) != NULL)
            frame->rows[frame->row_count++] = &sample->rows[i];
    if (frame->row_count > 1)
        qsort_r (frame->rows, frame->row_count, sizeof *frame->rows, compare, &frame->view->sort);
}

/* -- cells ------------------------------------------------------------------------------------- */

typedef struct {
    const char *title;
    void (*write) (const top_row_t *row, const top_sample_t *sample, char cell[CELL_SIZE]);
    unsigned spare; /* where there is no room 1 goes first, then 2; 0 stays */
} column_t;

static void write_count (char cell[CELL_SIZE], uint64_t count)
{
    snprintf (cell, CELL_SIZE, "%" PRIu64, count);
}

static void write_rate (char cell[CELL_SIZE], const top_sample_t *sample, double rate)
{
    if (!sample->has_rates)
        snprintf (cell, CELL_SIZE, "-");
    else if (rate >= 9.95 || rate < 0.05)
        snprintf (cell, CELL_SIZE, "%.0f", rate);
    else
        snprintf (cell, CELL_SIZE, "%.1f", rate);
}

#define COUNT_CELL(name, value)                                                               \
    static void name (const top_row_t *row, const top_sample_t *sample, char cell[CELL_SIZE]) \
    {                                                                                         \
        (void) sample;                                                                        \
        write_count (cell, value);                                                            \
    }
#define RATE_CELL(name, value)                                                                \
    static void name (const top_row_t *row, const top_sample_t *sample, char cell[CELL_SIZE]) \
    {                                                                                         \
        write_rate (cell, sample, value);                                                     \
    }

COUNT_CELL (cell_length, row->info.length)
COUNT_CELL (cell_lag, row->info.lag)
COUNT_CELL (cell_leased, row->info.leased)
COUNT_CELL (cell_workers, row->info.workers)
COUNT_CELL (cell_dead, row->info.dead)
COUNT_CELL (cell_groups, row->info.groups)
COUNT_CELL (cell_subscribers, row->info.subscribers)
COUNT_CELL (cell_dropped, row->info.dropped)
COUNT_CELL (cell_missed, row->info.missed)
RATE_CELL (cell_in, row->rates.in)
RATE_CELL (cell_out, row->rates.out)
RATE_CELL (cell_acked, row->rates.acked)
RATE_CELL (cell_redelivered, row->rates.redelivered)

static void cell_oldest (const top_row_t *row, const top_sample_t *sample, char cell[CELL_SIZE])
{
    char text[CLI_UNIT_TEXT] = "-";
    (void) sample;
    if (row->info.length > 0)
        cli_format_ms (row->info.oldest_ms, text);
    snprintf (cell, CELL_SIZE, "%.20s", text);
}

static void cell_bytes (const top_row_t *row, const top_sample_t *sample, char cell[CELL_SIZE])
{
    char text[CLI_UNIT_TEXT];
    (void) sample;
    snprintf (cell, CELL_SIZE, "%.20s", cli_format_bytes (row->info.bytes, text));
}

/* -- tables ------------------------------------------------------------------------------------ */

static const column_t queue_columns[] = {
    {"length", cell_length, 0}, {"oldest", cell_oldest, 0},
    {"leased", cell_leased, 0}, {"workers", cell_workers, 0},
    {"in/s", cell_in, 0},       {"out/s", cell_out, 0},
    {"acked/s", cell_acked, 1}, {"redelivered/s", cell_redelivered, 2},
    {"dead", cell_dead, 0},     {NULL, NULL, 0}};
static const column_t stream_columns[] = {
    {"length", cell_length, 0},           {"bytes", cell_bytes, 0},
    {"oldest", cell_oldest, 0},           {"groups", cell_groups, 0},
    {"subscribers", cell_subscribers, 0}, {"in/s", cell_in, 0},
    {"dropped", cell_dropped, 0},         {NULL, NULL, 0}};
static const column_t group_columns[] = {
    {"lag", cell_lag, 0},       {"leased", cell_leased, 0}, {"workers", cell_workers, 0},
    {"out/s", cell_out, 0},     {"acked/s", cell_acked, 1}, {"redelivered/s", cell_redelivered, 2},
    {"missed", cell_missed, 0}, {"dead", cell_dead, 0},     {NULL, NULL, 0}};

static const struct {
    const char *title;
    const column_t *columns;
} tables[] = {[TOP_QUEUE] = {"queue", queue_columns},
              [TOP_STREAM] = {"stream", stream_columns},
              [TOP_GROUP] = {"group", group_columns}};

/* Begins a line of the tables. Returns false if it is not on the screen. */
static bool on_screen (frame_t *frame)
{
    size_t line = frame->line++;
    return line >= frame->view->scroll && line < frame->last;
}

static const char *color (const frame_t *frame, const char *code)
{
    return frame->view->cli->out_color ? code : "";
}

/* Prints a name or title at this width; what does not fit ends with an ellipsis. Names come from
 * peers. */
static void print_name (const frame_t *frame, const char *name, size_t width)
{
    size_t n = 0;
    bool cut = strlen (name) > width;
    for (; name[n] != '\0' && n + (cut ? 3 : 0) < width; n++) {
        unsigned char c = (unsigned char) name[n];
        putc (c < ' ' || c >= 0x7f ? '.' : c, frame->out);
    }
    fprintf (frame->out, "%s%*s", cut ? "..." : "", cut ? 0 : (int) (width - n), "");
}

/* Columns that there is no room for on a screen get no width. Returns what the others take. */
static size_t leave_out (const frame_t *frame, const column_t *columns, size_t widths[CELLS])
{
    size_t rest = 0;
    for (size_t c = 0; columns[c].title != NULL; c++)
        rest += 2 + widths[c + 1];
    for (unsigned spare = 1; spare <= SPARES && frame->view->height > 0; spare++)
        for (size_t c = 0; columns[c].title != NULL; c++)
            if (columns[c].spare == spare && NAME_WIDTH + rest > frame->view->width) {
                rest -= 2 + widths[c + 1];
                widths[c + 1] = 0;
            }
    return rest;
}

static void measure (const frame_t *frame, top_kind_t kind, size_t widths[CELLS])
{
    char cell[CELL_SIZE];
    const column_t *columns = tables[kind].columns;
    size_t name = NAME_WIDTH;
    for (size_t c = 0; columns[c].title != NULL; c++)
        widths[c + 1] = strlen (columns[c].title);
    for (size_t i = 0; i < frame->row_count; i++) {
        const top_row_t *row = frame->rows[i];
        size_t length = strlen (row->info.name);
        if (row->kind != kind)
            continue;
        name = length > name ? length : name;
        for (size_t c = 0; columns[c].title != NULL; c++) {
            columns[c].write (row, frame->view->sample, cell);
            widths[c + 1] = strlen (cell) > widths[c + 1] ? strlen (cell) : widths[c + 1];
        }
    }
    size_t rest = leave_out (frame, columns, widths);
    size_t left = frame->view->width > rest ? frame->view->width - rest : 0;
    widths[0] = name <= left ? name : left < NAME_WIDTH ? NAME_WIDTH : left;
}

static void print_titles (frame_t *frame, top_kind_t kind, const size_t widths[CELLS])
{
    const column_t *columns = tables[kind].columns;
    if (!on_screen (frame))
        return;
    fputs (color (frame, "\033[1m"), frame->out);
    print_name (frame, tables[kind].title, widths[0]);
    for (size_t c = 0; columns[c].title != NULL; c++)
        if (widths[c + 1] > 0)
            fprintf (frame->out, "  %*s", (int) widths[c + 1], columns[c].title);
    fprintf (frame->out, "%s\n", color (frame, "\033[0m"));
}

/* Red: something is given up now; yellow: something is tried again. */
static const char *alarm_of (const top_row_t *row)
{
    if (row->rates.dead > 0)
        return "\033[31m";
    return row->rates.redelivered > 0 ? "\033[33m" : "";
}

static void print_row (frame_t *frame, const top_row_t *row, const size_t widths[CELLS])
{
    char cell[CELL_SIZE];
    const column_t *columns = tables[row->kind].columns;
    const char *alarm = color (frame, alarm_of (row));
    if (!on_screen (frame))
        return;
    fputs (alarm, frame->out);
    print_name (frame, row->info.name, widths[0]);
    for (size_t c = 0; columns[c].title != NULL; c++) {
        columns[c].write (row, frame->view->sample, cell);
        if (widths[c + 1] > 0)
            fprintf (frame->out, "  %*s", (int) widths[c + 1], cell);
    }
    fprintf (frame->out, "%s\n", *alarm != '\0' ? "\033[0m" : "");
}

static void print_table (frame_t *frame, top_kind_t kind)
{
    size_t widths[CELLS];
    size_t i = 0;
    while (i < frame->row_count && frame->rows[i]->kind != kind)
        i++;
    if (i == frame->row_count)
        return;
    if (frame->line > 0 && on_screen (frame))
        putc ('\n', frame->out);
    measure (frame, kind, widths);
    print_titles (frame, kind, widths);
    for (; i < frame->row_count && frame->rows[i]->kind == kind; i++)
        print_row (frame, frame->rows[i], widths);
}

/* Lines of all tables with their titles, and an empty one between two. */
static size_t table_lines (const frame_t *frame)
{
    size_t lines = frame->row_count;
    for (size_t i = 0; i < frame->row_count; i++)
        if (i == 0 || frame->rows[i]->kind != frame->rows[i - 1]->kind)
            lines += i == 0 ? 1 : 2;
    return lines;
}

/* -- above the tables -------------------------------------------------------------------------- */

/* Prints a line cut at the edge of the screen. */
static void ZF_PRINTF (3, 4)
    print_line (const frame_t *frame, const char *code, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    for (unsigned char *c = (unsigned char *) text; *c != '\0'; c++)
        if (*c < ' ' || *c >= 0x7f)
            *c = '.';
    fprintf (frame->out, "%s%.*s%s\n", color (frame, code), (int) frame->view->width, text,
             color (frame, *code != '\0' ? "\033[0m" : ""));
}

static void print_state (const frame_t *frame)
{
    const top_view_t *view = frame->view;
    char clock[16];
    char interval[CLI_UNIT_TEXT];
    time_t now = time (NULL);
    struct tm local;
    localtime_r (&now, &local);
    strftime (clock, sizeof clock, "%H:%M:%S", &local);
    print_line (frame, "\033[1m", "zferry top  %s  %s  every %s, by %s%s%s%s%s", view->endpoint,
                clock, cli_format_ms (view->interval_ms, interval), top_sort_names[view->sort],
                view->filter[0] != '\0' ? ", only *" : "", view->filter,
                view->filter[0] != '\0' ? "*" : "", view->paused ? ", paused" : "");
}

static void print_broker (const frame_t *frame)
{
    const top_sample_t *sample = frame->view->sample;
    const top_figures_t *f = &sample->figures;
    char bytes[CLI_UNIT_TEXT], memory[CLI_UNIT_TEXT], written[CLI_UNIT_TEXT], rate[CLI_UNIT_TEXT];
    char in[CELL_SIZE], out[CELL_SIZE], acked[CELL_SIZE], again[CELL_SIZE];
    write_rate (in, sample, sample->rates.in);
    write_rate (out, sample, sample->rates.out);
    write_rate (acked, sample, sample->rates.acked);
    write_rate (again, sample, sample->rates.redelivered);
    print_line (frame, "",
                "in %s/s  out %s/s  acked %s/s  redelivered %s/s  dead %" PRIu64
                "  dropped %" PRIu64,
                in, out, acked, again, f->dead, f->dropped);
    cli_format_bytes (f->bytes, bytes);
    if (f->journal_written == 0) {
        print_line (frame, "", "sessions %" PRIu64 "  records %" PRIu64 "  memory %s  no journal",
                    f->sessions, f->records, bytes);
        return;
    }
    cli_format_bytes (f->bytes - f->durable_bytes + f->in_memory, memory);
    cli_format_bytes (f->journal_written, written);
    cli_format_bytes ((uint64_t) sample->journal_rate, rate);
    print_line (frame, f->log_failed != 0 ? "\033[31m" : "",
                "%ssessions %" PRIu64 "  records %" PRIu64
                " (%s)  memory %s  sync %s  journal %s written, %s/s",
                f->log_failed != 0 ? "THE JOURNAL HAS FAILED  " : "", f->sessions, f->records,
                bytes, memory, durable_sync_name ((zf_sync_t) f->sync), written,
                sample->has_rates ? rate : "-");
}

static void print_keys (const frame_t *frame)
{
    const top_view_t *view = frame->view;
    if (view->filtering)
        print_line (frame, "\033[7m", "only names with: %s_   Enter: done  Esc: all", view->filter);
    else
        print_line (frame, "\033[7m",
                    "q quit  s sort  f filter  space pause  up, down, page: scroll");
}

/* -- the frame --------------------------------------------------------------------------------- */

/* How much of the tables there is room for; what is scrolled too far comes back. */
static void fit (frame_t *frame)
{
    top_view_t *view = frame->view;
    size_t other = HEAD_LINES + KEY_LINES;
    size_t lines = table_lines (frame);
    size_t room = view->height > other ? view->height - other : 1;
    if (view->height == 0)
        room = lines > 0 ? lines : 1;
    view->scroll_most = lines > room ? lines - room : 0;
    if (view->scroll > view->scroll_most)
        view->scroll = view->scroll_most;
    frame->last = view->scroll + room;
}

static void print_frame (frame_t *frame)
{
    choose_rows (frame);
    fit (frame);
    print_state (frame);
    print_broker (frame);
    print_line (frame, "\033[31m", "%s", frame->view->trouble != NULL ? frame->view->trouble : "");
    for (top_kind_t kind = TOP_QUEUE; kind <= TOP_GROUP; kind++)
        print_table (frame, kind);
    if (frame->row_count == 0 && on_screen (frame))
        print_line (frame, "", frame->view->filter[0] != '\0' ? "none" : "no queues");
}

char *top_draw (top_view_t *view)
{
    char *text = NULL;
    size_t size = 0;
    frame_t frame = {.view = view, .out = open_memstream (&text, &size)};
    frame.rows = calloc (view->sample->count + 1, sizeof *frame.rows);
    if (frame.out != NULL && frame.rows != NULL) {
        print_frame (&frame);
        size_t shown = frame.last < frame.line ? frame.last : frame.line;
        for (size_t i = shown; view->live && i < frame.last; i++)
            putc ('\n', frame.out);
        if (view->live)
            print_keys (&frame);
    }
    bool ok = frame.out != NULL && fclose (frame.out) == 0 && frame.rows != NULL;
    free (frame.rows);
    if (ok)
        return text;
    free (text);
    return NULL;
}
