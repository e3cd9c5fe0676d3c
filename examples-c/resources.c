/* resources.c - a tour of the API by operation names: make, find, change, count and delete things of several kinds.
 *
 *   cc -std=c99 resources.c example.c -o resources $(pkg-config --cflags --libs cognite)
 *   ./resources                     (the connection comes from COGNITE_* variables, see example.h)
 *   ./resources --list              every operation there is, one a line
 *
 * One function does all of it: cognite_client_operate() takes the name of an operation and its arguments as JSON in the
 * API's own words. How many requests that takes (pages, chunks, repeats) is the library's business. */
#include "example.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static cognite_client *client;
static int failures = 0;

/* Carries out an operation and prints the beginning of its result. */
static void step(const char *what, const char *name, const char *arguments) {
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  operation.name = name;
  operation.arguments = arguments;
  operation.arguments_len = strlen(arguments);
  if (cognite_client_operate(client, &operation, &response, &error) == COGNITE_OK) {
    printf("%-34s %-24s %.120s\n", what, name, cognite_response_body(response, NULL));
  } else {
    printf("%-34s %-24s FAILED: %s\n", what, name, cognite_error_message(error));
    failures++;
  }
  cognite_response_free(response);
  cognite_error_free(error);
}

/* The list that a program would generate its own functions from. */
static int list_operations(void) {
  cognite_response *all = NULL;
  const char *at, *name;
  if (cognite_operations_json(&all, NULL) != COGNITE_OK) return 1;
  for (at = cognite_response_body(all, NULL); (at = strstr(at, "{\"name\":\"")) != NULL; at = name) {
    name = at + strlen("{\"name\":\"");
    printf("%.*s\n", (int)strcspn(name, "\""), name);
  }
  cognite_response_free(all);
  return 0;
}

int main(int argc, char **argv) {
  char id[64], text[600];
  if (argc > 1 && strcmp(argv[1], "--list") == 0) return list_operations();
  client = example_client("resources");
  if (client == NULL) return 1;
  snprintf(id, sizeof id, "demo-%ld", (long)time(NULL)); /* new in each run */

  snprintf(text, sizeof text, "{\"items\": [{\"externalId\": \"%s-pump\", \"name\": \"Pump\"}, {\"externalId\": \"%s-tank\", \"name\": \"Tank\"}]}", id, id);
  step("two assets", "assets.create", text);
  snprintf(text, sizeof text, "{\"filter\": {\"externalIdPrefix\": \"%s-\"}, \"limit\": null}", id);
  step("found again by a filter", "assets.list", text);
  snprintf(text, sizeof text, "{\"externalId\": \"%s-pump\"}", id);
  step("one of them by its name", "assets.retrieve", text);
  snprintf(text, sizeof text, "{\"items\": [{\"externalId\": \"%s-pump\", \"update\": {\"description\": {\"set\": \"leaks\"}}}]}", id);
  step("changed", "assets.update", text);
  step("counted", "assets.count", "{}");
  snprintf(text, sizeof text, "{\"items\": [{\"externalId\": \"%s-leak\", \"type\": \"leak\", \"startTime\": 1700000000000}]}", id);
  step("an event", "events.create", text);

  snprintf(text, sizeof text, "{\"dbName\": \"%s\", \"tableName\": \"readings\", \"ensureParent\": true, \"items\": [{\"key\": \"a/1\", \"columns\": {\"v\": 1.50}}, {\"key\": \"b\", \"columns\": {\"v\": 2}}]}", id);
  step("rows; database and table appear", "raw.rows.insert", text);
  snprintf(text, sizeof text, "{\"dbName\": \"%s\", \"tableName\": \"readings\", \"limit\": null}", id);
  step("all rows", "raw.rows.list", text);
  snprintf(text, sizeof text, "{\"dbName\": \"%s\", \"tableName\": \"readings\", \"rowKey\": \"a/1\"}", id);
  step("one row; its key is escaped", "raw.rows.retrieve", text);

  snprintf(text, sizeof text, "{\"items\": [{\"externalId\": \"%s-leak\"}]}", id);
  step("gone", "events.delete", text);
  snprintf(text, sizeof text, "{\"items\": [{\"externalId\": \"%s-pump\"}, {\"externalId\": \"%s-tank\"}], \"ignoreUnknownIds\": true}", id, id);
  step("gone", "assets.delete", text);
  snprintf(text, sizeof text, "{\"items\": [{\"name\": \"%s\"}], \"recursive\": true}", id);
  step("gone, with its tables", "raw.databases.delete", text);

  cognite_client_free(client);
  return cognite_shutdown(NULL) == COGNITE_OK && failures == 0 ? 0 : 1;
}
