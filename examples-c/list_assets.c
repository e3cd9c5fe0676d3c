/* list_assets.c - reads all assets of a project page by page, however many there are, in a few megabytes of memory.
 *
 *   cc -std=c99 list_assets.c example.c -o list_assets $(pkg-config --cflags --libs cognite)
 *   ./list_assets [CURSOR]          (the connection comes from COGNITE_* variables, see example.h)
 *
 * While one page is worked on, the next is already on its way. Given the cursor that an earlier run printed, it goes on
 * there: that is how a program that was stopped does not begin again. */
#include "example.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  cognite_client *client = example_client("list_assets");
  cognite_operation list = COGNITE_OPERATION_INIT;
  cognite_pages *pages = NULL;
  cognite_response *page = NULL;
  cognite_error *error = NULL;
  cognite_status status;
  char arguments[1024] = "{}";
  unsigned long all = 0, shown = 0;

  if (client == NULL) return 1;
  if (argc > 1) snprintf(arguments, sizeof arguments, "{\"cursor\": \"%s\"}", argv[1]);

  list.name = "assets.list";
  list.arguments = arguments;
  list.arguments_len = strlen(arguments);
  if (cognite_pages_new(client, &list, 1, &pages, &error) != COGNITE_OK) return example_fail("pages", error);

  while ((status = cognite_pages_next(pages, &page, &error)) == COGNITE_OK) {
    size_t count = cognite_response_item_count(page), i, length;
    const char *cursor = cognite_response_next_cursor(page);
    for (i = 0; i < count && shown < 5; i++, shown++) {
      const char *asset = cognite_response_item(page, i, &length);
      printf("%.*s\n", (int)(length < 100 ? length : 100), asset);
    }
    all += (unsigned long)count;
    if (cursor != NULL) printf("... %lu assets; the next page begins at %s\n", all, cursor);
    cognite_response_free(page);
  }
  if (status != COGNITE_ERR_EMPTY) return example_fail("assets.list", error); /* the last cursor printed is where to resume */
  cognite_error_free(error);
  printf("%lu assets\n", all);

  cognite_pages_free(pages);
  cognite_client_free(client);
  return cognite_shutdown(NULL) == COGNITE_OK ? 0 : 1;
}
