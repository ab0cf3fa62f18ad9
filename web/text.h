/* Texts of the admin endpoint: a buffer that grows, what is written in URLs, and bytes that may be
 * no text at all.
 *
 * Errors: a buffer that runs out of memory is marked and takes nothing more; it is looked at once,
 *         when the answer is sent. */
#ifndef ZF_WEB_TEXT_H
#define ZF_WEB_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <zferry/export.h>
#include <zferry/message.h>

/* All zero is an empty one. */
typedef struct {
    char *data;      /* to be freed; no zero behind it */
    size_t size;     /* bytes written */
    size_t capacity; /* bytes there */
    bool failed;     /* out of memory */
} zf_web_text_t;

void zf_web_text_add (zf_web_text_t *text, const void *data, size_t size);
void zf_web_text_say (zf_web_text_t *text, const char *words);
void zf_web_text_printf (zf_web_text_t *text, const char *format, ...) ZF_PRINTF (2, 3);

/* How many bytes of the data are whole and valid characters in UTF-8, from its beginning on. */
size_t zf_web_utf8 (const void *data, size_t size);

/* Undoes %XX. Returns how many bytes there are, or -1: a % without two digits, a zero byte, or no
 * room for them and a zero behind. */
int zf_web_unescape (const char *from, size_t size, char *to, size_t room);

/* What a name is called in a URL: to be freed; NULL when out of memory. */
char *zf_web_escape (const void *name, size_t size);

/* Bytes as a JSON string, or as {"base64": "..."} if they are no text. */
json_t *zf_web_json_bytes (zf_bytes_t bytes);
json_t *zf_web_json_text (const char *text);

/* Sets a member to a number. */
void zf_web_json_number (json_t *object, const char *key, uint64_t number);

#endif
