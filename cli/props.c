/* Properties of a record from the command line. */
#include "props.h"

#include <stdlib.h>
#include <string.h>

static zf_bytes_t bytes_of (const char *text)
{
    return (zf_bytes_t){.data = text, .size = text != NULL ? strlen (text) : 0};
}

static int check_length (const cli_t *cli, const char *option, zf_bytes_t text)
{
    if (text.data != NULL && (text.size == 0 || text.size > ZF_ID_MAX))
        return cli_misuse (cli, "--%s is from 1 to %d bytes long", option, ZF_ID_MAX);
    return 0;
}

static int take_header (const cli_t *cli, const char *text, zf_header_t *header)
{
    const char *equals = strchr (text, '=');
    if (equals == NULL || equals == text || equals - text > ZF_ID_MAX)
        return cli_misuse (cli, "--header is NAME=VALUE, not '%s'", text);
    header->name = (zf_bytes_t){.data = text, .size = (size_t) (equals - text)};
    header->value = bytes_of (equals + 1);
    return 0;
}

static int take_headers (const cli_t *cli, record_props_t *record)
{
    const char **texts = NULL;
    int rc = 0;
    size_t count = cli_list (cli, "header", &texts);
    if (count > ZF_HEADERS_MAX)
        rc = cli_misuse (cli, "a record has %d headers at most", ZF_HEADERS_MAX);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = take_header (cli, texts[i], &record->headers[i]);
    free (texts);
    record->props.headers = record->headers;
    record->props.header_count = count;
    return rc;
}

int props_from_options (record_props_t *record, const cli_t *cli)
{
    zf_props_defaults (&record->props);
    record->props.id = bytes_of (cli_text (cli, "id", NULL));
    record->props.key = bytes_of (cli_text (cli, "key", NULL));
    record->props.priority = (uint32_t) cli_number (cli, "priority", 0);
    record->props.delay_ms = cli_number (cli, "delay", 0);
    record->props.ttl_ms = cli_number (cli, "ttl", 0);
    int rc = check_length (cli, "id", record->props.id);
    if (rc == 0)
        rc = check_length (cli, "key", record->props.key);
    if (rc == 0)
        rc = trace_from_options (cli, &record->props.trace);
    return rc == 0 ? take_headers (cli, record) : rc;
}
