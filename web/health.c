/* Is it alive, is it ready: for whoever restarts it, and for whoever sends it work. */
#include "web/inside.h"
#include "web/routes.h"

#include <stdio.h>
#include <string.h>

/* A device that does not answer, or whose journal takes nothing any more until it is opened again,
 * is what a restart is for. */
static bool is_fine (zf_web_shown_t *shown, char *text, size_t size)
{
    zf_web_look (shown);
    bool has_failed =
        zf_web_figure (shown, "journal_failed") != 0 || zf_web_figure (shown, "log_failed") != 0;
    if (shown->code != 0)
        snprintf (text, size, "%s does not answer: %s", shown->name, shown->err.text);
    else if (has_failed)
        snprintf (text, size, "%s: its journal has failed", shown->name);
    bool fine = shown->code == 0 && !has_failed;
    zf_web_unlook (shown);
    return fine;
}

bool zf_web_is_well (zf_web_t *web, bool starting, char *text, size_t size)
{
    zf_web_held_t held;
    bool well = true;
    text[0] = '\0';
    if (starting) {
        pthread_mutex_lock (&web->lock);
        snprintf (text, size, "%s", web->not_ready);
        pthread_mutex_unlock (&web->lock);
    }
    if (text[0] != '\0')
        return false;
    zf_web_hold (&web->devices, &held);
    for (size_t i = 0; i < held.count && well; i++)
        well = is_fine (held.at[i], text, size);
    zf_web_release (&held);
    return well;
}

static void answer_health (const zf_web_request_t *request, zf_web_answer_t *answer, bool starting)
{
    char why[512];
    bool well = zf_web_is_well (request->web, starting, why, sizeof why);
    answer->status = well ? 200 : 503;
    answer->type = "text/plain; charset=utf-8";
    zf_web_text_say (&answer->text, well ? "ok" : why);
    zf_web_text_say (&answer->text, "\n");
}

void zf_web_get_livez (zf_web_request_t *request, zf_web_answer_t *answer)
{
    answer_health (request, answer, false);
}

void zf_web_get_readyz (zf_web_request_t *request, zf_web_answer_t *answer)
{
    answer_health (request, answer, true);
}
