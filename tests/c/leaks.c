/* leaks.c - loses what it made, for the gate that has to notice: run under valgrind only. */
#include <cognite/cognite.h>

int main(void) {
  cognite_config *lost = cognite_config_new();
  lost = NULL;
  return lost != NULL || cognite_shutdown(NULL) != COGNITE_OK;
}
