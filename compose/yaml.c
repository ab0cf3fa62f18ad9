#include "compose/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

typedef struct {
    yaml_parser_t parser;
    zf_arena_t *arena;       /* for the tree */
    zf_problems_t *problems; /* what is wrong */
    unsigned nodes;          /* so far */
    unsigned flows;          /* { } and [ ] that we are between */
    size_t room;             /* for what the environment may still add */
    bool has_ended;          /* nothing more can be read; why has been said */
} reader_t;

static zf_spot_t place_of (yaml_mark_t mark)
{
    return (zf_spot_t){.line = (unsigned) mark.line + 1, .column = (unsigned) mark.column + 1};
}

static void end_reading (reader_t *self, zf_spot_t place, const char *what)
{
    if (!self->has_ended)
        zf_problem (self->problems, place, "%s", what);
    self->has_ended = true;
}

/* libyaml's words, with what helps in place of those that do not. */
static void describe_syntax (const yaml_parser_t *parser, const char *what,
                             char text[ZF_PROBLEM_TEXT])
{
    zf_spot_t begin = place_of (parser->context_mark);
    if (strcmp (what, "found character that cannot start any token") == 0)
        what = "neither a tab nor @ ` % can stand here; expected blanks, or quotes around a value";
    if (parser->context != NULL && parser->context_mark.line != parser->problem_mark.line)
        snprintf (text, ZF_PROBLEM_TEXT, "no YAML: %s, %s that begins at %u:%u", what,
                  parser->context, begin.line, begin.column);
    else
        snprintf (text, ZF_PROBLEM_TEXT, "no YAML: %s%s%s", what,
                  parser->context != NULL ? ", " : "",
                  parser->context != NULL ? parser->context : "");
}

static void complain_of_syntax (reader_t *self)
{
    const yaml_parser_t *parser = &self->parser;
    const char *what = parser->problem != NULL ? parser->problem : "it can't be read";
    char text[ZF_PROBLEM_TEXT];
    if (parser->error == YAML_MEMORY_ERROR)
        self->arena->has_failed = true;
    if (parser->error == YAML_READER_ERROR)
        snprintf (text, sizeof text, "no text: %s at byte %zu; expected UTF-8", what,
                  parser->problem_offset);
    else
        describe_syntax (parser, what, text);
    zf_spot_t place = place_of (parser->problem_mark);
    if (parser->error == YAML_READER_ERROR)
        place = (zf_spot_t){.line = 0};
    end_reading (self, place, text);
}

/* The next event; false: there is none. */
static bool next (reader_t *self, yaml_event_t *event)
{
    if (self->has_ended)
        return false;
    if (yaml_parser_parse (&self->parser, event) == 0) {
        complain_of_syntax (self);
        return false;
    }
    return true;
}

/* -- nodes ------------------------------------------------------------------------------------- */

static zf_yaml_t *read_node (reader_t *self, yaml_event_t *event, unsigned depth);

static zf_yaml_t *new_node (reader_t *self, zf_yaml_kind_t kind, zf_spot_t place)
{
    if (++self->nodes > ZF_YAML_NODES) {
        end_reading (self, place, "more than 10,000 things; nobody can mean that");
        return NULL;
    }
    zf_yaml_t *node = zf_arena_take (self->arena, 1, sizeof *node);
    if (node == NULL) {
        self->has_ended = true;
        return NULL;
    }
    node->kind = kind;
    node->place = place;
    return node;
}

static void refuse (reader_t *self, zf_yaml_t *node, const char *what)
{
    zf_problem (self->problems, node->place, "%s; expected plain YAML without them", what);
    node->is_broken = true;
}

static void check_marks (reader_t *self, zf_yaml_t *node, const yaml_char_t *anchor,
                         const yaml_char_t *tag)
{
    if (anchor != NULL)
        refuse (self, node, "anchors (&) are not understood");
    if (tag != NULL)
        refuse (self, node, "tags (!) are not understood");
}

static bool says_nothing (const char *text, yaml_scalar_style_t style)
{
    return style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp (text, "~") == 0 || strcmp (text, "null") == 0);
}

static void expand (reader_t *self, zf_yaml_t *node)
{
    const char *why = NULL;
    if (strchr (node->text, '$') == NULL)
        return;
    char *text = zf_yaml_expand (node->text, self->room, self->arena, &why);
    if (text != NULL) {
        self->room -= strlen (text);
        node->text = text;
        return;
    }
    node->is_broken = true;
    if (why != NULL)
        zf_problem (self->problems, node->place, "%s", why);
}

static zf_yaml_t *read_scalar (reader_t *self, const yaml_event_t *event)
{
    const char *text = (const char *) event->data.scalar.value;
    zf_yaml_t *node = new_node (self, ZF_YAML_SCALAR, place_of (event->start_mark));
    if (node == NULL)
        return NULL;
    node->text = zf_arena_copy (self->arena, text, event->data.scalar.length);
    if (node->text == NULL)
        return NULL;
    check_marks (self, node, event->data.scalar.anchor, event->data.scalar.tag);
    if (strlen (text) != event->data.scalar.length)
        refuse (self, node, "there are zero bytes in it");
    node->is_null = says_nothing (text, event->data.scalar.style);
    return node;
}

/* "{a: ${B}}" is what people write, and for YAML the value ends before the brace. */
static bool is_cut_variable (const reader_t *self, const yaml_event_t *event)
{
    size_t length = event->data.scalar.length;
    return self->flows > 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && length > 0 &&
           event->data.scalar.value[length - 1] == '$';
}

static zf_yaml_t *read_value (reader_t *self, const yaml_event_t *event)
{
    zf_yaml_t *node = read_scalar (self, event);
    if (is_cut_variable (self, event)) {
        end_reading (self, place_of (event->start_mark),
                     "between { } or [ ] a variable wants quotes: \"${NAME}\"");
        return NULL;
    }
    if (node != NULL && !node->is_broken)
        expand (self, node);
    return node;
}

static void append (zf_yaml_t *parent, zf_yaml_t ***tail, zf_yaml_t *child)
{
    **tail = child;
    *tail = &child->next;
    parent->count++;
}

static zf_yaml_t *read_list (reader_t *self, const yaml_event_t *start, unsigned depth)
{
    zf_yaml_t *node = new_node (self, ZF_YAML_LIST, place_of (start->start_mark));
    if (node == NULL)
        return NULL;
    bool is_flow = start->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    check_marks (self, node, start->data.sequence_start.anchor, start->data.sequence_start.tag);
    self->flows += is_flow;
    zf_yaml_t **tail = &node->children;
    yaml_event_t event;
    bool more = true;
    while (more && next (self, &event)) {
        zf_yaml_t *child = NULL;
        more = event.type != YAML_SEQUENCE_END_EVENT;
        if (more && (child = read_node (self, &event, depth + 1)) != NULL)
            append (node, &tail, child);
        yaml_event_delete (&event);
    }
    self->flows -= is_flow;
    return node;
}

/* -- mappings ---------------------------------------------------------------------------------- */

/* Reads the key of a pair. Returns false if that can't be used; what is wrong has been said. */
static bool read_key (reader_t *self, yaml_event_t *event, unsigned depth, zf_yaml_t **key)
{
    *key = event->type == YAML_SCALAR_EVENT ? read_scalar (self, event)
                                            : read_node (self, event, depth + 1);
    if (*key != NULL && (*key)->kind != ZF_YAML_SCALAR)
        refuse (self, *key, "lists and mappings can't be keys");
    return *key != NULL && !(*key)->is_broken;
}

static void put_pair (reader_t *self, zf_yaml_t *map, zf_yaml_t ***tail, const zf_yaml_t *key,
                      zf_yaml_t *value)
{
    const zf_yaml_t *other = zf_yaml_get (map, key->text);
    if (other != NULL) {
        zf_problem (self->problems, key->place,
                    "'%.100s' is here twice; the first is at %u:%u, say it once", key->text,
                    other->key_place.line, other->key_place.column);
        return;
    }
    value->key = key->text;
    value->key_place = key->place;
    append (map, tail, value);
}

/* Reads the value that belongs to a key. */
static zf_yaml_t *read_pair_value (reader_t *self, unsigned depth)
{
    yaml_event_t event;
    if (!next (self, &event))
        return NULL;
    zf_yaml_t *value = read_node (self, &event, depth + 1);
    yaml_event_delete (&event);
    return value;
}

static zf_yaml_t *read_map (reader_t *self, const yaml_event_t *start, unsigned depth)
{
    zf_yaml_t *node = new_node (self, ZF_YAML_MAP, place_of (start->start_mark));
    if (node == NULL)
        return NULL;
    bool is_flow = start->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    check_marks (self, node, start->data.mapping_start.anchor, start->data.mapping_start.tag);
    self->flows += is_flow;
    zf_yaml_t **tail = &node->children;
    yaml_event_t event;
    bool more = true;
    while (more && next (self, &event)) {
        more = event.type != YAML_MAPPING_END_EVENT;
        if (more) {
            zf_yaml_t *key = NULL;
            bool good = read_key (self, &event, depth, &key);
            zf_yaml_t *value = read_pair_value (self, depth);
            if (good && value != NULL)
                put_pair (self, node, &tail, key, value);
        }
        yaml_event_delete (&event);
    }
    self->flows -= is_flow;
    return node;
}

static zf_yaml_t *read_alias (reader_t *self, const yaml_event_t *event)
{
    zf_yaml_t *node = new_node (self, ZF_YAML_SCALAR, place_of (event->start_mark));
    if (node == NULL)
        return NULL;
    node->text = "";
    refuse (self, node, "aliases (*) are not understood");
    return node;
}

/* NULL: there is none, and reading has ended. */
static zf_yaml_t *read_node (reader_t *self, yaml_event_t *event, unsigned depth)
{
    if (depth > ZF_YAML_DEPTH) {
        end_reading (self, place_of (event->start_mark),
                     "more than 16 levels; nobody can mean that");
        return NULL;
    }
    if (event->type == YAML_SCALAR_EVENT)
        return read_value (self, event);
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return read_list (self, event, depth);
    if (event->type == YAML_MAPPING_START_EVENT)
        return read_map (self, event, depth);
    return read_alias (self, event);
}

/* -- the document ------------------------------------------------------------------------------ */

/* Reads what begins with event; sets *root. Returns false when the text has ended. */
static bool read_event (reader_t *self, yaml_event_t *event, zf_yaml_t **root)
{
    if (event->type == YAML_STREAM_END_EVENT)
        return false;
    if (event->type == YAML_STREAM_START_EVENT || event->type == YAML_DOCUMENT_END_EVENT)
        return true;
    if (event->type == YAML_DOCUMENT_START_EVENT) {
        if (*root != NULL)
            end_reading (self, place_of (event->start_mark),
                         "a second document; a topology is one");
        return true;
    }
    *root = read_node (self, event, 1);
    return true;
}

zf_yaml_t *zf_yaml_parse (zf_bytes_t text, zf_arena_t *arena, zf_problems_t *problems)
{
    reader_t self = {.arena = arena, .problems = problems, .room = ZF_YAML_BYTES};
    zf_yaml_t *root = NULL;
    yaml_event_t event;
    bool more = true;
    if (text.size > ZF_YAML_BYTES) {
        zf_problem (problems, (zf_spot_t){.line = 0}, "more than 1 MiB; that is no topology");
        return NULL;
    }
    if (yaml_parser_initialize (&self.parser) == 0) {
        arena->has_failed = true;
        return NULL;
    }
    yaml_parser_set_input_string (&self.parser, text.data, text.size);
    while (more && next (&self, &event)) {
        more = read_event (&self, &event, &root);
        yaml_event_delete (&event);
    }
    yaml_parser_delete (&self.parser);
    return root;
}

/* -- looking ----------------------------------------------------------------------------------- */

const zf_yaml_t *zf_yaml_get (const zf_yaml_t *node, const char *key)
{
    if (node == NULL || node->kind != ZF_YAML_MAP)
        return NULL;
    for (const zf_yaml_t *child = node->children; child != NULL; child = child->next)
        if (strcmp (child->key, key) == 0)
            return child;
    return NULL;
}

const zf_yaml_t *zf_yaml_item (const zf_yaml_t *node, size_t i)
{
    if (node == NULL || node->kind != ZF_YAML_LIST)
        return i == 0 ? node : NULL;
    const zf_yaml_t *child = node->children;
    while (child != NULL && i-- > 0)
        child = child->next;
    return child;
}
