/* Policies from the command line. */
#include "policy.h"

#include <string.h>

static const char *const overflow_names[] = {[ZF_OVERFLOW_BACKPRESSURE] = "backpressure",
                                             [ZF_OVERFLOW_REJECT] = "reject",
                                             [ZF_OVERFLOW_DROP_OLDEST] = "drop-oldest"};

const char *policy_overflow_name (zf_overflow_t overflow)
{
    size_t count = sizeof overflow_names / sizeof overflow_names[0];
    return (size_t) overflow < count ? overflow_names[overflow] : "?";
}

const char *policy_durable_name (zf_durable_t durable)
{
    static const char *const names[] = {
        [ZF_DURABLE_AUTO] = "auto", [ZF_DURABLE_NO] = "no", [ZF_DURABLE_YES] = "yes"};
    return (size_t) durable < sizeof names / sizeof names[0] ? names[durable] : "?";
}

static int take_overflow (const cli_t *cli, zf_overflow_t *overflow)
{
    const char *text = cli_text (cli, "overflow", policy_overflow_name (*overflow));
    for (size_t i = 0; i < sizeof overflow_names / sizeof overflow_names[0]; i++)
        if (strcmp (text, overflow_names[i]) == 0) {
            *overflow = (zf_overflow_t) i;
            return 0;
        }
    return cli_misuse (cli, "--overflow is backpressure, reject or drop-oldest, not '%s'", text);
}

static int take_dead_letter (const cli_t *cli, char name[ZF_NAME_MAX + 1])
{
    const char *text = cli_text (cli, "dead-letter", NULL);
    if (text == NULL)
        return 0;
    if (strlen (text) > ZF_NAME_MAX)
        return cli_misuse (cli, "--dead-letter is at most %d bytes long", ZF_NAME_MAX);
    snprintf (name, ZF_NAME_MAX + 1, "%s", text);
    return 0;
}

static int take_durable (const cli_t *cli, zf_durable_t *durable)
{
    bool yes = cli_has (cli, "durable"), no = cli_has (cli, "not-durable");
    if (yes && no)
        return cli_misuse (cli, "--durable and --not-durable exclude each other");
    if (yes || no)
        *durable = yes ? ZF_DURABLE_YES : ZF_DURABLE_NO;
    return 0;
}

static uint32_t number32 (const cli_t *cli, const char *name, uint32_t fallback)
{
    return (uint32_t) cli_number (cli, name, fallback);
}

int policy_from_options (const cli_t *cli, zf_policy_t *policy)
{
    if (cli_has (cli, "ordered") && cli_has (cli, "unordered"))
        return cli_misuse (cli, "--ordered and --unordered exclude each other");
    policy->max_attempts = number32 (cli, "max-attempts", policy->max_attempts);
    policy->backoff_min_ms = number32 (cli, "backoff-min", policy->backoff_min_ms);
    policy->backoff_max_ms = number32 (cli, "backoff-max", policy->backoff_max_ms);
    policy->lease_ms = number32 (cli, "lease", policy->lease_ms);
    policy->ttl_ms = cli_number (cli, "max-age", cli_number (cli, "ttl", policy->ttl_ms));
    policy->max_length = cli_number (cli, "max-length", policy->max_length);
    policy->max_bytes = cli_number (cli, "max-bytes", policy->max_bytes);
    policy->dedup_window_ms = number32 (cli, "dedup-window", policy->dedup_window_ms);
    policy->priorities = number32 (cli, "priorities", policy->priorities);
    policy->ordered = cli_has (cli, "ordered") || (policy->ordered && !cli_has (cli, "unordered"));
    if (cli_has (cli, "compact") && cli_has (cli, "not-compact"))
        return cli_misuse (cli, "--compact and --not-compact exclude each other");
    policy->compact =
        cli_has (cli, "compact") || (policy->compact && !cli_has (cli, "not-compact"));
    if (policy->backoff_min_ms > policy->backoff_max_ms)
        return cli_misuse (cli, "--backoff-min is more than --backoff-max");
    int rc = take_overflow (cli, &policy->overflow);
    if (rc == 0)
        rc = take_durable (cli, &policy->durable);
    return rc == 0 ? take_dead_letter (cli, policy->dead_letter) : rc;
}

bool policy_dead_letter (const zf_queue_info_t *info, char name[ZF_NAME_MAX + 1])
{
    const char *given = info->policy.dead_letter;
    if (given[0] == '\0')
        snprintf (name, ZF_NAME_MAX + 1, "%.*s.dead", ZF_NAME_MAX - 5, info->name);
    else
        snprintf (name, ZF_NAME_MAX + 1, "%s", given);
    return strcmp (given, "-") != 0;
}
