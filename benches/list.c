/* list.c - what a list costs per item, read page by page through the C API.
 *
 *   list t3 [--n ITEMS] [--port N] [--proj NAME] [--mode raw|checked] [--prefetch N] [--partitions N]
 *
 * raw: pages as they come, the cursor found at their end. checked: pages checked to be JSON, their items found. Prints one
 * JSON line, see meter.h. */
#define _POSIX_C_SOURCE 200809L
#include <cognite/cognite.h>

#include "meter.h"

static void fail(const char *what, cognite_error *error) {
  fprintf(stderr, "list: %s: %s\n", what, cognite_error_message(error));
  exit(2);
}

static cognite_client *connect_to(const char *port, const char *project) {
  char base_url[64];
  cognite_credentials *credentials = NULL;
  cognite_config *config = cognite_config_new();
  cognite_client *client = NULL;
  cognite_error *error = NULL;
  snprintf(base_url, sizeof base_url, "http://127.0.0.1:%s", port);
  if (cognite_credentials_new_token("t", &credentials, &error) || cognite_config_set_client_name(config, "bench", &error) ||
      cognite_config_set_project(config, project, &error) || cognite_config_set_base_url(config, base_url, &error) ||
      cognite_config_set_credentials(config, credentials, &error) || cognite_client_new(config, &client, &error))
    fail("client", error);
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  return client;
}

int main(int argc, char **argv) {
  long n = atol(option(argc, argv, "--n", "1000000"));
  int checked = strcmp(option(argc, argv, "--mode", "raw"), "checked") == 0;
  uint32_t prefetch = (uint32_t)atol(option(argc, argv, "--prefetch", "1"));
  const char *partitions = option(argc, argv, "--partitions", "");
  cognite_client *client = connect_to(option(argc, argv, "--port", "18080"), option(argc, argv, "--proj", "p-n1000000"));
  cognite_operation list = COGNITE_OPERATION_INIT;
  cognite_pages *pages = NULL;
  cognite_response *page = NULL;
  cognite_error *error = NULL;
  cognite_status status;
  char arguments[100] = "{\"limit\":null}";
  long items = 0;
  double wall = now_s(), cpu = cpu_s();
  if (*partitions) snprintf(arguments, sizeof arguments, "{\"limit\":null,\"partitions\":%.20s}", partitions);
  list.name = "assets.list";
  list.arguments = arguments;
  list.arguments_len = strlen(arguments);
  list.flags = checked ? 0 : COGNITE_OPERATION_UNCHECKED;
  if (cognite_pages_new(client, &list, prefetch, &pages, &error) != COGNITE_OK) fail("pages", error);
  while ((status = cognite_pages_next(pages, &page, &error)) == COGNITE_OK) {
    if (checked) items += (long)cognite_response_item_count(page);
    cognite_response_free(page);
  }
  if (status != COGNITE_ERR_EMPTY) fail("page", error);
  cognite_error_free(error);
  wall = now_s() - wall;
  cpu = cpu_s() - cpu;
  if (checked && items != n) {
    fprintf(stderr, "list: %ld items of %ld\n", items, n);
    return 2;
  }
  report("libcognite", "t3", n, wall, cpu, NULL, 0);
  cognite_pages_free(pages);
  cognite_client_free(client);
  return 0;
}
