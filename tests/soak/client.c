/* A client of the soak test: does one thing until it is told to stop, or is killed, and books it.
 *
 *   zf_soak ROLE NAME BOOK [WORD VALUE]...
 *
 * ROLE: post, publish, work, read, ask, serve. Words: at ENDPOINT; on QUEUE (or stream or service);
 * group GROUP; rate RECORDS (a second); outbox DIRECTORY; key FILE; server KEY. As an application
 * would be built: public headers only. */
#include "book.h"
#include "roles.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zferry/zferry.h>

volatile sig_atomic_t stopped;

static void stop (int number)
{
    (void) number;
    stopped = 1;
}

static const struct {
    const char *name;
    int (*run) (job_t *job, zf_error_t *err);
} roles[] = {{"post", role_post}, {"publish", role_publish}, {"work", role_work},
             {"read", role_read}, {"ask", role_ask},         {"serve", role_serve}};

static void take_word (job_t *job, const char *word, const char *value)
{
    if (strcmp (word, "at") == 0)
        job->endpoint = value;
    else if (strcmp (word, "on") == 0)
        job->on = value;
    else if (strcmp (word, "group") == 0)
        job->group = value;
    else if (strcmp (word, "rate") == 0)
        job->rate = strtoull (value, NULL, 10);
    else if (strcmp (word, "outbox") == 0)
        job->outbox = value;
    else if (strcmp (word, "key") == 0)
        job->key = value;
    else if (strcmp (word, "server") == 0)
        job->server = value;
}

static int open_security (job_t *job, zf_error_t *err)
{
    zf_security_options_t options;
    if (job->key == NULL)
        return 0;
    zf_security_defaults (&options);
    options.key = job->key;
    options.server_key = job->server;
    return zf_security_open (&job->security, &options, err);
}

int main (int argc, char **argv)
{
    zf_error_t err = {0};
    job_t job = {.rate = 100};
    int rc = -1;
    if (argc < 4)
        return 2;
    signal (SIGINT, stop);
    signal (SIGTERM, stop);
    job.name = argv[2];
    book_open (&job.book, argv[3]);
    for (int i = 4; i + 1 < argc; i += 2)
        take_word (&job, argv[i], argv[i + 1]);
    rc = open_security (&job, &err);
    for (size_t i = 0; rc == 0 && i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp (roles[i].name, argv[1]) == 0)
            rc = roles[i].run (&job, &err);
    zf_security_close (&job.security);
    if (rc != 0)
        fprintf (stderr, "zf_soak %s %s: %s\n", argv[1], argv[2], err.text);
    return rc != 0;
}
