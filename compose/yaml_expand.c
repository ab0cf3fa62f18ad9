/* ${NAME}, ${NAME:-fallback} and $$. */
#include "compose/yaml.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WHY_BYTES = 160, SHOWN_BYTES = 60 };

/* What is being made. */
typedef struct {
    char *out;         /* NULL: only measured */
    size_t size;       /* bytes so far */
    zf_arena_t *arena; /* for texts of problems */
    const char *why;   /* the first problem; NULL: none */
} expansion_t;

static void put (expansion_t *self, const char *text, size_t size)
{
    if (self->out != NULL)
        memcpy (self->out + self->size, text, size);
    self->size += size;
}

static int shown (size_t size)
{
    return size < SHOWN_BYTES ? (int) size : SHOWN_BYTES;
}

static void ZF_PRINTF (2, 3) complain (expansion_t *self, const char *format, ...)
{
    char why[WHY_BYTES];
    va_list args;
    va_start (args, format);
    vsnprintf (why, sizeof why, format, args);
    va_end (args);
    if (self->why == NULL)
        self->why = zf_arena_copy (self->arena, why, strlen (why));
}

static size_t name_length (const char *text)
{
    size_t n = 0;
    if (isdigit ((unsigned char) text[0]))
        return 0;
    while (isalnum ((unsigned char) text[n]) || text[n] == '_')
        n++;
    return n;
}

/* The environment's value; NULL: it has none of that name, or memory is out. */
static const char *look_up (expansion_t *self, const char *name, size_t size)
{
    char *copy = zf_arena_copy (self->arena, name, size);
    return copy != NULL ? getenv (copy) : NULL;
}

/* text is behind "${". Returns what is behind the closing brace, NULL: a problem. */
static const char *put_variable (expansion_t *self, const char *text)
{
    size_t name = name_length (text);
    const char *end = strchr (text, '}');
    const char *fallback = strncmp (text + name, ":-", 2) == 0 ? text + name + 2 : NULL;
    if (name == 0 || end == NULL || (fallback == NULL && text + name != end)) {
        complain (self, "'${%.*s' is no ${NAME} or ${NAME:-fallback}; a dollar sign is written $$",
                  shown (end != NULL ? (size_t) (end - text) + 1 : strlen (text)), text);
        return NULL;
    }
    const char *value = look_up (self, text, name);
    if (value != NULL && (value[0] != '\0' || fallback == NULL)) {
        put (self, value, strlen (value));
    } else if (fallback != NULL) {
        put (self, fallback, (size_t) (end - fallback));
    } else {
        complain (
            self,
            "the environment has no '%.*s'; set it, or say ${NAME:-text} for what holds without it",
            shown (name), text);
        return NULL;
    }
    return end + 1;
}

static void run (expansion_t *self, const char *text)
{
    self->size = 0;
    while (text != NULL && *text != '\0') {
        size_t plain = strcspn (text, "$");
        put (self, text, plain);
        text += plain;
        if (*text == '\0')
            return;
        if (text[1] == '$') {
            put (self, "$", 1);
            text += 2;
        } else if (text[1] == '{') {
            text = put_variable (self, text + 2);
        } else {
            complain (self, "a lone $; a dollar sign is written $$, a variable ${NAME}");
            return;
        }
    }
}

char *zf_yaml_expand (const char *text, size_t room, zf_arena_t *arena, const char **why)
{
    expansion_t self = {.arena = arena};
    run (&self, text);
    if (self.why == NULL && self.size > room)
        complain (&self, "more than 1 MiB of text comes from the environment");
    *why = self.why;
    if (self.why != NULL || arena->has_failed)
        return NULL;
    self.out = zf_arena_take (arena, self.size + 1, 1);
    if (self.out != NULL)
        run (&self, text);
    return self.out;
}
