#include "classes.h"

#include <stdlib.h>
#include <string.h>

/* An object, some members of which are put down in ways of their own; NULL: not at all. */
typedef void (*way)(text *t, const doc *d, int value);

static void add_members(text *t, const doc *d, int object, const char *const *names, const way *ways) {
  const char *between = "";
  int i;
  size_t n;
  if (!is_object(d, object)) {
    add_value(t, d, object);
    return;
  }
  add_text(t, "{");
  for (i = first_of(d, object); i != NONE; i = next_of(d, i)) {
    char *name = text_of(d, i, NULL);
    for (n = 0; names[n] != NULL && strcmp(name, names[n]) != 0; n++) continue;
    free(name);
    if (names[n] != NULL && ways[n] == NULL) continue;
    add_text(t, between);
    add_value(t, d, i);
    add_text(t, ":");
    if (names[n] != NULL) ways[n](t, d, value_of(d, i));
    else add_value(t, d, value_of(d, i));
    between = ",";
  }
  add_text(t, "}");
}

static void add_name(text *t, const doc *d, int value) {
  static const char *const names[] = {"type", NULL};
  static const way ways[] = {NULL};
  add_members(t, d, value, names, ways);
}

static void add_type(text *t, const doc *d, int value) {
  static const char *const names[] = {"source", NULL};
  static const way ways[] = {add_name};
  add_members(t, d, value, names, ways);
}

static void add_property(text *t, const doc *d, int value) {
  static const char *const names[] = {"container", "type", "targetsList", NULL};
  static const way mapped[] = {add_name, add_type, NULL}, connection[] = {add_name, add_value, NULL};
  add_members(t, d, value, names, member(d, value, "container") != NONE ? mapped : connection);
}

static void add_properties(text *t, const doc *d, int value) {
  const char *between = "";
  int i;
  add_text(t, "{");
  for (i = first_of(d, value); i != NONE; i = next_of(d, i)) {
    add_text(t, between);
    add_value(t, d, i);
    add_text(t, ":");
    add_property(t, d, value_of(d, i));
    between = ",";
  }
  add_text(t, "}");
}

void add_view(text *t, const doc *d, int view) {
  static const char *const names[] = {"queryable", "mappedContainers", "properties", NULL};
  static const way ways[] = {NULL, NULL, add_properties};
  add_members(t, d, view, names, ways);
}

void add_views(text *t, const doc *body, int items, int newest) {
  const char *between = "";
  int i, other, newer;
  add_text(t, "[");
  for (i = first_of(body, items); i != NONE; i = next_of(body, i)) {
    for (newer = 0, other = newest ? first_of(body, items) : NONE; other != NONE && !newer; other = next_of(body, other)) {
      newer = same_text(body, member(body, i, "space"), body, member(body, other, "space")) &&
              same_text(body, member(body, i, "externalId"), body, member(body, other, "externalId")) &&
              number_of(body, member(body, other, "createdTime")) > number_of(body, member(body, i, "createdTime"));
    }
    if (newer) continue;
    add_text(t, between);
    add_view(t, body, i);
    between = ",";
  }
  add_text(t, "]");
}

void add_groups(text *t, const doc *body, int items) {
  const char *between = "";
  int i;
  add_text(t, "[");
  for (i = first_of(body, items); i != NONE; i = next_of(body, i)) {
    int group = member(body, i, "group"), aggregates = member(body, i, "aggregates");
    add_text(t, between);
    add_text(t, "{\"group\":");
    if (group == NONE) add_text(t, "null");
    else add_value(t, body, group);
    add_text(t, ",\"aggregates\":");
    if (aggregates == NONE) add_text(t, "null");
    else add_value(t, body, aggregates);
    add_text(t, "}");
    between = ",";
  }
  add_text(t, "]");
}

void add_aggregates(text *t, const doc *body, int items, int one) {
  int aggregates = member(body, first_of(body, items), "aggregates");
  if (one) aggregates = first_of(body, aggregates);
  if (aggregates == NONE) add_text(t, one ? "null" : "[]");
  else add_value(t, body, aggregates);
}

void add_buckets(text *t, const doc *body, int items) {
  const char *between = "";
  int i;
  add_text(t, "[");
  for (i = first_of(body, items); i != NONE; i = next_of(body, i)) {
    if (first_of(body, member(body, i, "values")) == NONE) continue;
    add_text(t, between);
    add_value(t, body, i);
    between = ",";
  }
  add_text(t, "]");
}
