/* data_modeling.c - from an empty space to a query: a container, a view of it, a data model, nodes and the edges between
 * them, and a query that walks along the edges.
 *
 *   cc -std=c99 data_modeling.c example.c -o data_modeling $(pkg-config --cflags --libs cognite)
 *   ./data_modeling                 (the connection comes from COGNITE_* variables, see example.h)
 *
 * Everything here may be run again: applying the same thing twice changes nothing. */
#include "example.h"
#include "json_scan.h"
#include <stdio.h>

#define VIEW "{\"type\":\"view\",\"space\":\"demo\",\"externalId\":\"Pump\",\"version\":\"1\"}"

/* Prints the external ids of one result of a query, and returns how many there were. */
static int print_result(cognite_response *answer, const char *name) {
  size_t length = 0;
  const char *text = cognite_response_body(answer, &length), *end = text + length, *item;
  int count = 0;
  if (answer == NULL) return -1;
  printf("%s:", name);
  for (item = json_first(json_member(json_member(text, end, "items"), end, name), end); item != NULL; item = json_next(item, end)) {
    const char *id = json_member(item, end, "externalId");
    if (id != NULL) printf(" %.*s", (int)(json_skip(id, end) - id), id);
    count++;
  }
  printf("\n");
  return count;
}

int main(void) {
  cognite_client *client = example_client("data_modeling");
  cognite_response *answer;
  int good = 1;

  if (client == NULL) return 1;

  good &= example_step("a space", example_operate(client, "data_modeling.spaces.apply",
    "{\"items\":[{\"space\":\"demo\",\"name\":\"Demo\"}]}"));
  good &= example_step("a container: where the properties lie", example_operate(client, "data_modeling.containers.apply",
    "{\"items\":[{\"space\":\"demo\",\"externalId\":\"Pump\",\"usedFor\":\"node\",\"properties\":{"
    "\"name\":{\"type\":{\"type\":\"text\"},\"nullable\":false},"
    "\"power\":{\"type\":{\"type\":\"float64\"},\"nullable\":true}}}]}"));
  good &= example_step("a view: how they are seen", example_operate(client, "data_modeling.views.apply",
    "{\"items\":[{\"space\":\"demo\",\"externalId\":\"Pump\",\"version\":\"1\",\"properties\":{"
    "\"name\":{\"container\":{\"type\":\"container\",\"space\":\"demo\",\"externalId\":\"Pump\"},\"containerPropertyIdentifier\":\"name\"},"
    "\"power\":{\"container\":{\"type\":\"container\",\"space\":\"demo\",\"externalId\":\"Pump\"},\"containerPropertyIdentifier\":\"power\"}}}]}"));
  good &= example_step("a data model: which views belong together", example_operate(client, "data_modeling.data_models.apply",
    "{\"items\":[{\"space\":\"demo\",\"externalId\":\"Plant\",\"version\":\"1\",\"views\":[" VIEW "]}]}"));

  /* Nodes and edges in any order and number: the library sends the nodes first, and the edges when all nodes are there. */
  good &= example_step("two edges and three nodes", example_operate(client, "data_modeling.instances.apply",
    "{\"items\":["
    "{\"instanceType\":\"edge\",\"space\":\"demo\",\"externalId\":\"p1-p2\",\"type\":{\"space\":\"demo\",\"externalId\":\"feeds\"},"
      "\"startNode\":{\"space\":\"demo\",\"externalId\":\"p1\"},\"endNode\":{\"space\":\"demo\",\"externalId\":\"p2\"}},"
    "{\"instanceType\":\"edge\",\"space\":\"demo\",\"externalId\":\"p1-p3\",\"type\":{\"space\":\"demo\",\"externalId\":\"feeds\"},"
      "\"startNode\":{\"space\":\"demo\",\"externalId\":\"p1\"},\"endNode\":{\"space\":\"demo\",\"externalId\":\"p3\"}},"
    "{\"instanceType\":\"node\",\"space\":\"demo\",\"externalId\":\"feeds\"},"
    "{\"instanceType\":\"node\",\"space\":\"demo\",\"externalId\":\"p1\",\"sources\":[{\"source\":" VIEW ",\"properties\":{\"name\":\"Pump 1\",\"power\":7.5}}]},"
    "{\"instanceType\":\"node\",\"space\":\"demo\",\"externalId\":\"p2\",\"sources\":[{\"source\":" VIEW ",\"properties\":{\"name\":\"Pump 2\",\"power\":4}}]},"
    "{\"instanceType\":\"node\",\"space\":\"demo\",\"externalId\":\"p3\",\"sources\":[{\"source\":" VIEW ",\"properties\":{\"name\":\"Pump 3\",\"power\":9}}]}]}"));

  /* From the pump called "Pump 1" along the edges to the pumps it feeds. All of them: `limit` is the length of a page, and
   * query_all follows the cursors of each result (query makes one request and leaves them to you). */
  answer = example_operate(client, "data_modeling.instances.query_all",
    "{\"with\":{"
    "\"start\":{\"nodes\":{\"filter\":{\"equals\":{\"property\":[\"demo\",\"Pump/1\",\"name\"],\"value\":\"Pump 1\"}}},\"limit\":10},"
    "\"way\":{\"edges\":{\"from\":\"start\",\"direction\":\"outwards\",\"filter\":{\"equals\":{\"property\":[\"edge\",\"type\"],"
      "\"value\":{\"space\":\"demo\",\"externalId\":\"feeds\"}}}},\"limit\":100},"
    "\"fed\":{\"nodes\":{\"from\":\"way\"},\"limit\":100}},"
    "\"select\":{\"start\":{},\"fed\":{\"sources\":[{\"source\":" VIEW ",\"properties\":[\"name\",\"power\"]}]}}}");
  good &= print_result(answer, "start") == 1;
  good &= print_result(answer, "fed") == 2;
  cognite_response_free(answer);

  good &= example_step("the edges and nodes are removed", example_operate(client, "data_modeling.instances.delete",
    "{\"nodes\":[{\"space\":\"demo\",\"externalId\":\"p1\"},{\"space\":\"demo\",\"externalId\":\"p2\"},{\"space\":\"demo\",\"externalId\":\"p3\"},"
    "{\"space\":\"demo\",\"externalId\":\"feeds\"}],"
    "\"edges\":[{\"space\":\"demo\",\"externalId\":\"p1-p2\"},{\"space\":\"demo\",\"externalId\":\"p1-p3\"}]}"));
  good &= example_step("and the model", example_operate(client, "data_modeling.data_models.delete",
    "{\"items\":[{\"space\":\"demo\",\"externalId\":\"Plant\",\"version\":\"1\"}]}"));
  good &= example_step("the view", example_operate(client, "data_modeling.views.delete",
    "{\"items\":[{\"space\":\"demo\",\"externalId\":\"Pump\",\"version\":\"1\"}]}"));
  good &= example_step("the container", example_operate(client, "data_modeling.containers.delete",
    "{\"items\":[{\"space\":\"demo\",\"externalId\":\"Pump\"}]}"));
  good &= example_step("the space", example_operate(client, "data_modeling.spaces.delete", "{\"spaces\":[\"demo\"]}"));

  cognite_client_free(client);
  cognite_shutdown(NULL);
  printf("data_modeling: %s\n", good ? "all as expected" : "FAILED");
  return good ? 0 : 1;
}
