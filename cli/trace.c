/* Trace contexts: https://www.w3.org/TR/trace-context/#traceparent-header */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

enum { FORM_BYTES = 55 };

#define FORM "00-<32 hexadecimal digits>-<16>-<2>, in lower case"

/* True if n bytes are hexadecimal digits in lower case. *zero: all of them are 0. */
static bool is_hex (const char *text, size_t n, bool *zero)
{
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\0' || strchr ("0123456789abcdef", text[i]) == NULL)
            return false;
        zeros += text[i] == '0';
    }
    *zero = zeros == n;
    return true;
}

bool trace_is_valid (zf_bytes_t trace)
{
    const char *text = trace.data;
    bool none = false;
    if (text == NULL || trace.size < FORM_BYTES || trace.size > TRACE_MAX)
        return false;
    if (!is_hex (text, 2, &none) || text[2] != '-' || strncmp (text, "ff", 2) == 0)
        return false;
    if (none ? trace.size != FORM_BYTES : trace.size > FORM_BYTES && text[FORM_BYTES] != '-')
        return false;
    if (!is_hex (text + 3, 32, &none) || none || text[35] != '-')
        return false;
    if (!is_hex (text + 36, 16, &none) || none || text[52] != '-')
        return false;
    for (size_t i = FORM_BYTES; i < trace.size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return is_hex (text + 53, 2, &none);
}

int trace_from_options (const cli_t *cli, zf_bytes_t *trace)
{
    const char *given = cli_text (cli, "trace", NULL);
    const char *text = given != NULL ? given : getenv ("TRACEPARENT");
    *trace = (zf_bytes_t){0};
    if (text == NULL || (given == NULL && *text == '\0'))
        return 0;
    zf_bytes_t found = {.data = text, .size = strlen (text)};
    if (trace_is_valid (found))
        *trace = found;
    else if (given != NULL)
        return cli_misuse (cli, "--trace is " FORM ", not '%s'", text);
    else
        cli_fail (cli, 0, "TRACEPARENT is " FORM ", not '%s'; it is left out", text);
    return 0;
}
