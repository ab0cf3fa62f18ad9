/* Opening handles with what the command line says. */
#include "cli.h"

void cli_client_options (const cli_t *cli, zf_client_options_t *options)
{
    zf_client_defaults (options);
    options->endpoints = cli->endpoints;
    options->endpoint_count = cli->endpoint_count;
    options->timeout_ms = cli->timeout_ms;
    options->peer = cli->peer;
    options->security = cli->security;
}

int cli_client_open (const cli_t *cli, const zf_client_options_t *options, zf_client_t **client)
{
    zf_error_t err = {0};
    zf_client_options_t usual;
    if (options == NULL) {
        cli_client_options (cli, &usual);
        options = &usual;
    }
    if (zf_client_open (client, options, &err) != 0)
        return cli_fail_call (cli, &err, false);
    return 0;
}

int cli_client_fail (const cli_t *cli, zf_client_t *client, const zf_error_t *err)
{
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    return cli_fail_call (cli, err, stats.connected);
}
