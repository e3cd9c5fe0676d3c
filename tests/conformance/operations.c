#include "operations.h"

#include <stdlib.h>
#include <string.h>

#include "reply.h"

int is_read(const char *op) {
  return strcmp(op, "list") == 0 || strcmp(op, "retrieve") == 0 || strcmp(op, "search") == 0 || strcmp(op, "aggregate") == 0;
}

/* Arguments of an operation being put together: members of one object. */
typedef struct arguments {
  text t;
} arguments;

static void begin(arguments *a, const char *name) {
  add_text(&a->t, a->t.len > 1 ? ",\"" : "\"");
  add_text(&a->t, name);
  add_text(&a->t, "\":");
}

/* A member of the call under the API's name, if it is given. */
static int hand_on(arguments *a, const doc *d, int call, const char *theirs, const char *ours) {
  int value = member(d, call, theirs);
  if (value == NONE) return 0;
  begin(a, ours);
  add_plain_value(&a->t, d, value);
  return 1;
}

static void constant(arguments *a, const char *name, const char *json) {
  begin(a, name);
  add_text(&a->t, json);
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

/* The reference asks for {"nulls": "auto"} where a sort order does not say. */
static void sort_order(arguments *a, const doc *d, int call) {
  int sort = member(d, call, "sort"), i;
  const char *between = "";
  if (sort == NONE) return;
  begin(a, "sort");
  add_text(&a->t, "[");
  for (i = first_of(d, sort); i != NONE; i = next_of(d, i)) {
    text one = {NULL, 0, 0};
    add_plain_value(&one, d, i);
    add_text(&a->t, between);
    if (is_object(d, i) && member(d, i, "nulls") == NONE && one.len > 2) {
      add(&a->t, one.at, one.len - 1);
      add_text(&a->t, ",\"nulls\":\"auto\"}");
    } else {
      add(&a->t, one.at, one.len);
    }
    between = ",";
    free_text(&one);
  }
  add_text(&a->t, "]");
}

static void list_arguments(arguments *a, const doc *d, int call, const char *resource) {
  static const char *const views[][2] = {{"includeInheritedProperties", "true"}, {"allVersions", "false"}, {"includeGlobal", "false"}, {NULL, NULL}};
  int filter = member(d, call, "filter"), limit = member(d, call, "limit");
  int views_wanted = strcmp(resource, "data_modeling.views") == 0;
  hand_on(a, d, call, "db", "dbName");
  hand_on(a, d, call, "table", "tableName");
  if (strncmp(resource, "raw.", 4) == 0 || views_wanted) {
    members_of(a, d, filter, views_wanted ? views : NULL);
    hand_on(a, d, call, "space", "space");
  } else if (filter != NONE) {
    hand_on(a, d, call, "filter", "filter");
  }
  if (strcmp(resource, "data_modeling.instances") == 0) {
    if (!hand_on(a, d, call, "include_typing", "includeTyping")) constant(a, "includeTyping", "false");
    if (!hand_on(a, d, call, "instance_type", "instanceType")) constant(a, "instanceType", "\"node\"");
    hand_on(a, d, call, "sources", "sources");
  }
  if (limit != NONE && is_object(d, limit)) constant(a, "limit", "null"); /* infinity, which JSON does not have */
  else hand_on(a, d, call, "limit", "limit");
  hand_on(a, d, call, "partitions", "partitions");
  hand_on(a, d, call, "advanced_filter", "advancedFilter");
  hand_on(a, d, call, "aggregated_properties", "aggregatedProperties");
  sort_order(a, d, call);
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

static void retrieve_arguments(arguments *a, const doc *d, int call, const char *resource, int single) {
  const char *between = "";
  if (strcmp(resource, "raw.rows") == 0) {
    hand_on(a, d, call, "db", "dbName");
    hand_on(a, d, call, "table", "tableName");
    hand_on(a, d, call, "key", "rowKey");
    return;
  }
  if (single) {
    hand_on(a, d, call, "id", "id");
    hand_on(a, d, call, "external_id", "externalId");
    return;
  }
  begin(a, "items");
  add_text(&a->t, "[");
  identifiers(a, d, member(d, call, "ids"), "id", NULL, &between);
  identifiers(a, d, member(d, call, "external_ids"), "externalId", NULL, &between);
  identifiers(a, d, member(d, call, "nodes"), NULL, "node", &between);
  identifiers(a, d, member(d, call, "edges"), NULL, "edge", &between);
  add_text(&a->t, "]");
  if (strcmp(resource, "data_modeling.instances") == 0) constant(a, "includeTyping", "false");
  else if (!hand_on(a, d, call, "ignore_unknown_ids", "ignoreUnknownIds")) constant(a, "ignoreUnknownIds", "false");
}

static void search_arguments(arguments *a, const doc *d, int call, const char *resource) {
  if (strcmp(resource, "data_modeling.instances") == 0) {
    hand_on(a, d, call, "view", "view");
    hand_on(a, d, call, "query", "query");
    hand_on(a, d, call, "properties", "properties");
    if (!hand_on(a, d, call, "instance_type", "instanceType")) constant(a, "instanceType", "\"node\"");
    constant(a, "operator", "\"AND\"");
  } else {
    hand_on(a, d, call, "search", "search");
  }
  hand_on(a, d, call, "filter", "filter");
  hand_on(a, d, call, "limit", "limit");
}

static void aggregate_arguments(arguments *a, const doc *d, int call) {
  int property = member(d, call, "property");
  hand_on(a, d, call, "aggregate", "aggregate");
  if (property != NONE) {
    begin(a, "properties");
    add_text(&a->t, is_text(d, property) ? "[{\"property\":[" : "[{\"property\":");
    add_plain_value(&a->t, d, property);
    add_text(&a->t, is_text(d, property) ? "]}]" : "}]");
  }
  hand_on(a, d, call, "path", "path");
  hand_on(a, d, call, "filter", "filter");
  hand_on(a, d, call, "advanced_filter", "advancedFilter");
}

/* What an operation gave, in the words of the vectors. */
static void add_result(text *t, const doc *body, const char *op, int single, int counted) {
  int items = member(body, 0, "items"), first = first_of(body, items);
  if (strcmp(op, "retrieve") == 0 && single) {
    add_text(t, "{\"item\":");
    if (items == NONE) add_value(t, body, 0);
    else if (first == NONE) add_text(t, "null");
    else add_value(t, body, first);
  } else if (counted) {
    add_text(t, "{\"count\":");
    if (member(body, first, "count") != NONE) add_value(t, body, member(body, first, "count"));
    else add_text(t, "null");
  } else {
    add_text(t, "{\"items\":");
    if (items == NONE) add_text(t, "[]");
    else add_value(t, body, items);
  }
  add_text(t, "}");
}

void read_items(text *t, cognite_client *client, const char *op, const doc *d, int call) {
  char *resource = text_of(d, member(d, call, "resource"), NULL), *aggregate = text_of(d, member(d, call, "aggregate"), NULL);
  int single = strcmp(op, "retrieve") == 0 && member(d, call, "ids") == NONE && member(d, call, "external_ids") == NONE &&
               member(d, call, "nodes") == NONE && member(d, call, "edges") == NONE;
  int counted = strcmp(op, "aggregate") == 0 && aggregate != NULL && (strcmp(aggregate, "count") == 0 || strncmp(aggregate, "card", 4) == 0);
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
  else aggregate_arguments(&a, d, call);
  add_text(&a.t, "}");
  operation.name = name.at;
  operation.arguments = a.t.at;
  operation.arguments_len = a.t.len;
  status = cognite_client_operate(client, &operation, &response, &error);
  if (status == COGNITE_OK) {
    size_t len;
    const char *at = cognite_response_body(response, &len);
    doc body;
    add_text(t, "{\"ok\":");
    if (parse(&body, at, len)) {
      add_result(t, &body, op, single, counted);
      free_doc(&body);
    } else {
      add_text(t, "\"the result is not JSON\"");
    }
    add_text(t, "}");
  } else if (status == COGNITE_ERR_NOT_FOUND && single) {
    add_text(t, "{\"ok\":{\"item\":null}}"); /* as the reference tells it */
  } else {
    add_text(t, "{\"error\":");
    add_error(t, error);
    add_text(t, "}");
  }
  cognite_error_free(error);
  cognite_response_free(response);
  free_text(&name);
  free_text(&a.t);
  free(resource);
  free(aggregate);
}
