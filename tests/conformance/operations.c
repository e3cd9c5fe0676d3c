#include "operations.h"

#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "classes.h"
#include "reply.h"

int is_read(const char *op) {
  return strcmp(op, "list") == 0 || strcmp(op, "retrieve") == 0 || strcmp(op, "search") == 0 || strcmp(op, "aggregate") == 0;
}

/* Members of an object (a filter in the query's form), and what the reference sends where one is not given. */
static void members_of(arguments *a, const doc *d, int object, const char *const usual[][2]) {
  int i;
  size_t n;
  for (i = first_of(d, object); i != NONE; i = next_of(d, i)) {
    char *name = text_of(d, i, NULL);
    hand_on(a, d, object, name, name);
    free(name);
  }
  for (n = 0; usual != NULL && usual[n][0] != NULL; n++) {
    if (member(d, object, usual[n][0]) == NONE) constant(a, usual[n][0], usual[n][1]);
  }
}

/* The reference hands on the name and the order, and asks for {"nulls": "auto"}; of instances, all as it is. */
static void sort_order(arguments *a, const doc *d, int call, int instances) {
  int sort = member(d, call, "sort"), i;
  const char *between = "";
  if (sort == NONE) return;
  if (instances) {
    hand_on_list(a, d, call, "sort", "sort");
    return;
  }
  begin(a, "sort");
  add_text(&a->t, "[");
  for (i = first_of(d, sort); i != NONE; i = next_of(d, i)) {
    int property = member(d, i, "property"), order = member(d, i, "order");
    add_text(&a->t, between);
    add_text(&a->t, "{\"property\":[");
    add_value(&a->t, d, is_text(d, property) ? property : first_of(d, property));
    if (order != NONE) {
      add_text(&a->t, "],\"order\":");
      add_value(&a->t, d, order);
    } else {
      add_text(&a->t, "]");
    }
    add_text(&a->t, ",\"nulls\":\"auto\"}");
    between = ",";
  }
  add_text(&a->t, "]");
}

/* Views by their names, as sources. */
static void sources(arguments *a, const doc *d, int call) {
  int all = member(d, call, "sources"), i;
  const char *between = "";
  if (all == NONE) return;
  begin(a, "sources");
  add_text(&a->t, "[");
  for (i = first_of(d, all); i != NONE; i = next_of(d, i)) {
    add_text(&a->t, between);
    add_text(&a->t, "{\"source\":");
    add_with(&a->t, d, i, "type", "\"view\"");
    add_text(&a->t, "}");
    between = ",";
  }
  add_text(&a->t, "]");
}

static int is_unlimited(const doc *d, int call) {
  int limit = member(d, call, "limit");
  return limit != NONE && (is_null(d, limit) || is_object(d, limit) || number_of(d, limit) == -1);
}

static void list_arguments(arguments *a, const doc *d, int call, const char *resource) {
  static const char *const views[][2] = {{"includeInheritedProperties", "true"}, {"allVersions", "false"}, {"includeGlobal", "false"}, {NULL, NULL}};
  static const char *const spaces[][2] = {{"includeGlobal", "false"}, {NULL, NULL}};
  int filter = member(d, call, "filter"), limit = member(d, call, "limit");
  int instances = strcmp(resource, "data_modeling.instances") == 0, rows = strcmp(resource, "raw.rows") == 0;
  int parts = member(d, call, "partitions") != NONE && number_of(d, member(d, call, "partitions")) > 0;
  hand_on(a, d, call, "db", "dbName");
  hand_on(a, d, call, "table", "tableName");
  if (instances) {
    if (!hand_on(a, d, call, "include_typing", "includeTyping")) constant(a, "includeTyping", "false");
    instance_type(a, d, call);
    instance_filter(a, d, call);
    sources(a, d, call);
  } else if (strncmp(resource, "raw.", 4) == 0) {
    members_of(a, d, filter, NULL);
  } else if (strncmp(resource, "data_modeling.", 14) == 0) {
    members_of(a, d, filter, strcmp(resource, "data_modeling.views") == 0 ? views : spaces);
  } else if (filter != NONE && first_of(d, filter) != NONE) {
    hand_on(a, d, call, "filter", "filter");
  }
  if (limit != NONE && is_object(d, limit)) constant(a, "limit", "null"); /* infinity, which JSON does not have */
  else hand_on(a, d, call, "limit", "limit");
  /* All rows are read in as many parts as may be read at a time, each of which is asked for all columns by name: for none. */
  if (!hand_on(a, d, call, "partitions", "partitions") && rows && is_unlimited(d, call)) {
    constant(a, "partitions", "5");
    parts = 1;
  }
  if (rows && parts && (filter == NONE || member(d, filter, "columns") == NONE)) constant(a, "columns", "\"\"");
  hand_on(a, d, call, "advanced_filter", "advancedFilter");
  hand_on(a, d, call, "aggregated_properties", "aggregatedProperties");
  sort_order(a, d, call, instances);
}

/* Items {"KEY": value} for each value of a list; of instances the objects themselves with their type. */
static void identifiers(arguments *a, const doc *d, int list, const char *key, const char *type, const char **between) {
  int i;
  for (i = first_of(d, list); i != NONE; i = next_of(d, i)) {
    add_text(&a->t, *between);
    *between = ",";
    if (type == NULL) {
      add_text(&a->t, "{\"");
      add_text(&a->t, key);
      add_text(&a->t, "\":");
      add_plain_value(&a->t, d, i);
    } else {
      text one = {NULL, 0, 0};
      add_plain_value(&one, d, i);
      add(&a->t, one.at, one.len - 1);
      add_text(&a->t, ",\"instanceType\":\"");
      add_text(&a->t, type);
      add_text(&a->t, "\"");
      free_text(&one);
    }
    add_text(&a->t, "}");
  }
}

/* A view's name, with nothing else that a view has. */
static void view_name(arguments *a, const doc *d, int view) {
  static const char *const parts[] = {"space", "externalId", "version"};
  const char *between = "{\"";
  size_t i;
  for (i = 0; i < sizeof parts / sizeof *parts; i++) {
    int part = member(d, view, parts[i]);
    if (part == NONE || is_null(d, part)) continue;
    add_text(&a->t, between);
    add_text(&a->t, parts[i]);
    add_text(&a->t, "\":");
    add_value(&a->t, d, part);
    between = ",\"";
  }
  add_text(&a->t, "}");
}

static void retrieve_arguments(arguments *a, const doc *d, int call, const char *resource, int single) {
  const char *between = "";
  int views = member(d, call, "views"), i;
  if (strcmp(resource, "raw.rows") == 0) {
    hand_on(a, d, call, "db", "dbName");
    hand_on(a, d, call, "table", "tableName");
    hand_on(a, d, call, "key", "rowKey");
    return;
  }
  if (single) {
    hand_on(a, d, call, "id", "id");
    hand_on(a, d, call, "external_id", "externalId");
    if (strcmp(resource, "labels") == 0) constant(a, "ignoreUnknownIds", "false");
    return;
  }
  begin(a, "items");
  add_text(&a->t, "[");
  identifiers(a, d, member(d, call, "ids"), "id", NULL, &between);
  identifiers(a, d, member(d, call, "external_ids"), "externalId", NULL, &between);
  identifiers(a, d, member(d, call, "instance_ids"), "instanceId", NULL, &between);
  identifiers(a, d, member(d, call, "nodes"), NULL, "node", &between);
  identifiers(a, d, member(d, call, "edges"), NULL, "edge", &between);
  for (i = first_of(d, views); i != NONE; i = next_of(d, i)) {
    add_text(&a->t, between);
    between = ",";
    view_name(a, d, i);
  }
  add_text(&a->t, "]");
  if (strcmp(resource, "data_modeling.instances") == 0) {
    constant(a, "includeTyping", "false");
  } else if (views != NONE) {
    if (!hand_on(a, d, call, "include_inherited_properties", "includeInheritedProperties")) {
      constant(a, "includeInheritedProperties", "true");
    }
  } else if (!hand_on(a, d, call, "ignore_unknown_ids", "ignoreUnknownIds")) {
    constant(a, "ignoreUnknownIds", "false");
  }
}

static int says_no(const doc *d, int value) {
  return value != NONE && d->token[value].end - d->token[value].start == 5 && d->at[d->token[value].start] == 'f';
}

static int is_single(const char *op, const doc *d, int call) {
  static const char *const lists[] = {"ids", "external_ids", "instance_ids", "nodes", "edges", "views"};
  size_t i;
  if (strcmp(op, "retrieve") != 0) return 0;
  for (i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (member(d, call, lists[i]) != NONE) return 0;
  }
  return member(d, call, "id") != NONE || member(d, call, "external_id") != NONE || member(d, call, "key") != NONE;
}

static int is_counted(const char *op, const doc *d, int call) {
  char *aggregate = strcmp(op, "aggregate") == 0 ? text_of(d, member(d, call, "aggregate"), NULL) : NULL;
  int counted = aggregate != NULL && (strcmp(aggregate, "count") == 0 || strncmp(aggregate, "card", 4) == 0);
  free(aggregate);
  return counted;
}

/* What an operation gave, in the words of the vectors. */
static void add_result(text *t, const doc *body, const char *op, const doc *d, int call, int views) {
  int single = is_single(op, d, call), counted = is_counted(op, d, call), versions = member(d, call, "all_versions");
  int items = member(body, 0, "items"), first = first_of(body, items), aggregates = member(d, call, "aggregates");
  int grouped = member(d, call, "group_by") != NONE;
  if (items == NONE && !single) {
    add_text(t, "\"error\":{\"kind\":\"missing_key\",\"text\":\"no items in the answer\"}");
    return;
  }
  if (counted && member(body, first, "count") == NONE) {
    add_text(t, "\"error\":{\"kind\":\"internal\",\"text\":\"no count in the answer\"}");
    return;
  }
  if (aggregates != NONE && !grouped && first == NONE) {
    add_text(t, "\"error\":{\"kind\":\"internal\",\"text\":\"no aggregates in the answer\"}");
    return;
  }
  add_text(t, "\"ok\":");
  if (strcmp(op, "retrieve") == 0 && single) {
    add_text(t, "{\"item\":");
    if (items == NONE) add_value(t, body, 0);
    else if (first == NONE) add_text(t, "null");
    else add_value(t, body, first);
  } else if (counted) {
    add_text(t, "{\"count\":");
    add_value(t, body, member(body, first, "count"));
  } else {
    add_text(t, "{\"items\":");
    if (aggregates != NONE && !grouped) add_aggregates(t, body, items, !is_list(d, aggregates));
    else if (aggregates != NONE) add_groups(t, body, items);
    else if (strcmp(op, "aggregate") == 0) add_buckets(t, body, items);
    else if (member(d, call, "nodes") != NONE || member(d, call, "edges") != NONE) add_instances(t, body, items);
    else if (views) add_views(t, body, items, strcmp(op, "retrieve") == 0 && says_no(d, versions));
    else add_value(t, body, items);
  }
  add_text(t, "}");
}

void read_items(text *t, cognite_client *client, const char *op, const doc *d, int call) {
  char *resource = text_of(d, member(d, call, "resource"), NULL);
  int single = is_single(op, d, call);
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  arguments a = {{NULL, 0, 0}};
  text name = {NULL, 0, 0};
  cognite_status status;
  add_text(&name, resource);
  add_text(&name, ".");
  add_text(&name, op);
  add_text(&a.t, "{");
  if (strcmp(op, "list") == 0) list_arguments(&a, d, call, resource);
  else if (strcmp(op, "retrieve") == 0) retrieve_arguments(&a, d, call, resource, single);
  else if (strcmp(op, "search") == 0) search_arguments(&a, d, call, resource);
  else aggregate_arguments(&a, d, call, resource);
  add_text(&a.t, "}");
  operation.name = name.at;
  operation.arguments = a.t.at;
  operation.arguments_len = a.t.len;
  status = cognite_client_operate(client, &operation, &response, &error);
  if (status == COGNITE_OK) {
    size_t len;
    const char *at = cognite_response_body(response, &len);
    doc body;
    add_text(t, "{");
    if (parse(&body, at, len)) {
      add_result(t, &body, op, d, call, strcmp(resource, "data_modeling.views") == 0);
      free_doc(&body);
    } else {
      add_text(t, "\"error\":{\"kind\":\"json_decode\",\"text\":\"the answer is not JSON\"}");
    }
    add_text(t, "}");
  } else if (status == COGNITE_ERR_NOT_FOUND && single && strcmp(resource, "labels") != 0) {
    add_text(t, "{\"ok\":{\"item\":null}}"); /* as the reference tells it */
  } else {
    add_text(t, "{\"error\":");
    add_item_error(t, error, strcmp(op, "retrieve") == 0 ? READ : WHOLE);
    add_text(t, "}");
  }
  cognite_error_free(error);
  cognite_response_free(response);
  free_text(&name);
  free_text(&a.t);
  free(resource);
}
