/* Topologies: any text is read, and a plan is the same as the plan of the same text. */
#include "compose/plan.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void abort_at (void *arg, const char *path)
{
    (void) arg;
    (void) path;
    abort ();
}

static void ignore (void *arg, zf_log_level_t level, const char *device, const char *text)
{
    (void) arg;
    (void) level;
    (void) device;
    if (text[0] == '\0' || strchr (text, '\n') != NULL)
        abort ();
}

static void read_twice (const char *text)
{
    zf_plan_t first, second;
    zf_error_t err = {.code = 0};
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    options.text = text;
    options.on_log = ignore;
    int rc = zf_plan_read (&first, &options, &err);
    if ((rc != 0) != (first.problems.found > 0) || (rc != 0 && err.text[0] == '\0'))
        abort ();
    if (zf_plan_read (&second, &options, NULL) != rc)
        abort ();
    zf_schema_compare (zf_plan_keys, "", &first, &second, abort_at, NULL);
    zf_plan_free (&first);
    zf_plan_free (&second);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    char *text = malloc (size + 1);
    if (text == NULL)
        return 0;
    memcpy (text, data, size);
    text[size] = '\0';
    read_twice (text);
    free (text);
    return 0;
}
