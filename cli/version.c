/* zferry version: of the program's library and of what it stands on. */
#include "cli.h"

#include <czmq.h>
#include <msgpack.h>
#include <zmq.h>

static int run (cli_t *cli)
{
    static const cli_column_t columns[] = {
        {"zferry", "zferry", CLI_COLUMN_TEXT},   {"libzmq", "libzmq", CLI_COLUMN_TEXT},
        {"czmq", "czmq", CLI_COLUMN_TEXT},       {"msgpack", "msgpack-c", CLI_COLUMN_TEXT},
        {"jansson", "jansson", CLI_COLUMN_TEXT}, {NULL, NULL, CLI_COLUMN_TEXT}};
    int major = 0;
    int minor = 0;
    int patch = 0;
    char zmq[CLI_UNIT_TEXT];
    char czmq[CLI_UNIT_TEXT];
    zmq_version (&major, &minor, &patch);
    snprintf (zmq, sizeof zmq, "%d.%d.%d", major, minor, patch);
    zsys_version (&major, &minor, &patch);
    snprintf (czmq, sizeof czmq, "%d.%d.%d", major, minor, patch);
    json_t *versions =
        json_pack ("{s:s, s:s, s:s, s:s, s:s}", "zferry", zf_version (), "libzmq", zmq, "czmq",
                   czmq, "msgpack", msgpack_version (), "jansson", JANSSON_VERSION);
    return cli_print_object (cli, columns, versions);
}

const cli_verb_t verbs_version[] = {
    {.name = "version",
     .usage = "",
     .summary = "Show the versions of zferry and of the libraries it stands on",
     .example = "  zferry version\n",
     .run = run},
    {.name = NULL}};
