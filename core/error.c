#include <zferry/error.h>
#include <zferry/zferry.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TEXT(x)          #x
#define VERSION(a, b, c) TEXT (a) "." TEXT (b) "." TEXT (c)

const char *zf_version (void)
{
    return VERSION (ZFERRY_VERSION_MAJOR, ZFERRY_VERSION_MINOR, ZFERRY_VERSION_PATCH);
}

static const char *const names[] = {
    "ok",
    "invalid argument",
    "out of memory",
    "try again",
    "timed out",
    "protocol error",
    "input/output error",
    "bad address",
    "closed",
    "too big",
    "queue full",
    "workers busy",
    "no such service",
    "expired",
    "attempts exhausted",
    "rejected",
    "lease lost",
    "no such queue",
    "limit reached",
    "unknown version",
    "checksum mismatch",
    "not allowed",
};

const char *zf_strerror (int code)
{
    if (code > 0 || code < ZF_E_LAST)
        return "unknown error";
    return names[-code];
}

int zf_error_set (zf_error_t *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    va_list args;
    va_start (args, format);
    err->code = code;
    vsnprintf (err->text, sizeof err->text, format, args);
    va_end (args);
    return code;
}

int zf_error_wrap (zf_error_t *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    char inner[sizeof err->text];
    memcpy (inner, err->text, sizeof inner);
    va_list args;
    va_start (args, format);
    int used = vsnprintf (err->text, sizeof err->text, format, args);
    va_end (args);
    if (used >= 0 && (size_t) used < sizeof err->text)
        snprintf (err->text + used, sizeof err->text - (size_t) used, ": %s", inner);
    err->code = code;
    return code;
}
