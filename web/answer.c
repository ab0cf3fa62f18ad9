/* Reading queries and bodies, writing answers. */
#include "web/routes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* -- what was asked ---------------------------------------------------------------------------- */

int zf_web_query (const zf_web_request_t *request, const char *key, char *value, size_t room)
{
    size_t key_size = strlen (key);
    const char *at = strchr (request->target, '?');
    while (at != NULL && at[0] != '\0') {
        at++;
        size_t size = strcspn (at, "&");
        if (size > key_size && memcmp (at, key, key_size) == 0 && at[key_size] == '=')
            return zf_web_unescape (at + key_size + 1, size - key_size - 1, value, room) < 0 ? -1
                                                                                             : 1;
        at += size;
    }
    return 0;
}

bool zf_web_query_number (const zf_web_request_t *request, const char *key, uint64_t least,
                          uint64_t most, uint64_t *number, zf_web_answer_t *answer)
{
    char text[24];
    int found = zf_web_query (request, key, text, sizeof text);
    if (found == 0)
        return true;
    size_t size = found > 0 ? strlen (text) : 0;
    bool is_number = size > 0 && size < 19 && strspn (text, "0123456789") == size;
    uint64_t given = is_number ? strtoull (text, NULL, 10) : 0;
    if (is_number && given >= least && given <= most) {
        *number = given;
        return true;
    }
    zf_web_answer_error (answer, 400, "%s is a number from %" PRIu64 " to %" PRIu64, key, least,
                         most);
    return false;
}

json_t *zf_web_body (const zf_web_request_t *request, zf_web_answer_t *answer)
{
    json_error_t why;
    if (request->body.size == 0)
        return json_object ();
    json_t *body =
        json_loadb (request->body.data, request->body.size, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object (body))
        return body;
    if (body == NULL)
        zf_web_answer_error (answer, 400, "the body is no JSON: line %d, column %d: %s", why.line,
                             why.column, why.text);
    else
        zf_web_answer_error (answer, 400, "the body is no JSON object");
    json_decref (body);
    return NULL;
}

/* -- what is answered -------------------------------------------------------------------------- */

void zf_web_answer_json (zf_web_answer_t *answer, unsigned status, json_t *value)
{
    char *text = value != NULL ? json_dumps (value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref (value);
    free (answer->text.data);
    memset (&answer->text, 0, sizeof answer->text);
    answer->status = text != NULL ? status : 500;
    answer->type = ZF_WEB_JSON;
    if (text != NULL)
        answer->text = (zf_web_text_t){text, strlen (text), strlen (text) + 1, false};
    else
        zf_web_text_say (&answer->text, "{\"error\":\"out of memory\"}");
    zf_web_text_say (&answer->text, "\n");
}

void zf_web_answer_error (zf_web_answer_t *answer, unsigned status, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start (args, format);
    int size = vsnprintf (text, sizeof text, format, args);
    va_end (args);
    size_t length = size < 0 ? 0 : (size_t) size < sizeof text ? (size_t) size : sizeof text - 1;
    zf_bytes_t words = {text, zf_web_utf8 (text, length)};
    zf_web_answer_json (answer, status, json_pack ("{s:o}", "error", zf_web_json_bytes (words)));
}

static unsigned status_of (int code)
{
    switch (code) {
    case ZF_E_NOT_FOUND:
        return 404;
    case ZF_E_INVAL:
    case ZF_E_TOO_BIG:
        return 400;
    case ZF_E_BUSY:
    case ZF_E_FULL:
    case ZF_E_LIMIT:
        return 409;
    case ZF_E_DENIED:
        return 403;
    case ZF_E_NOMEM:
        return 500;
    default: /* it did not do it, or did not say */
        return code == ZF_E_TIMEOUT ? 504 : 502;
    }
}

void zf_web_answer_code (zf_web_answer_t *answer, const zf_error_t *err)
{
    zf_web_answer_error (answer, status_of (err->code), "%s",
                         err->text[0] != '\0' ? err->text : zf_strerror (err->code));
}
