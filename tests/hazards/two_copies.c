/* two_copies.c - one process, three copies of the library: as it is, from a file of another name, and in a namespace of its
 * own. Each has its engine; they work side by side, and ending one does nothing to the others. The arguments: the library
 * and its copy. Not linked with either. */
#define _GNU_SOURCE
#define COGNITE_STATIC
#include "host.h"
#include <dlfcn.h>

enum { COPIES = 3, CALLS = 200 };

static struct host_server server;

struct copy {
  const char *name;
  void *handle;
  cognite_client *client;
  int told, good;
  cognite_status (*load)(const char *, size_t, cognite_client **, cognite_error **);
  cognite_status (*get_async)(cognite_client *, const char *, const char *, const char *, const cognite_notify *, cognite_error **);
  cognite_status (*get)(cognite_client *, const char *, const char *, const char *, cognite_response **, cognite_error **);
  void (*client_free)(cognite_client *);
  void (*response_free)(cognite_response *);
  void (*error_free)(cognite_error *);
  cognite_status (*shutdown)(cognite_error **);
};

static struct copy copies[COPIES];

/* What check.h calls: the first copy's. */
const char *cognite_status_name(cognite_status status) {
  const char *(*name)(cognite_status) = NULL;
  *(void **)&name = dlsym(copies[0].handle, "cognite_status_name");
  return name == NULL ? "?" : name(status);
}
cognite_status cognite_shutdown(cognite_error **err) { return copies[0].shutdown(err); }
void cognite_error_free(cognite_error *err) { copies[0].error_free(err); }

static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  struct copy *copy = user_data;
  if (status == COGNITE_OK) __atomic_add_fetch(&copy->good, 1, __ATOMIC_SEQ_CST);
  copy->response_free(response);
  copy->error_free(error);
  __atomic_add_fetch(&copy->told, 1, __ATOMIC_SEQ_CST);
}

static int find(struct copy *copy, void *field, const char *name) {
  *(void **)field = dlsym(copy->handle, name);
  return CHECK_(*(void **)field != NULL, name);
}

static int open_copy(struct copy *copy, const char *name, void *handle) {
  char text[256];
  copy->name = name;
  copy->handle = handle;
  if (!CHECK_(handle != NULL, dlerror())) return 0;
  if (!find(copy, &copy->load, "cognite_client_load") || !find(copy, &copy->get_async, "cognite_client_get_async") ||
      !find(copy, &copy->get, "cognite_client_get") || !find(copy, &copy->client_free, "cognite_client_free") ||
      !find(copy, &copy->response_free, "cognite_response_free") || !find(copy, &copy->error_free, "cognite_error_free") ||
      !find(copy, &copy->shutdown, "cognite_shutdown"))
    return 0;
  snprintf(text, sizeof text, "{\"client_name\":\"copies\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:%d\",\"credentials\":{\"token\":\"t\"}}",
           server.port);
  return CHECK_STATUS(copy->load(text, strlen(text), &copy->client, NULL), COGNITE_OK);
}

static void submit(struct copy *copy) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  notify.done = on_done;
  notify.user_data = copy;
  CHECK_STATUS(copy->get_async(copy->client, "/ok", NULL, NULL, &notify, NULL), COGNITE_OK);
}

int main(int argc, char **argv) {
  int i, c, good = 0;
  if (argc < 3) return 2;
  host_start(&server);
  if (!open_copy(&copies[0], "library", dlopen(argv[1], RTLD_NOW | RTLD_LOCAL)) ||
      !open_copy(&copies[1], "copy", dlopen(argv[2], RTLD_NOW | RTLD_LOCAL)) ||
      !open_copy(&copies[2], "namespace", dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW | RTLD_LOCAL)))
    return REPORT();
  /* Nothing of one is of the other. */
  CHECK(copies[0].load != copies[1].load && copies[0].load != copies[2].load && copies[1].load != copies[2].load);
  for (i = 0; i < CALLS; i++)
    for (c = 0; c < COPIES; c++) submit(&copies[c]);
  for (c = 0; c < COPIES; c++) {
    int next = (c + 1) % COPIES;
    int64_t end = host_now() + 30000;
    cognite_response *response = NULL;
    while (__atomic_load_n(&copies[c].told, __ATOMIC_SEQ_CST) < CALLS && host_now() < end) host_pause(2);
    CHECK_STATUS(copies[c].shutdown(NULL), COGNITE_OK);
    CHECK_(copies[c].told == CALLS && copies[c].good == CALLS, copies[c].name);
    good += copies[c].good;
    CHECK_STATUS(copies[next].get(copies[next].client, "/ok", NULL, NULL, &response, NULL), COGNITE_OK);
    copies[next].response_free(response);
  }
  CHECK(host_threads(0) > 0); /* the first was used once more, and has its threads again */
  for (c = 0; c < COPIES; c++) {
    CHECK_STATUS(copies[c].shutdown(NULL), COGNITE_OK);
    copies[c].client_free(copies[c].client);
  }
  CHECK(host_threads(0) == 0);
  for (c = 0; c < COPIES; c++) CHECK(dlclose(copies[c].handle) == 0);
  printf("two_copies: %d copies in one process, %d calls told\n", COPIES, good);
  host_stop(&server);
  return REPORT();
}
