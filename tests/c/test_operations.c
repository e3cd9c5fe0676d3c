/* test_operations.c - operations by name against a service: lists of many pages, many items, arguments that are refused. */
#define _DEFAULT_SOURCE
#include "connection.h"
#include <stdint.h>
#include <unistd.h>

static cognite_client *client;
static char unique[64]; /* starts the external ids of this run */

#define MANY 2345

static cognite_status operate(const char *name, const char *arguments, cognite_response **response, cognite_error **err) {
  cognite_operation operation = COGNITE_OPERATION_INIT;
  operation.name = name;
  operation.arguments = arguments;
  operation.arguments_len = arguments != NULL ? strlen(arguments) : 0;
  return cognite_client_operate(client, &operation, response, err);
}

/* The body of an operation that must succeed; the caller frees the response. */
static const char *body_of(const char *name, const char *arguments, cognite_response **response, int line) {
  cognite_error *err = NULL;
  char detail[400];
  cognite_status status = operate(name, arguments, response, &err);
  snprintf(detail, sizeof detail, "line %d: %s: %.300s", line, name, cognite_error_message(err));
  CHECK_(status == COGNITE_OK && *response != NULL && err == NULL, detail);
  cognite_error_free(err);
  return cognite_response_body(*response, NULL);
}
#define BODY(name, arguments) body_of(name, arguments, &response, __LINE__)

static int occurrences(const char *text, const char *word) {
  int n = 0;
  for (text = strstr(text, word); text != NULL; text = strstr(text + 1, word)) n++;
  return n;
}

/* An array of MANY objects {"externalId":"unique-0007"EXTRA}, with what stands before and after it. */
static char *many(const char *before, int reversed, const char *extra, const char *after) {
  size_t room = MANY * 160 + 1000, used;
  char *text = malloc(room);
  int i;
  if (text == NULL) abort();
  used = (size_t)snprintf(text, room, "%s[", before);
  for (i = 0; i < MANY; i++)
    used += (size_t)snprintf(text + used, room - used, "%s{\"externalId\":\"%s-%04d\"%s}", i > 0 ? "," : "", unique,
                             reversed ? MANY - 1 - i : i, extra);
  snprintf(text + used, room - used, "]%s", after);
  return text;
}

/* 1: the external ids 0000, 0001, ... or their reverse stand in this order. */
static int in_order(const char *text, int reversed) {
  char word[128];
  int i;
  for (i = 0; i < MANY; i++) {
    snprintf(word, sizeof word, "\"%s-%04d\"", unique, reversed ? MANY - 1 - i : i);
    text = strstr(text, word);
    if (text == NULL) return 0;
    text++;
  }
  return 1;
}

static void many_items(void) {
  cognite_response *response = NULL;
  char *arguments, shorter[400];
  const char *body;

  arguments = many("{\"items\":", 0, ",\"name\":\"many\"", "}");
  body = BODY("assets.create", arguments);
  CHECK(occurrences(body, "\"externalId\"") == MANY && in_order(body, 0));
  CHECK(cognite_response_attempts(response) == 3);
  CHECK(cognite_response_http_status(response) == 200);
  cognite_response_free(response);
  free(arguments);

  arguments = many("{\"items\":", 1, "", "}");
  body = BODY("assets.retrieve", arguments);
  CHECK(occurrences(body, "\"externalId\"") == MANY && in_order(body, 1));
  cognite_response_free(response);
  free(arguments);

  snprintf(shorter, sizeof shorter, "{\"externalId\":\"%s-0042\"}", unique);
  body = BODY("assets.retrieve", shorter);
  CHECK(occurrences(body, "-0042\"") == 1);
  cognite_response_free(response);
  snprintf(shorter, sizeof shorter, "{\"items\":[{\"externalId\":\"%s-0042\"},{\"externalId\":\"nobody\"}],\"ignoreUnknownIds\":true}",
           unique);
  body = BODY("assets.retrieve_multiple", shorter);
  CHECK(occurrences(body, "\"externalId\"") == 1);
  cognite_response_free(response);
  body = BODY("assets.retrieve_multiple", "{\"items\":[]}");
  CHECK_EQUAL(body, "{\"items\":[]}");
  cognite_response_free(response);
}

static void lists(void) {
  cognite_response *response = NULL;
  char arguments[400];
  const char *body;

  snprintf(arguments, sizeof arguments, "{\"filter\":{\"externalIdPrefix\":\"%s-\"},\"limit\":null}", unique);
  body = BODY("assets.list", arguments);
  CHECK(occurrences(body, "\"externalId\"") == MANY);
  CHECK_LACKS(body, "nextCursor");
  CHECK(cognite_response_attempts(response) == 3);
  cognite_response_free(response);

  snprintf(arguments, sizeof arguments, "{\"filter\":{\"externalIdPrefix\":\"%s-\"}}", unique);
  body = BODY("assets.list", arguments);
  CHECK(occurrences(body, "\"externalId\"") == 25);
  CHECK_CONTAINS(body, "\"nextCursor\":\"");
  cognite_response_free(response);

  snprintf(arguments, sizeof arguments, "{\"filter\":{\"externalIdPrefix\":\"%s-\"},\"limit\":1500,\"pageSize\":400}", unique);
  body = BODY("assets.list", arguments);
  CHECK(occurrences(body, "\"externalId\"") == 1500);
  CHECK(cognite_response_attempts(response) == 4);
  cognite_response_free(response);

  snprintf(arguments, sizeof arguments, "{\"filter\":{\"externalIdPrefix\":\"%s-\"},\"limit\":-1,\"partitions\":7}", unique);
  body = BODY("assets.list", arguments);
  CHECK(occurrences(body, "\"externalId\"") == MANY);
  cognite_response_free(response);

  body = BODY("assets.count", "{}");
  CHECK_CONTAINS(body, "\"count\":");
  cognite_response_free(response);
}

/* Page by page: every item once, in any mode, also from where another run stopped. */
static void page_by_page(void) {
  static const struct {
    uint32_t prefetch, flags;
    const char *more;
    int pages;
  } runs[] = {{0, 0, ",\"pageSize\":500", 5}, {1, 0, "", 3}, {2, COGNITE_OPERATION_UNCHECKED, ",\"pageSize\":300", 8},
              {1, 0, ",\"limit\":null,\"partitions\":4", 4}, {3, 0, ",\"limit\":1100,\"pageSize\":500", 3}};
  char arguments[800], cursor[300] = "";
  cognite_pages *pages = NULL;
  cognite_response *page = NULL;
  cognite_error *err = NULL;
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  size_t r, i, length;
  cognite_status status;
  operation.name = "assets.list";
  operation.arguments = arguments;
  for (r = 0; r < sizeof runs / sizeof *runs; r++) {
    size_t items = 0;
    int count = 0;
    snprintf(arguments, sizeof arguments, "{\"filter\":{\"externalIdPrefix\":\"%s-\"}%s}", unique, runs[r].more);
    operation.arguments_len = strlen(arguments);
    operation.flags = runs[r].flags;
    CHECK_STATUS(cognite_pages_new(client, &operation, runs[r].prefetch, &pages, &err), COGNITE_OK);
    while ((status = cognite_pages_next(pages, &page, &err)) == COGNITE_OK) {
      size_t n = cognite_response_item_count(page);
      for (i = 0; i < n; i++) {
        const char *item = cognite_response_item(page, i, &length);
        CHECK(length > 2 && item[0] == '{' && item[length - 1] == '}');
      }
      CHECK(cognite_response_item(page, n, &length) == NULL && length == 0);
      if (count == 0 && cognite_response_next_cursor(page) != NULL)
        snprintf(cursor, sizeof cursor, "%s", cognite_response_next_cursor(page));
      items += n;
      count++;
      cognite_response_free(page);
    }
    CHECK(status == COGNITE_ERR_EMPTY && page == NULL);
    cognite_error_free(err);
    CHECK(items == (r == 4 ? 1100 : MANY) && count == runs[r].pages);
    CHECK(cognite_pages_next(pages, &page, NULL) == COGNITE_ERR_EMPTY);
    cognite_pages_free(pages);
  }

  /* From behind the first 500 of the last run, told to a queue; the client may go before the pages. */
  snprintf(arguments, sizeof arguments, "{\"filter\":{\"externalIdPrefix\":\"%s-\"},\"cursor\":\"%s\"}", unique, cursor);
  operation.arguments_len = strlen(arguments);
  operation.flags = 0;
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  CHECK_STATUS(cognite_pages_new(client, &operation, 1, &pages, &err), COGNITE_OK);
  for (i = 0, length = 0; i < 3; i++) {
    CHECK_STATUS(cognite_pages_next_async(pages, &notify, &err), COGNITE_OK);
    CHECK_STATUS(cognite_queue_next(queue, 60000, &done, &err), COGNITE_OK);
    CHECK_STATUS(done.status, i < 2 ? COGNITE_OK : COGNITE_ERR_EMPTY);
    length += cognite_response_item_count(done.response);
    cognite_response_free(done.response);
    cognite_error_free(done.error);
  }
  CHECK(length == MANY - 500);
  cognite_pages_free(pages);
  cognite_queue_free(queue);

  /* Freed in the middle, and with nothing asked for at all. */
  CHECK_STATUS(cognite_pages_new(client, &operation, 2, &pages, &err), COGNITE_OK);
  cognite_pages_free(pages);
  CHECK_STATUS(cognite_pages_new(client, &operation, 2, &pages, &err), COGNITE_OK);
  CHECK_STATUS(cognite_pages_next(pages, &page, &err), COGNITE_OK);
  cognite_pages_free(pages);
  CHECK(cognite_response_item_count(page) > 0); /* a page outlives the pages */
  cognite_response_free(page);
  cognite_pages_free(NULL);
  CHECK(cognite_pages_next(NULL, &page, NULL) == COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(cognite_response_item_count(NULL) == 0 && cognite_response_next_cursor(NULL) == NULL);
}

static void refused(void) {
  static const char *const cases[][3] = {
      {"asets.list", NULL, "assets.list"},
      {"assets.lisst", NULL, "list"},
      {"assets.list", "{\"limit\":0}", "limit"},
      {"assets.list", "[1]", "JSON object"},
      {"raw.rows.insert", "{\"items\":[]}", "dbName"},
  };
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_operation operation = COGNITE_OPERATION_INIT;
  size_t i;
  for (i = 0; i < sizeof cases / sizeof *cases; i++) {
    CHECK(operate(cases[i][0], cases[i][1], &response, &err) == COGNITE_ERR_INVALID_ARGUMENT && response == NULL);
    CHECK_CONTAINS(cognite_error_message(err), cases[i][2]);
    cognite_error_free(err);
  }
  operation.name = "assets.list";
  operation.flags = 0x80000000u;
  CHECK(cognite_client_operate(client, &operation, &response, &err) == COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "flags");
  cognite_error_free(err);
  CHECK(operate("assets.retrieve", "{\"id\":1}", &response, &err) == COGNITE_ERR_NOT_FOUND);
  cognite_error_free(err);
}

static void cancelled_and_late(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_cancel *cancel = cognite_cancel_new();
  cognite_queue *queue = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  operation.name = "assets.list";
  operation.cancel = cancel;
  cognite_cancel_trigger(cancel);
  CHECK(cognite_client_operate(client, &operation, &response, &err) == COGNITE_ERR_CANCELLED);
  cognite_error_free(err);
  cognite_cancel_free(cancel);

  operation.cancel = NULL;
  CHECK(cognite_queue_new(0, &queue, NULL) == COGNITE_OK);
  notify.queue = queue;
  notify.tag = 7;
  CHECK(cognite_client_operate_async(client, &operation, &notify, &err) == COGNITE_OK);
  CHECK(cognite_queue_next(queue, 60000, &done, &err) == COGNITE_OK);
  CHECK(done.tag == 7 && done.status == COGNITE_OK);
  CHECK_CONTAINS(cognite_response_body(done.response, NULL), "\"items\":[");
  cognite_response_free(done.response);
  cognite_queue_free(queue);
}

static void the_list_of_operations(void) {
  cognite_response *response = NULL;
  const char *body;
  CHECK(cognite_operations_json(NULL, NULL) == COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(cognite_operations_json(&response, NULL) == COGNITE_OK);
  body = cognite_response_body(response, NULL);
  CHECK(occurrences(body, "\"name\":") > 360);
  CHECK_CONTAINS(body, "{\"name\":\"raw.rows.insert\",\"method\":\"POST\",\"path\":\"/raw/dbs/{dbName}/tables/{tableName}/rows\"");
  cognite_response_free(response);
}

static void cleaned_up(void) {
  cognite_response *response = NULL;
  char *arguments = many("{\"items\":", 0, "", ",\"ignoreUnknownIds\":true}");
  CHECK_EQUAL(BODY("assets.delete", arguments), "{\"items\":[]}");
  cognite_response_free(response);
  free(arguments);
}

int main(void) {
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  snprintf(unique, sizeof unique, "operations-%ld", (long)getpid());
  many_items();
  lists();
  page_by_page();
  refused();
  cancelled_and_late();
  the_list_of_operations();
  cleaned_up();
  cognite_client_free(client);
  return REPORT();
}
