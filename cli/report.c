/* What the codes of the library mean for the program: exit codes, and what to do. */
#include "cli.h"

#include "discover.h"

#include <string.h>

enum { ENDPOINTS_TEXT = 400 };

/* -- codes of the library ---------------------------------------------------------------------- */

typedef struct {
    int code;         /* of the library */
    int exit_code;    /* of the program */
    const char *hint; /* what to do about it; NULL: nothing that we know */
} treatment_t;

static const treatment_t treatments[] = {
    {ZF_E_INVAL, EX_USAGE, NULL},
    {ZF_E_NOMEM, EX_OSERR, NULL},
    {ZF_E_AGAIN, EX_TEMPFAIL, NULL},
    {ZF_E_TIMEOUT, EX_TEMPFAIL, "give it longer with --timeout"},
    {ZF_E_PROTO, EX_PROTOCOL, "is it a zferry broker that listens there?"},
    {ZF_E_IO, EX_IOERR, NULL},
    {ZF_E_ADDRESS, EX_USAGE, "endpoints look like tcp://127.0.0.1:5555 or ipc:///tmp/zferry"},
    {ZF_E_CLOSED, EX_UNAVAILABLE, NULL},
    {ZF_E_TOO_BIG, EX_DATAERR, "the broker's --max-message says how large a body may be"},
    {ZF_E_FULL, EX_TEMPFAIL, "more workers empty it, a larger --max-length lets it grow"},
    {ZF_E_BUSY, EX_TEMPFAIL, "without --fail-fast it would wait its turn"},
    {ZF_E_NO_SERVICE, EX_UNAVAILABLE, "start one with zferry serve"},
    {ZF_E_EXPIRED, EX_TEMPFAIL, "give it longer with --timeout or --ttl"},
    {ZF_E_DEAD, EX_UNAVAILABLE, "zferry queue dead ls shows what was given up"},
    {ZF_E_REJECTED, EX_DATAERR, NULL},
    {ZF_E_STALE, EX_TEMPFAIL, NULL},
    {ZF_E_NOT_FOUND, EX_NOINPUT, "zferry queue ls lists those that there are"},
    {ZF_E_LIMIT, EX_TEMPFAIL, "the broker's --max-queues and --max-sessions set it"},
    {ZF_E_VERSION, EX_PROTOCOL, "use the same version of zferry on both sides"},
    {ZF_E_CORRUPT, EX_PROTOCOL, NULL},
    {ZF_E_DENIED, EX_NOPERM,
     "--key-file FILE says who you are; the other side's authorised keys and "
     "rules say what that one may"}};

static const treatment_t *treatment_of (int code)
{
    for (size_t i = 0; i < sizeof treatments / sizeof treatments[0]; i++)
        if (treatments[i].code == code)
            return &treatments[i];
    return NULL;
}

int cli_exit_code (int code)
{
    const treatment_t *treatment = treatment_of (code);
    return code == 0 ? EX_OK : treatment != NULL ? treatment->exit_code : EX_SOFTWARE;
}

static void list_endpoints (const cli_t *cli, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < cli->endpoint_count && used < size; i++) {
        int n = snprintf (text + used, size - used, "%s%s", i > 0 ? ", " : "", cli->endpoints[i]);
        used += n > 0 ? (size_t) n : 0;
    }
}

int cli_fail_no_broker (const cli_t *cli)
{
    char endpoints[ENDPOINTS_TEXT];
    char time[CLI_UNIT_TEXT];
    list_endpoints (cli, endpoints, sizeof endpoints);
    cli_format_ms (cli->timeout_ms, time);
    if (strstr (endpoints, DISCOVER_SCHEME) != NULL)
        return discover_fail_nobody (cli, endpoints, time);
    if ((cli->verb->flags & CLI_EVENTS) != 0)
        return cli_fail (cli, EX_UNAVAILABLE,
                         "nobody answered at %s within %s; is a forwarder or a broker running? "
                         "(zferry forwarder)",
                         endpoints, time);
    return cli_fail (cli, EX_UNAVAILABLE,
                     "no broker answered at %s within %s; is one running? (zferry broker)",
                     endpoints, time);
}

int cli_fail_call (const cli_t *cli, const zf_error_t *err, bool connected)
{
    const treatment_t *treatment = treatment_of (err->code);
    const char *text = err->text[0] != '\0' ? err->text : zf_strerror (err->code);
    if (err->code == ZF_E_TIMEOUT && !connected && strstr (err->text, " says: ") != NULL)
        return cli_fail (cli, EX_UNAVAILABLE, "%s", text);
    if (err->code == ZF_E_TIMEOUT && !connected)
        return cli_fail_no_broker (cli);
    if (err->code == ZF_E_NOT_FOUND && (cli->verb->flags & CLI_EVENTS) != 0)
        return cli_fail (cli, EX_NOINPUT, "%s; zferry stream ls lists those that there are", text);
    if (treatment == NULL || treatment->hint == NULL)
        return cli_fail (cli, cli_exit_code (err->code), "%s", text);
    return cli_fail (cli, treatment->exit_code, "%s; %s", text, treatment->hint);
}
