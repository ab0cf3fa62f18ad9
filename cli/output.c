/* Rows on stdout: JSON Lines as they come, or a table once all of them are there. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    COLUMNS_MAX = 24,
    WIDTH_DEFAULT = 100, /* of a terminal that does not say */
    GAP = 2              /* blanks between columns */
};

struct cli_table {
    const cli_t *cli;
    const cli_column_t *columns;
    size_t column_count;
    json_t *rows; /* an array, empty with cli->json */
};

int cli_flush (const cli_t *cli)
{
    if (fflush (stdout) == 0 && !ferror (stdout))
        return 0;
    return cli_fail (cli, EX_IOERR, "cannot write to standard output: %s", strerror (errno));
}

/* -- bytes as JSON ----------------------------------------------------------------------------- */

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_group (const unsigned char *in, size_t size, char out[4])
{
    uint32_t bits = (uint32_t) in[0] << 16;
    bits |= size > 1 ? (uint32_t) in[1] << 8 : 0;
    bits |= size > 2 ? (uint32_t) in[2] : 0;
    out[0] = base64_digits[bits >> 18];
    out[1] = base64_digits[(bits >> 12) & 63];
    out[2] = size > 1 ? base64_digits[(bits >> 6) & 63] : '=';
    out[3] = size > 2 ? base64_digits[bits & 63] : '=';
}

static json_t *base64_object (zf_bytes_t bytes)
{
    const unsigned char *in = bytes.data;
    size_t size = (bytes.size + 2) / 3 * 4;
    char *text = malloc (size + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < bytes.size; i += 3)
        base64_group (in + i, bytes.size - i, text + i / 3 * 4);
    json_t *object = json_pack ("{s:s%}", "base64", text, size);
    free (text);
    return object;
}

json_t *cli_json_bytes (zf_bytes_t bytes)
{
    json_t *text = json_stringn (bytes.data != NULL ? bytes.data : "", bytes.size);
    return text != NULL ? text : base64_object (bytes);
}

static void print_json_line (const json_t *row)
{
    json_dumpf (row, stdout, JSON_COMPACT | JSON_REAL_PRECISION (12));
    putchar ('\n');
}

/* -- cells ------------------------------------------------------------------------------------- */

char *cli_make_printable (char *text)
{
    for (unsigned char *c = (unsigned char *) text; *c != '\0'; c++) {
        if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) /* U+0080 .. U+009F */
            *c++ = '.';
        else if (*c >= ' ' && *c != 0x7f)
            continue;
        *c = '.';
    }
    return text;
}

/* The text of a value; NULL when out of memory. To be freed. */
static char *cell_text (const json_t *value, cli_column_kind_t kind)
{
    char text[CLI_UNIT_TEXT] = "";
    char *cell = NULL;
    if (json_is_string (value)) {
        cell = strdup (json_string_value (value));
    } else if (json_is_integer (value)) {
        uint64_t number = (uint64_t) json_integer_value (value);
        if (kind == CLI_COLUMN_BYTES)
            cli_format_bytes (number, text);
        else if (kind == CLI_COLUMN_MS)
            cli_format_ms (number, text);
        else
            snprintf (text, sizeof text, "%" PRIu64, number);
        cell = strdup (text);
    } else {
        cell = value != NULL ? json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY) : strdup ("");
    }
    if (cell != NULL)
        cli_make_printable (cell);
    return cell;
}

/* Places on the screen: the characters of UTF-8. */
static size_t text_width (const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char) *text & 0xc0) != 0x80;
    return width;
}

static size_t terminal_width (void)
{
    struct winsize size;
    if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return WIDTH_DEFAULT;
}

/* Cuts a text to this many characters, the last of them an ellipsis. */
static void cut_text (char *text, size_t width)
{
    size_t n = 0;
    char *c = text;
    if (text_width (text) <= width)
        return;
    for (; *c != '\0'; c++)
        if (((unsigned char) *c & 0xc0) != 0x80 && ++n >= width)
            break;
    if (strlen (c) >= 3)
        memcpy (c, "\xe2\x80\xa6", 4);
    else
        *c = '\0';
}

/* -- tables ------------------------------------------------------------------------------------ */

cli_table_t *cli_table_new (const cli_t *cli, const cli_column_t *columns)
{
    cli_table_t *table = calloc (1, sizeof *table);
    if (table == NULL)
        return NULL;
    table->cli = cli;
    table->columns = columns;
    table->rows = json_array ();
    while (columns[table->column_count].key != NULL && table->column_count < COLUMNS_MAX)
        table->column_count++;
    return table;
}

void cli_table_row (cli_table_t *table, json_t *row)
{
    if (table != NULL && !table->cli->json) {
        json_array_append_new (table->rows, row);
        return;
    }
    if (table != NULL)
        print_json_line (row);
    json_decref (row);
}

static char *cell_at (const cli_table_t *table, size_t row, size_t column)
{
    const cli_column_t *c = &table->columns[column];
    return cell_text (json_object_get (json_array_get (table->rows, row), c->key), c->kind);
}

static void measure (const cli_table_t *table, size_t widths[COLUMNS_MAX])
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = text_width (table->columns[c].title);
        for (size_t r = 0; r < json_array_size (table->rows); r++) {
            char *cell = cell_at (table, r, c);
            size_t width = cell != NULL ? text_width (cell) : 0;
            widths[c] = width > widths[c] ? width : widths[c];
            free (cell);
        }
    }
}

/* A line that is being printed. */
typedef struct {
    size_t used; /* where the next column begins */
    int blanks;  /* not printed yet: there may be nothing behind them */
} line_t;

/* Prints a cell at its column's width; the last one of text is cut at the edge of the screen. */
static void print_cell (const cli_table_t *table, size_t column, char *text, const size_t *widths,
                        line_t *line)
{
    bool last = column + 1 == table->column_count;
    bool left = table->columns[column].kind == CLI_COLUMN_TEXT;
    size_t screen = terminal_width ();
    if (last && left && screen > line->used + 10)
        cut_text (text, screen - line->used);
    size_t width = text_width (text);
    int padding = (int) (width < widths[column] ? widths[column] - width : 0);
    if (width == 0) {
        line->blanks += padding + GAP;
    } else {
        printf ("%*s%s", line->blanks + (left ? 0 : padding), "", text);
        line->blanks = GAP + (left ? padding : 0);
    }
    line->used += widths[column] + GAP;
}

static void print_titles (const cli_table_t *table, const size_t *widths)
{
    line_t line = {0};
    fputs (table->cli->out_color ? "\033[1m" : "", stdout);
    for (size_t c = 0; c < table->column_count; c++) {
        char title[64];
        snprintf (title, sizeof title, "%s", table->columns[c].title);
        print_cell (table, c, title, widths, &line);
    }
    puts (table->cli->out_color ? "\033[0m" : "");
}

static void print_table (const cli_table_t *table)
{
    size_t widths[COLUMNS_MAX];
    measure (table, widths);
    print_titles (table, widths);
    for (size_t r = 0; r < json_array_size (table->rows); r++) {
        line_t line = {0};
        for (size_t c = 0; c < table->column_count; c++) {
            char *cell = cell_at (table, r, c);
            if (cell != NULL)
                print_cell (table, c, cell, widths, &line);
            free (cell);
        }
        putchar ('\n');
    }
}

int cli_table_end (cli_table_t **table_p, const char *when_empty)
{
    cli_table_t *table = *table_p;
    *table_p = NULL;
    if (table == NULL)
        return cli_fail (NULL, EX_OSERR, "out of memory");
    cli_progress_clear ();
    if (json_array_size (table->rows) > 0)
        print_table (table);
    else if (!table->cli->json && when_empty != NULL)
        cli_note (table->cli, "%s", when_empty);
    int rc = cli_flush (table->cli);
    json_decref (table->rows);
    free (table);
    return rc;
}

int cli_print_object (const cli_t *cli, const cli_column_t *columns, json_t *object)
{
    size_t widest = 0;
    cli_progress_clear ();
    if (cli->json) {
        print_json_line (object);
        json_decref (object);
        return cli_flush (cli);
    }
    for (const cli_column_t *c = columns; c->key != NULL; c++)
        widest = text_width (c->title) > widest ? text_width (c->title) : widest;
    for (const cli_column_t *c = columns; c->key != NULL; c++) {
        char *cell = cell_text (json_object_get (object, c->key), c->kind);
        printf ("%s%-*s%s  %s\n", cli->out_color ? "\033[1m" : "", (int) widest, c->title,
                cli->out_color ? "\033[0m" : "", cell != NULL ? cell : "");
        free (cell);
    }
    json_decref (object);
    return cli_flush (cli);
}
