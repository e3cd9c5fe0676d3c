#include "arguments.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void begin(arguments *a, const char *name) {
  add_text(&a->t, a->t.len > 1 ? ",\"" : "\"");
  add_text(&a->t, name);
  add_text(&a->t, "\":");
}

int hand_on(arguments *a, const doc *d, int call, const char *theirs, const char *ours) {
  int value = member(d, call, theirs);
  if (value == NONE) return 0;
  begin(a, ours);
  add_plain_value(&a->t, d, value);
  return 1;
}

void constant(arguments *a, const char *name, const char *json) {
  begin(a, name);
  add_text(&a->t, json);
}

void add_with(text *t, const doc *d, int object, const char *name, const char *json) {
  text one = {NULL, 0, 0};
  add_plain_value(&one, d, object);
  if (member(d, object, name) == NONE && one.len > 1) {
    add(t, one.at, one.len - 1);
    add_text(t, first_of(d, object) == NONE ? "\"" : ",\"");
    add_text(t, name);
    add_text(t, "\":");
    add_text(t, json);
    add_text(t, "}");
  } else {
    add(t, one.at, one.len);
  }
  free_text(&one);
}

/* ---- instances ---- */

void instance_type(arguments *a, const doc *d, int call) {
  if (!hand_on(a, d, call, "instance_type", "instanceType")) constant(a, "instanceType", "\"node\"");
}

static void add_space(text *t, const doc *d, int call, int space) {
  int type = member(d, call, "instance_type"), single = is_text(d, space);
  if (!single && first_of(d, space) != NONE && next_of(d, first_of(d, space)) == NONE) {
    space = first_of(d, space); /* one of one */
    single = 1;
  }
  add_text(t, single ? "{\"equals\":{\"property\":[" : "{\"in\":{\"property\":[");
  if (type == NONE) add_text(t, "\"node\"");
  else add_value(t, d, type);
  add_text(t, single ? ",\"space\"],\"value\":" : ",\"space\"],\"values\":");
  add_value(t, d, space);
  add_text(t, "}}");
}

void instance_filter(arguments *a, const doc *d, int call) {
  int space = member(d, call, "space"), filter = member(d, call, "filter"), all = NONE, i;
  if (space == NONE) {
    hand_on(a, d, call, "filter", "filter");
    return;
  }
  begin(a, "filter");
  if (filter == NONE) {
    add_space(&a->t, d, call, space);
    return;
  }
  add_text(&a->t, "{\"and\":[");
  add_space(&a->t, d, call, space);
  if (is_object(d, filter)) all = member(d, filter, "and");
  if (all == NONE) {
    add_text(&a->t, ",");
    add_plain_value(&a->t, d, filter);
  }
  for (i = first_of(d, all); i != NONE; i = next_of(d, i)) {
    add_text(&a->t, ",");
    add_plain_value(&a->t, d, i);
  }
  add_text(&a->t, "]}");
}

/* A list; a single text or object is the list of it. */
static void add_listed(text *t, const doc *d, int value) {
  int single = is_text(d, value) || is_object(d, value);
  if (single) add_text(t, "[");
  add_plain_value(t, d, value);
  if (single) add_text(t, "]");
}

void hand_on_list(arguments *a, const doc *d, int call, const char *theirs, const char *ours) {
  int value = member(d, call, theirs);
  if (value == NONE) return;
  begin(a, ours);
  add_listed(&a->t, d, value);
}

/* The reference looks for 25, and for the most that the service gives where no limit is wanted. */
static void instance_limit(arguments *a, const doc *d, int call) {
  int limit = member(d, call, "limit");
  if (limit == NONE) constant(a, "limit", "25");
  else if (is_null(d, limit) || is_object(d, limit) || number_of(d, limit) == -1) constant(a, "limit", "1000");
  else hand_on(a, d, call, "limit", "limit");
}

static void view_of(arguments *a, const doc *d, int call) {
  int view = member(d, call, "view");
  begin(a, "view");
  if (view == NONE) add_text(&a->t, "null");
  else add_with(&a->t, d, view, "type", "\"view\"");
}

/* ---- searches and aggregates ---- */

/* A name as the API writes it, which may be given with underscores. */
static void add_camel(text *t, const doc *d, int value) {
  char *name = text_of(d, value, NULL);
  size_t i, n = 0;
  for (i = 0; name[i] != '\0'; i++) {
    if (name[i] == '_' && name[i + 1] != '\0') name[n++] = (char)toupper((unsigned char)name[++i]);
    else name[n++] = name[i];
  }
  add_quoted(t, name, n);
  free(name);
}

/* The reference writes the names of a filter's members in the API's way, those within them it leaves. */
static void search_filter(arguments *a, const doc *d, int call) {
  int filter = member(d, call, "filter"), i;
  const char *between = "";
  if (filter == NONE || !is_object(d, filter)) {
    if (!hand_on(a, d, call, "filter", "filter")) constant(a, "filter", "{}");
    return;
  }
  begin(a, "filter");
  add_text(&a->t, "{");
  for (i = first_of(d, filter); i != NONE; i = next_of(d, i)) {
    add_text(&a->t, between);
    add_camel(&a->t, d, i);
    add_text(&a->t, ":");
    add_plain_value(&a->t, d, value_of(d, i));
    between = ",";
  }
  add_text(&a->t, "}");
}

void search_arguments(arguments *a, const doc *d, int call, const char *resource) {
  if (strcmp(resource, "data_modeling.instances") == 0) {
    view_of(a, d, call);
    hand_on(a, d, call, "query", "query");
    hand_on(a, d, call, "properties", "properties");
    instance_type(a, d, call);
    if (!hand_on(a, d, call, "operator", "operator")) constant(a, "operator", "\"AND\"");
    instance_filter(a, d, call);
    instance_limit(a, d, call);
    return;
  }
  if (!hand_on(a, d, call, "search", "search")) constant(a, "search", "{}");
  search_filter(a, d, call);
  if (member(d, call, "limit") == NONE) constant(a, "limit", "25");
  else if (!is_null(d, member(d, call, "limit"))) hand_on(a, d, call, "limit", "limit");
}

/* The path of a property: its single name as the API writes it. */
static void add_property(text *t, const doc *d, int property) {
  int first = is_text(d, property) ? property : first_of(d, property);
  if (first == NONE || (first != property && next_of(d, first) != NONE)) {
    add_listed(t, d, property);
    return;
  }
  add_text(t, "[");
  add_camel(t, d, first);
  add_text(t, "]");
}

void aggregate_arguments(arguments *a, const doc *d, int call, const char *resource) {
  int property = member(d, call, "property");
  if (strcmp(resource, "data_modeling.instances") == 0) {
    view_of(a, d, call);
    instance_type(a, d, call);
    instance_filter(a, d, call);
    instance_limit(a, d, call);
    hand_on_list(a, d, call, "aggregates", "aggregates");
    hand_on(a, d, call, "query", "query");
    hand_on_list(a, d, call, "group_by", "groupBy");
    hand_on_list(a, d, call, "properties", "properties");
    return;
  }
  if (strcmp(resource, "files") == 0 || strcmp(resource, "data_sets") == 0) {
    /* These can be counted only. */
    if (!hand_on(a, d, call, "filter", "filter")) constant(a, "filter", "{}");
    return;
  }
  hand_on(a, d, call, "aggregate", "aggregate");
  if (property != NONE) {
    begin(a, "properties");
    add_text(&a->t, "[{\"property\":");
    add_property(&a->t, d, property);
    add_text(&a->t, "}]");
  }
  hand_on_list(a, d, call, "path", "path");
  hand_on(a, d, call, "filter", "filter");
  hand_on(a, d, call, "advanced_filter", "advancedFilter");
  hand_on(a, d, call, "aggregate_filter", "aggregateFilter");
}
