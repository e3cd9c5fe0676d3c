/* resources.c - a tour of the API by operation names: make, find, change, count and delete things of several kinds.
 *
 *   cc -std=c99 resources.c example.c -o resources $(pkg-config --cflags --libs cognite)
 *   ./resources                     (the connection comes from COGNITE_* variables, see example.h)
 *   ./resources --list              every operation there is, one a line
 *
 * One function does all of it: cognite_client_operate() takes the name of an operation and its arguments as JSON in the
 * API's own words (example.c calls it). How many requests that takes (pages, chunks, repeats) is the library's business. */
#include "example.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

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
  cognite_client *client;
  char id[64];
  int good = 1;
  if (argc > 1 && strcmp(argv[1], "--list") == 0) return list_operations();
  client = example_client("resources");
  if (client == NULL) return 1;
  snprintf(id, sizeof id, "demo-%ld", (long)time(NULL)); /* new in each run */

  good &= example_step("two assets", example_operate(client, "assets.create",
    "{\"items\": [{\"externalId\": \"%s-pump\", \"name\": \"Pump\"}, {\"externalId\": \"%s-tank\", \"name\": \"Tank\"}]}", id, id));
  good &= example_step("found again by a filter", example_operate(client, "assets.list",
    "{\"filter\": {\"externalIdPrefix\": \"%s-\"}, \"limit\": null}", id));
  good &= example_step("one of them by its name", example_operate(client, "assets.retrieve",
    "{\"externalId\": \"%s-pump\"}", id));
  good &= example_step("changed", example_operate(client, "assets.update",
    "{\"items\": [{\"externalId\": \"%s-pump\", \"update\": {\"description\": {\"set\": \"leaks\"}}}]}", id));
  good &= example_step("counted", example_operate(client, "assets.count", "{}"));
  good &= example_step("an event", example_operate(client, "events.create",
    "{\"items\": [{\"externalId\": \"%s-leak\", \"type\": \"leak\", \"startTime\": 1700000000000}]}", id));

  good &= example_step("rows; database and table appear", example_operate(client, "raw.rows.insert",
    "{\"dbName\": \"%s\", \"tableName\": \"readings\", \"ensureParent\": true, \"items\": [{\"key\": \"a/1\", \"columns\": {\"v\": 1.50}}, {\"key\": \"b\", \"columns\": {\"v\": 2}}]}", id));
  good &= example_step("all rows", example_operate(client, "raw.rows.list",
    "{\"dbName\": \"%s\", \"tableName\": \"readings\", \"limit\": null}", id));
  good &= example_step("one row; its key is escaped", example_operate(client, "raw.rows.retrieve",
    "{\"dbName\": \"%s\", \"tableName\": \"readings\", \"rowKey\": \"a/1\"}", id));

  good &= example_step("gone", example_operate(client, "events.delete",
    "{\"items\": [{\"externalId\": \"%s-leak\"}]}", id));
  good &= example_step("gone", example_operate(client, "assets.delete",
    "{\"items\": [{\"externalId\": \"%s-pump\"}, {\"externalId\": \"%s-tank\"}], \"ignoreUnknownIds\": true}", id, id));
  good &= example_step("gone, with its tables", example_operate(client, "raw.databases.delete",
    "{\"items\": [{\"name\": \"%s\"}], \"recursive\": true}", id));

  cognite_client_free(client);
  return cognite_shutdown(NULL) == COGNITE_OK && good ? 0 : 1;
}
