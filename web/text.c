#include "web/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- a buffer ---------------------------------------------------------------------------------- */

static bool make_room (zf_web_text_t *self, size_t more)
{
    size_t capacity = self->capacity != 0 ? self->capacity : 1024;
    if (self->failed)
        return false;
    while (capacity - self->size < more)
        capacity *= 2;
    if (capacity == self->capacity)
        return true;
    char *data = realloc (self->data, capacity);
    self->failed = data == NULL;
    if (data == NULL)
        return false;
    self->data = data;
    self->capacity = capacity;
    return true;
}

void zf_web_text_add (zf_web_text_t *self, const void *data, size_t size)
{
    if (size == 0 || !make_room (self, size))
        return;
    memcpy (self->data + self->size, data, size);
    self->size += size;
}

void zf_web_text_say (zf_web_text_t *self, const char *words)
{
    zf_web_text_add (self, words, strlen (words));
}

void zf_web_text_printf (zf_web_text_t *self, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    int size = vsnprintf (NULL, 0, format, args);
    va_end (args);
    if (size <= 0 || !make_room (self, (size_t) size + 1))
        return;
    va_start (args, format);
    vsnprintf (self->data + self->size, (size_t) size + 1, format, args);
    va_end (args);
    self->size += (size_t) size;
}

/* -- UTF-8 ------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t least; /* the first character that needs so many bytes */
    size_t size;    /* 0: no character begins so */
    uint32_t bits;  /* of the first byte */
} lead_t;

static lead_t lead_of (unsigned char first)
{
    if (first < 0x80)
        return (lead_t){0, 1, first};
    if (first >= 0xc2 && first < 0xe0)
        return (lead_t){0x80, 2, first & 0x1fu};
    if (first >= 0xe0 && first < 0xf0)
        return (lead_t){0x800, 3, first & 0x0fu};
    if (first >= 0xf0 && first < 0xf5)
        return (lead_t){0x10000, 4, first & 0x07u};
    return (lead_t){0, 0, 0};
}

/* Bytes of the character that begins here; 0: none does, or not all of it is there. */
static size_t character (const unsigned char *at, size_t left)
{
    lead_t lead = lead_of (at[0]);
    uint32_t code = lead.bits;
    if (lead.size == 0 || lead.size > left)
        return 0;
    for (size_t i = 1; i < lead.size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    bool is_one = code >= lead.least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return is_one ? lead.size : 0;
}

size_t zf_web_utf8 (const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t at = 0;
    size_t step = 1;
    while (at < size && step != 0) {
        step = character (bytes + at, size - at);
        at += step;
    }
    return at;
}

/* -- URLs -------------------------------------------------------------------------------------- */

static int digit (char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int zf_web_unescape (const char *from, size_t size, char *to, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        int byte = (unsigned char) from[i];
        if (from[i] == '%') {
            bool has_both = size - i > 2;
            int high = has_both ? digit (from[i + 1]) : -1;
            int low = has_both ? digit (from[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            byte = high * 16 + low;
            i += 2;
        }
        if (byte == 0 || n + 1 >= room)
            return -1;
        to[n++] = (char) byte;
    }
    to[n] = '\0';
    return (int) n;
}

static bool is_plain (unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

char *zf_web_escape (const void *name, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *bytes = name;
    char *text = malloc (3 * size + 1);
    size_t n = 0;
    for (size_t i = 0; text != NULL && i < size; i++) {
        if (is_plain (bytes[i])) {
            text[n++] = (char) bytes[i];
        } else {
            text[n++] = '%';
            text[n++] = digits[bytes[i] >> 4];
            text[n++] = digits[bytes[i] & 15];
        }
    }
    if (text != NULL)
        text[n] = '\0';
    return text;
}

/* -- JSON -------------------------------------------------------------------------------------- */

static void base64_group (const unsigned char *in, size_t size, char out[4])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t) in[0] << 16;
    bits |= size > 1 ? (uint32_t) in[1] << 8 : 0;
    bits |= size > 2 ? (uint32_t) in[2] : 0;
    out[0] = digits[bits >> 18];
    out[1] = digits[(bits >> 12) & 63];
    out[2] = size > 1 ? digits[(bits >> 6) & 63] : '=';
    out[3] = size > 2 ? digits[bits & 63] : '=';
}

static json_t *base64_object (zf_bytes_t bytes)
{
    const unsigned char *in = bytes.data;
    size_t size = (bytes.size + 2) / 3 * 4;
    char *text = malloc (size + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < bytes.size; i += 3)
        base64_group (in + i, bytes.size - i, text + i / 3 * 4);
    json_t *object = json_pack ("{s:s%}", "base64", text, size);
    free (text);
    return object;
}

json_t *zf_web_json_bytes (zf_bytes_t bytes)
{
    if (bytes.size == 0)
        return json_string ("");
    if (zf_web_utf8 (bytes.data, bytes.size) < bytes.size)
        return base64_object (bytes);
    return json_stringn (bytes.data, bytes.size);
}

json_t *zf_web_json_text (const char *text)
{
    return zf_web_json_bytes ((zf_bytes_t){text, strlen (text)});
}

void zf_web_json_number (json_t *object, const char *key, uint64_t number)
{
    json_object_set_new (object, key,
                         json_integer (number <= INT64_MAX ? (json_int_t) number : INT64_MAX));
}
