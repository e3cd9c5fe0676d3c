/* hierarchy.c - a small plant: a data set, labels, assets in a hierarchy, events, relationships, a RAW table and a
 * sequence, made by operations; then read back, changed, and removed.
 *
 *   cc -std=c99 hierarchy.c example.c -o hierarchy $(pkg-config --cflags --libs cognite)
 *   ./hierarchy                     (the connection comes from COGNITE_* variables, see example.h)
 *
 * An operation is named like the API's own and takes the API's own JSON; the library cuts the items into requests, keeps
 * order where it matters, and tells of every item what became of it. cognite_operations_json() lists all operations. */
#include "example.h"
#include "json_scan.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static long run; /* makes the external ids of this run its own */

/* Prints the items of an answer, one a line: the value of `name` and, if there is one, of `more`. */
static int print_items(const char *title, cognite_response *answer, const char *name, const char *more) {
  size_t length = 0;
  const char *text = cognite_response_body(answer, &length), *end = text + length, *item;
  int count = 0;
  if (answer == NULL) return 0;
  printf("%s\n", title);
  for (item = json_first(json_member(text, end, "items"), end); item != NULL; item = json_next(item, end)) {
    const char *a = json_member(item, end, name), *b = more != NULL ? json_member(item, end, more) : NULL;
    printf("  %.*s", a != NULL ? (int)(json_skip(a, end) - a) : 1, a != NULL ? a : "-");
    if (b != NULL) printf("  %.*s", (int)(json_skip(b, end) - b), b);
    printf("\n");
    count++;
  }
  cognite_response_free(answer);
  return count;
}

/* The id of the first item of an answer, which is freed; 0: there is none. */
static int64_t first_id(cognite_response *answer) {
  size_t length = 0;
  const char *text = cognite_response_body(answer, &length), *end = text + length;
  int64_t id = 0;
  if (answer != NULL && !json_integer(json_member(json_first(json_member(text, end, "items"), end), end, "id"), end, &id)) id = 0;
  cognite_response_free(answer);
  return id;
}

static int did(cognite_response *answer) {
  int good = answer != NULL;
  cognite_response_free(answer);
  return good;
}

/* Some items exist already. Without SPLIT the whole request would be refused; with it the new ones get in, and the error
 * says of each item what became of it. */
static int some_exist(cognite_client *client) {
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *answer = NULL;
  cognite_error *error = NULL;
  char items[600];
  int good;
  snprintf(items, sizeof items,
           "{\"items\":[{\"externalId\":\"demo.%ld.pump.1\",\"name\":\"again\"},{\"externalId\":\"demo.%ld.pump.3\",\"name\":\"Pump 3\","
           "\"parentExternalId\":\"demo.%ld.plant\"}]}",
           run, run, run);
  operation.name = "assets.create";
  operation.arguments = items;
  operation.arguments_len = strlen(items);
  operation.flags = COGNITE_OPERATION_SPLIT;
  good = cognite_client_operate(client, &operation, &answer, &error) == COGNITE_ERR_PARTIAL;
  printf("one of two assets exists already: %s\n  %s\n", cognite_status_name(cognite_error_status(error)), cognite_error_message(error));
  if (good) { /* the lists are in the error's JSON: succeeded, failed, unknown, skipped */
    const char *json = cognite_error_json(error), *end = json + strlen(json);
    const char *in = json_member(json, end, "succeeded"), *out = json_member(json, end, "failed");
    printf("  succeeded %.*s\n  failed    %.*s\n", (int)(json_skip(in, end) - in), in, (int)(json_skip(out, end) - out), out);
  }
  cognite_response_free(answer);
  cognite_error_free(error);
  return good;
}

int main(void) {
  cognite_client *client = example_client("hierarchy");
  int64_t data_set, pump;
  int good = 1;

  if (client == NULL) return 1;
  run = (long)time(NULL);

  data_set = first_id(example_operate(client, "data_sets.create", "{\"items\":[{\"externalId\":\"demo.%ld\",\"name\":\"Demo\"}]}", run));
  good &= data_set != 0;
  good &= did(example_operate(client, "labels.create", "{\"items\":[{\"externalId\":\"demo.%ld.rotating\",\"name\":\"Rotating\"}]}", run));

  /* Children may stand before their parents, in any number: 100,000 assets are made in the same way. */
  good &= print_items("assets", example_operate(client, "assets.create_hierarchy",
    "{\"items\":["
    "{\"externalId\":\"demo.%ld.pump.1\",\"name\":\"Pump 1\",\"parentExternalId\":\"demo.%ld.plant\",\"dataSetId\":%lld,"
      "\"labels\":[{\"externalId\":\"demo.%ld.rotating\"}],\"metadata\":{\"maker\":\"ACME\"}},"
    "{\"externalId\":\"demo.%ld.pump.2\",\"name\":\"Pump 2\",\"parentExternalId\":\"demo.%ld.plant\"},"
    "{\"externalId\":\"demo.%ld.motor\",\"name\":\"Motor\",\"parentExternalId\":\"demo.%ld.pump.1\"},"
    "{\"externalId\":\"demo.%ld.plant\",\"name\":\"Plant\"}]}",
    run, run, (long long)data_set, run, run, run, run, run, run), "externalId", "name") == 4;
  good &= some_exist(client);

  /* Whole objects: what exists is changed, what does not is created. */
  good &= print_items("upserted", example_operate(client, "assets.upsert",
    "{\"items\":[{\"externalId\":\"demo.%ld.pump.2\",\"name\":\"Pump 2, overhauled\"},{\"externalId\":\"demo.%ld.pump.4\",\"name\":\"Pump 4\"}]}",
    run, run), "externalId", "name") == 2;
  good &= print_items("below the plant", example_operate(client, "assets.retrieve_subtree",
    "{\"externalId\":\"demo.%ld.plant\"}", run), "externalId", "name") == 5;

  pump = first_id(example_operate(client, "assets.retrieve", "{\"externalId\":\"demo.%ld.pump.1\"}", run));
  good &= print_items("events", example_operate(client, "events.create",
    "{\"items\":[{\"externalId\":\"demo.%ld.stop\",\"type\":\"stop\",\"startTime\":1700000000000,\"endTime\":1700000600000,\"assetIds\":[%lld]}]}",
    run, (long long)pump), "externalId", "type") == 1;
  good &= print_items("relationships", example_operate(client, "relationships.create",
    "{\"items\":[{\"externalId\":\"demo.%ld.feeds\",\"sourceType\":\"asset\",\"sourceExternalId\":\"demo.%ld.pump.1\","
    "\"targetType\":\"asset\",\"targetExternalId\":\"demo.%ld.pump.2\",\"confidence\":0.9}]}", run, run, run), "sourceExternalId",
    "targetExternalId") == 1;

  /* RAW: any number of rows; the database and the table are made on the way. */
  good &= did(example_operate(client, "raw.rows.insert",
    "{\"dbName\":\"demo.%ld\",\"tableName\":\"parts\",\"ensureParent\":true,\"items\":["
    "{\"key\":\"4711\",\"columns\":{\"name\":\"seal\",\"stock\":12}},{\"key\":\"4712\",\"columns\":{\"name\":\"bearing\",\"stock\":3}}]}", run));
  good &= print_items("rows", example_operate(client, "raw.rows.list",
    "{\"dbName\":\"demo.%ld\",\"tableName\":\"parts\",\"limit\":null}", run), "key", "columns") == 2;

  /* A sequence: rows of columns, here the curve of a pump. */
  good &= did(example_operate(client, "sequences.create",
    "{\"items\":[{\"externalId\":\"demo.%ld.curve\",\"name\":\"curve\",\"columns\":["
    "{\"externalId\":\"flow\",\"valueType\":\"DOUBLE\"},{\"externalId\":\"head\",\"valueType\":\"DOUBLE\"}]}]}", run));
  good &= did(example_operate(client, "sequences.data.insert",
    "{\"items\":[{\"externalId\":\"demo.%ld.curve\",\"columns\":[\"flow\",\"head\"],\"rows\":["
    "{\"rowNumber\":0,\"values\":[0,52.1]},{\"rowNumber\":1,\"values\":[10,50.3]},{\"rowNumber\":2,\"values\":[20,44.8]}]}]}", run));
  {
    cognite_response *curve = example_operate(client, "sequences.data.retrieve", "{\"externalId\":\"demo.%ld.curve\",\"start\":0}", run);
    good &= curve != NULL;
    if (curve != NULL) printf("curve\n  %s\n", cognite_response_body(curve, NULL));
    cognite_response_free(curve);
  }

  /* Away with it. Data sets cannot be deleted. */
  good &= did(example_operate(client, "sequences.delete", "{\"externalIds\":[\"demo.%ld.curve\"]}", run));
  good &= did(example_operate(client, "raw.databases.delete", "{\"names\":[\"demo.%ld\"],\"recursive\":true}", run));
  good &= did(example_operate(client, "relationships.delete", "{\"externalIds\":[\"demo.%ld.feeds\"]}", run));
  good &= did(example_operate(client, "events.delete", "{\"externalIds\":[\"demo.%ld.stop\"]}", run));
  good &= did(example_operate(client, "assets.delete",
    "{\"externalIds\":[\"demo.%ld.plant\",\"demo.%ld.pump.4\"],\"recursive\":true}", run, run));
  good &= did(example_operate(client, "labels.delete", "{\"externalIds\":[\"demo.%ld.rotating\"]}", run));

  cognite_client_free(client);
  cognite_shutdown(NULL);
  printf("hierarchy: %s\n", good ? "all as expected" : "FAILED");
  return good ? 0 : 1;
}
