#define _POSIX_C_SOURCE 200809L

#include "login.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t shown_now = PTHREAD_COND_INITIALIZER;
static text shown = {NULL, 0, 0};

static void show(void *user_data, const char *uri, const char *complete, const char *code, const char *message, uint64_t expires_in_ms) {
  (void)user_data;
  (void)complete;
  (void)expires_in_ms;
  pthread_mutex_lock(&door);
  add_text(&shown, uri);
  add_text(&shown, " ");
  add_text(&shown, code);
  add_text(&shown, " ");
  add_text(&shown, message);
  pthread_cond_signal(&shown_now);
  pthread_mutex_unlock(&door);
}

cognite_status set_prompt(cognite_config *config, cognite_error **error) {
  const char *json = cognite_config_json(config);
  cognite_status s = COGNITE_OK;
  char *type;
  doc d;
  if (!parse(&d, json, strlen(json))) return COGNITE_OK;
  type = text_of(&d, member(&d, member(&d, 0, "credentials"), "type"), NULL);
  if (strcmp(type, "device_code") == 0) s = cognite_config_set_device_code_prompt(config, show, NULL, NULL, error);
  free(type);
  free_doc(&d);
  return s;
}

void forget_prompt(void) {
  pthread_mutex_lock(&door);
  free_text(&shown);
  memset(&shown, 0, sizeof shown);
  pthread_mutex_unlock(&door);
}

void add_prompt(text *t, const doc *d, int expected) {
  const char *between = "";
  struct timespec end;
  int i;
  if (expected == NONE) return;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_sec += 2;
  pthread_mutex_lock(&door);
  /* It is shown on another thread, perhaps a little later than the token arrives. */
  while (shown.len == 0 && pthread_cond_timedwait(&shown_now, &door, &end) == 0) {
  }
  add_text(t, ",\"prompt_mentions\":[");
  for (i = first_of(d, expected); i != NONE; i = next_of(d, i)) {
    char *wanted = text_of(d, i, NULL);
    if (shown.at != NULL && strstr(shown.at, wanted) != NULL) {
      add_text(t, between);
      add_quoted(t, wanted, strlen(wanted));
      between = ",";
    }
    free(wanted);
  }
  add_text(t, "]");
  pthread_mutex_unlock(&door);
}
