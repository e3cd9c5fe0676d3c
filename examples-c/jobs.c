/* jobs.c - what the service does for you: a group, an extraction pipeline that reports its runs, a transformation, a
 * function and a workflow, each made, run to its end and removed.
 *
 *   cc -std=c99 jobs.c example.c -o jobs $(pkg-config --cflags --libs cognite)
 *   ./jobs                          (the connection comes from COGNITE_* variables, see example.h)
 *
 * The operations that end in "and_wait" look at a job until it has ended, well or not. When the wait is cut short, by a time
 * limit or a cancel token, the job goes on, and the error says which one it is. */
#define _POSIX_C_SOURCE 200809L
#include "example.h"
#include "json_scan.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static cognite_client *client;
static long run; /* makes the external ids of this run its own */

/* handler.py in a zip file without compression: def handle(data): return {"sum": data["a"] + data["b"]} */
static const char code[] =
  "PK\003\004\024\000\000\000\000\000\000\000!X\230)\346\202<\000\000\000<\000\000\000\n"
  "\000\000\000handler.pydef handle(data):\n"
  "    return {\"sum\": data[\"a\"] + data[\"b\"]}\n"
  "PK\001\002\024\003\024\000\000\000\000\000\000\000!X\230)\346\202<\000\000\000<\000\000\000\n"
  "\000\000\000\000\000\000\000\000\000\000\000\244\001\000\000\000\000handler.pyPK\005\006\000\000\000\000"
  "\001\000\001\0008\000\000\000d\000\000\000\000\000";

/* Copies a member of an answer, or of its first item, as it is written; frees the answer. "" if there is none. */
static const char *told(cognite_response *answer, const char *name, char *out, size_t size) {
  size_t length = 0;
  const char *text = cognite_response_body(answer, &length), *end = text + length;
  const char *item = json_first(json_member(text, end, "items"), end), *value = NULL;
  if (answer != NULL) value = json_member(item != NULL ? item : text, end, name);
  snprintf(out, size, "%.*s", value != NULL ? (int)(json_skip(value, end) - value) : 0, value != NULL ? value : "");
  cognite_response_free(answer);
  return out;
}

/* A login that a job may use once, in the name of this program. */
static const char *nonce(char *out, size_t size) {
  return told(example_operate(client, "iam.sessions.create", "{\"items\":[{\"tokenExchange\":true}]}"), "nonce", out, size);
}

static int pipeline(const char *data_set) {
  return example_step("an extraction pipeline", example_operate(client, "extraction_pipelines.create",
           "{\"items\":[{\"externalId\":\"demo.%ld\",\"name\":\"Demo\",\"dataSetId\":%s}]}", run, data_set)) &
         example_step("it has run", example_operate(client, "extraction_pipelines.runs.create",
           "{\"items\":[{\"externalId\":\"demo.%ld\",\"status\":\"success\",\"message\":\"42 rows\"}]}", run)) &
         example_step("and failed once", example_operate(client, "extraction_pipelines.runs.create",
           "{\"items\":[{\"externalId\":\"demo.%ld\",\"status\":\"failure\",\"message\":\"no connection\"}]}", run)) &
         example_step("its runs that failed", example_operate(client, "extraction_pipelines.runs.filter",
           "{\"filter\":{\"externalId\":\"demo.%ld\",\"statuses\":[\"failure\"]},\"limit\":null}", run)) &
         example_step("gone", example_operate(client, "extraction_pipelines.delete", "{\"externalIds\":[\"demo.%ld\"]}", run));
}

static int transformation(void) {
  char read[200], write[200];
  int good = *nonce(read, sizeof read) && *nonce(write, sizeof write);
  good &= example_step("a transformation", example_operate(client, "transformations.create",
    "{\"items\":[{\"externalId\":\"demo.%ld\",\"name\":\"Demo\",\"ignoreNullFields\":true,\"destination\":{\"type\":\"events\"},"
    "\"query\":\"select 'demo.%ld' as externalId, 'demo' as type\",\"sourceNonce\":{\"nonce\":%s},\"destinationNonce\":{\"nonce\":%s}}]}",
    run, run, read, write));
  good &= example_step("run to its end", example_operate(client, "transformations.run_and_wait",
    "{\"externalId\":\"demo.%ld\",\"pollMs\":200}", run));
  good &= example_step("its jobs", example_operate(client, "transformations.jobs.list",
    "{\"transformationExternalId\":\"demo.%ld\",\"limit\":3}", run));
  good &= example_step("gone", example_operate(client, "transformations.delete", "{\"externalIds\":[\"demo.%ld\"]}", run));
  good &= example_step("and what it wrote", example_operate(client, "events.delete",
    "{\"externalIds\":[\"demo.%ld\"],\"ignoreUnknownIds\":true}", run));
  return good;
}

/* A file with the function's code; its id. */
static const char *upload(char *id, size_t size) {
  char url[600];
  cognite_request put = COGNITE_REQUEST_INIT;
  cognite_response *answer = NULL;
  cognite_error *error = NULL;
  told(example_operate(client, "files.create",
         "{\"name\":\"demo.zip\",\"externalId\":\"demo.%ld.code\",\"mimeType\":\"application/zip\",\"overwrite\":true}", run),
       "uploadUrl", url, sizeof url);
  if (strlen(url) < 3) return "";
  url[strlen(url) - 1] = '\0'; /* without its quotes */
  put.method = "PUT";
  put.url = url + 1; /* of another host: the token stays here */
  put.body = code;
  put.body_len = sizeof code - 1;
  put.content_type = "application/zip";
  if (cognite_client_call(client, &put, &answer, &error)) {
    example_fail("upload", error);
    return "";
  }
  cognite_response_free(answer);
  return told(example_operate(client, "files.retrieve", "{\"externalId\":\"demo.%ld.code\"}", run), "id", id, size);
}

/* Functions take a while until they can be called. */
static int is_ready(void) {
  const struct timespec pause = {0, 300000000};
  char status[40] = "";
  int looks;
  for (looks = 0; looks < 2000 && strcmp(status, "\"Ready\"") != 0; looks++) {
    if (looks > 0) nanosleep(&pause, NULL);
    told(example_operate(client, "functions.retrieve", "{\"externalId\":\"demo.%ld\"}", run), "status", status, sizeof status);
    if (status[0] == '\0' || strcmp(status, "\"Failed\"") == 0) return 0;
  }
  return strcmp(status, "\"Ready\"") == 0;
}

static int function_and_workflow(void) {
  char file[40] = "", function[40] = "";
  int good;
  upload(file, sizeof file);
  told(example_operate(client, "functions.create",
    "{\"items\":[{\"name\":\"demo\",\"externalId\":\"demo.%ld\",\"fileId\":%s}]}", run, *file ? file : "0"), "id", function, sizeof function);
  good = *function && is_ready();
  printf("%-44s %s\n", "a function", good ? function : "FAILED");
  good = good && example_step("called, and its answer", example_operate(client, "functions.call_and_wait",
    "{\"functionId\":%s,\"data\":{\"a\":1,\"b\":2},\"pollMs\":200}", function));

  good &= example_step("a workflow", example_operate(client, "workflows.upsert", "{\"items\":[{\"externalId\":\"demo.%ld\"}]}", run));
  good &= example_step("its only task calls the function", example_operate(client, "workflows.versions.upsert",
    "{\"items\":[{\"workflowExternalId\":\"demo.%ld\",\"version\":\"1\",\"workflowDefinition\":{\"tasks\":[{\"externalId\":\"sum\","
    "\"type\":\"function\",\"parameters\":{\"function\":{\"externalId\":\"demo.%ld\",\"data\":{\"a\":3,\"b\":4}}}}]}}]}", run, run));
  good &= example_step("run to its end", example_operate(client, "workflows.executions.run_and_wait",
    "{\"workflowExternalId\":\"demo.%ld\",\"version\":\"1\",\"pollMs\":200}", run));
  good &= example_step("gone", example_operate(client, "workflows.delete", "{\"items\":[{\"externalId\":\"demo.%ld\"}]}", run));
  good &= example_step("gone", example_operate(client, "functions.delete", "{\"externalIds\":[\"demo.%ld\"]}", run));
  good &= example_step("gone", example_operate(client, "files.delete", "{\"externalIds\":[\"demo.%ld.code\"]}", run));
  return good;
}

int main(void) {
  char data_set[40], group[40];
  int good;
  client = example_client("jobs");
  if (client == NULL) return 1;
  run = (long)time(NULL);

  told(example_operate(client, "iam.groups.create", "{\"items\":[{\"name\":\"demo.%ld\",\"capabilities\":[]}]}", run), "id", group, sizeof group);
  good = example_step("the groups there are", example_operate(client, "iam.groups.list", "{\"limit\":null}"));
  good &= *group && example_step("gone", example_operate(client, "iam.groups.delete", "{\"items\":[%s]}", group));
  told(example_operate(client, "data_sets.create", "{\"items\":[{\"externalId\":\"demo.jobs.%ld\"}]}", run), "id", data_set, sizeof data_set);
  good &= *data_set && pipeline(data_set);
  good &= transformation();
  good &= function_and_workflow();

  cognite_client_free(client);
  cognite_shutdown(NULL);
  printf("jobs: %s\n", good ? "all as expected" : "FAILED");
  return good ? 0 : 1;
}
