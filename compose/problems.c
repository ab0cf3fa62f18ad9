#include "compose/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Names and values come from the text: they are not to move a terminal's cursor. */
static void make_printable (char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char) *text < ' ' || *text == 0x7f)
            *text = '.';
}

void zf_problem (zf_problems_t *problems, zf_spot_t place, const char *format, ...)
{
    if (problems->list == NULL)
        problems->list = calloc (ZF_PROBLEMS_MAX, sizeof *problems->list);
    problems->found++;
    problems->has_failed = problems->has_failed || problems->list == NULL;
    if (problems->list == NULL || problems->count == ZF_PROBLEMS_MAX)
        return;
    zf_problem_t *problem = &problems->list[problems->count];
    problem->place = place;
    problem->order = problems->count++;
    va_list args;
    va_start (args, format);
    vsnprintf (problem->text, sizeof problem->text, format, args);
    va_end (args);
    make_printable (problem->text);
}

static int by_place (const void *a, const void *b)
{
    const zf_problem_t *p = a, *q = b;
    if (p->place.line != q->place.line)
        return p->place.line < q->place.line ? -1 : 1;
    if (p->place.column != q->place.column)
        return p->place.column < q->place.column ? -1 : 1;
    return p->order < q->order ? -1 : p->order > q->order;
}

void zf_problems_each (zf_problems_t *problems, const char *name, zf_problem_fn *fn, void *arg)
{
    char line[ZF_PROBLEM_TEXT + 300];
    if (problems->count > 0)
        qsort (problems->list, problems->count, sizeof *problems->list, by_place);
    for (size_t i = 0; i < problems->count; i++) {
        const zf_problem_t *problem = &problems->list[i];
        if (problem->place.line == 0)
            snprintf (line, sizeof line, "%.250s: %s", name, problem->text);
        else
            snprintf (line, sizeof line, "%.250s:%u:%u: %s", name, problem->place.line,
                      problem->place.column, problem->text);
        fn (arg, line);
    }
    if (problems->found > problems->count) {
        snprintf (line, sizeof line, "%.250s: %zu more", name, problems->found - problems->count);
        fn (arg, line);
    }
}

void zf_problems_free (zf_problems_t *problems)
{
    free (problems->list);
    *problems = (zf_problems_t){.list = NULL};
}
