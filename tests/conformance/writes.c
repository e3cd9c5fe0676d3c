#include "writes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "classes.h"
#include "reply.h"

int is_write(const char *op) {
  return strcmp(op, "create") == 0 || strcmp(op, "update") == 0 || strcmp(op, "upsert") == 0 || strcmp(op, "delete") == 0;
}

/* The names that the API gives to what the vectors name. */
static void add_name(text *t, const char *name) {
  static const char *const own[][2] = {{"db", "dbName"}, {"table", "tableName"}, {"item", "items"}, {"patches", "items"}};
  size_t i;
  for (i = 0; i < sizeof own / sizeof *own; i++) {
    if (strcmp(name, own[i][0]) == 0) {
      add_text(t, own[i][1]);
      return;
    }
  }
  for (; *name != '\0'; name++) {
    char c = *name;
    if (c == '_' && name[1] != '\0') c = (char)toupper((unsigned char)*++name);
    add(t, &c, 1);
  }
}

/* Lists of names and identifiers, of which a single one may be given as it is. */
static int is_list_of_names(const char *name) {
  static const char *const lists[] = {"ids", "external_ids", "keys", "names", "spaces"};
  size_t i;
  for (i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (strcmp(name, lists[i]) == 0) return 1;
  }
  return 0;
}

/* One change of a property: the reference clears what is set to null, and a map by setting it to an empty one. */
static void add_change(text *t, const doc *d, const char *property, int change) {
  int set = member(d, change, "set"), cleared = member(d, change, "setNull") != NONE || (set != NONE && is_null(d, set));
  if (!cleared) add_plain_value(t, d, change);
  else add_text(t, strcmp(property, "metadata") == 0 ? "{\"set\":{}}" : "{\"setNull\":true}");
}

/* A patch is known by its id if it has one. */
static void add_patch(text *t, const doc *d, int patch) {
  int by_id = member(d, patch, "id") != NONE, update = member(d, patch, "update"), i;
  const char *between = "";
  add_text(t, by_id ? "{\"id\":" : "{\"externalId\":");
  add_plain_value(t, d, member(d, patch, by_id ? "id" : "externalId"));
  add_text(t, ",\"update\":{");
  for (i = first_of(d, update); i != NONE; i = next_of(d, i)) {
    char *name = text_of(d, i, NULL);
    add_text(t, between);
    add_value(t, d, i);
    add_text(t, ":");
    add_change(t, d, name, value_of(d, i));
    between = ",";
    free(name);
  }
  add_text(t, "}}");
}

static void add_patches(text *t, const doc *d, int patches) {
  const char *between = "";
  int i;
  add_text(t, "[");
  for (i = first_of(d, patches); i != NONE; i = next_of(d, i)) {
    add_text(t, between);
    add_patch(t, d, i);
    between = ",";
  }
  add_text(t, "]");
}

/* Views to be made say that they implement no other. */
static void add_new_views(text *t, const doc *d, int views) {
  const char *between = "";
  int i;
  if (!is_list(d, views)) {
    add_with(t, d, views, "implements", "[]");
    return;
  }
  add_text(t, "[");
  for (i = first_of(d, views); i != NONE; i = next_of(d, i)) {
    add_text(t, between);
    add_with(t, d, i, "implements", "[]");
    between = ",";
  }
  add_text(t, "]");
}

static int names_nothing(const doc *d, int call) {
  static const char *const lists[] = {"ids", "external_ids", "keys", "names", "nodes", "edges", "spaces"};
  size_t i;
  for (i = 0; i < sizeof lists / sizeof *lists; i++) {
    if (member(d, call, lists[i]) != NONE) return 0;
  }
  return 1;
}

static void add_arguments(text *t, const doc *d, int call, const char *op, const char *resource) {
  const char *between = "";
  int i, single;
  add_text(t, "{");
  if (strcmp(op, "delete") == 0 && names_nothing(d, call)) {
    add_text(t, "\"ids\":[]");
    between = ",";
  }
  for (i = first_of(d, call); i != NONE; i = next_of(d, i)) {
    char *name = text_of(d, i, NULL);
    if (strcmp(name, "op") != 0 && strcmp(name, "resource") != 0) {
      add_text(t, between);
      add_text(t, "\"");
      add_name(t, name);
      add_text(t, "\":");
      single = is_list_of_names(name) && !is_list(d, value_of(d, i)) && !is_null(d, value_of(d, i));
      if (single) add_text(t, "[");
      if (strcmp(name, "patches") == 0) add_patches(t, d, value_of(d, i));
      else if (strcmp(resource, "data_modeling.views") == 0 && strncmp(name, "item", 4) == 0) add_new_views(t, d, value_of(d, i));
      else add_plain_value(t, d, value_of(d, i));
      if (single) add_text(t, "]");
      between = ",";
    }
    free(name);
  }
  add_text(t, "}");
}

static void add_operation(text *t, const char *op, const char *resource) {
  int model = strncmp(resource, "data_modeling.", 14) == 0;
  add_text(t, resource);
  add_text(t, ".");
  if (strcmp(op, "create") == 0 && model) add_text(t, "apply");
  else if (strcmp(op, "create") == 0 && strcmp(resource, "raw.rows") == 0) add_text(t, "insert");
  else add_text(t, op);
}

/* Identifiers of the instances of one kind among the items of an answer. */
static void add_kind(text *t, const doc *d, int items, const char *kind) {
  const char *between = "";
  int i;
  add_text(t, "[");
  for (i = first_of(d, items); i != NONE; i = next_of(d, i)) {
    char *type = text_of(d, member(d, i, "instanceType"), NULL);
    if (strcmp(type, kind) == 0) {
      add_text(t, between);
      add_text(t, "{\"space\":");
      add_value(t, d, member(d, i, "space"));
      add_text(t, ",\"externalId\":");
      add_value(t, d, member(d, i, "externalId"));
      add_text(t, ",\"type\":\"");
      add_text(t, kind);
      add_text(t, "\"}");
      between = ",";
    }
    free(type);
  }
  add_text(t, "]");
}

static void add_result(text *t, const char *op, const char *resource, int single, const doc *d) {
  int items = member(d, 0, "items"), i;
  const char *between = "";
  if (strcmp(resource, "data_modeling.instances") == 0 && strcmp(op, "delete") == 0) {
    add_text(t, "{\"nodes\":");
    add_kind(t, d, items, "node");
    add_text(t, ",\"edges\":");
    add_kind(t, d, items, "edge");
    add_text(t, "}");
  } else if (strcmp(resource, "data_modeling.spaces") == 0 && strcmp(op, "delete") == 0) {
    add_text(t, "{\"items\":[");
    for (i = first_of(d, items); i != NONE; i = next_of(d, i)) {
      add_text(t, between);
      add_value(t, d, member(d, i, "space"));
      between = ",";
    }
    add_text(t, "]}");
  } else if (strcmp(op, "delete") == 0 || strcmp(resource, "raw.rows") == 0) {
    add_text(t, "null");
  } else if (single) {
    add_text(t, "{\"item\":");
    i = first_of(d, items);
    if (i == NONE) add_text(t, "null");
    else if (strcmp(resource, "data_modeling.views") == 0) add_view(t, d, i);
    else add_value(t, d, i);
    add_text(t, "}");
  } else {
    add_text(t, "{\"items\":");
    if (strcmp(resource, "data_modeling.instances") == 0) add_instances(t, d, items);
    else if (strcmp(resource, "data_modeling.views") == 0) add_views(t, d, items, 0);
    else add_value(t, d, items);
    add_text(t, "}");
  }
}

void write_items(text *t, cognite_client *client, const char *op, const doc *d, int call) {
  char *resource = text_of(d, member(d, call, "resource"), NULL);
  /* The reference tells created items as they were sent, all others by their bare identifiers. */
  manner how = strcmp(op, "create") != 0 || strcmp(resource, "raw.rows") == 0 ? BARE : WHOLE;
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  text name = {NULL, 0, 0}, arguments = {NULL, 0, 0};
  add_operation(&name, op, resource);
  add_arguments(&arguments, d, call, op, resource);
  operation.name = name.at;
  operation.arguments = arguments.at;
  operation.arguments_len = arguments.len;
  if (cognite_client_operate(client, &operation, &response, &error) == COGNITE_OK) {
    size_t len;
    const char *body = cognite_response_body(response, &len);
    doc answer;
    add_text(t, "{\"ok\":");
    if (parse(&answer, body, len)) add_result(t, op, resource, member(d, call, "item") != NONE, &answer);
    else add_text(t, "\"the library's result is not JSON\"");
    add_text(t, "}");
    free_doc(&answer);
  } else {
    add_text(t, "{\"error\":");
    add_item_error(t, error, how);
    add_text(t, "}");
  }
  cognite_error_free(error);
  cognite_response_free(response);
  free_text(&name);
  free_text(&arguments);
  free(resource);
}
