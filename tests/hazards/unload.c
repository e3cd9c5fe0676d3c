/* unload.c - dlopen, use, dlclose, a thousand times. The first argument: the library. Not linked with it. */
#define _DEFAULT_SOURCE
#define COGNITE_STATIC
#include <cognite/cognite.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define FIND(type, name) type name = (type)dlsym(library, "cognite_" #name)
typedef int (*load_type)(const char *, size_t, cognite_client **, cognite_error **);
typedef int (*get_type)(cognite_client *, const char *, const char *, const char *, cognite_response **, cognite_error **);
typedef void (*free_client_type)(cognite_client *);
typedef int (*shutdown_type)(cognite_error **);

int main(int argc, char **argv) {
  static const char config[] =
      "{\"client_name\":\"n\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:9\",\"credentials\":{\"token\":\"t\"}}";
  int i, used = 0, shut = 0, rounds = 1000;
  if (argc < 2) return 2;
  for (i = 0; i < rounds; i++) {
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
      fprintf(stderr, "unload: %s\n", dlerror());
      return 1;
    }
    /* Unused, used and shut down, and (rarely) used with its threads alive when the handle is closed. */
    if (i % 10 == 1) {
      FIND(load_type, client_load);
      FIND(get_type, client_get);
      FIND(free_client_type, client_free);
      FIND(shutdown_type, shutdown);
      cognite_client *client = NULL;
      cognite_response *response = NULL;
      if (client_load == NULL || client_get == NULL || client_free == NULL || shutdown == NULL) return 3;
      if (client_load(config, sizeof config - 1, &client, NULL) != COGNITE_OK) return 4;
      /* no TLS handshake, no server: the call starts the threads and fails on the argument of the URL or the port */
      if (client_get(client, "ftp://nowhere/", NULL, NULL, &response, NULL) == COGNITE_OK) return 5;
      if (i % 100 == 1) {
        static const char quick[] = "{\"max_retries\":0,\"max_retries_connect\":0}";
        int (*apply)(const char *, size_t, cognite_error **) =
            (int (*)(const char *, size_t, cognite_error **))dlsym(library, "cognite_global_apply_settings");
        if (apply == NULL || apply(quick, sizeof quick - 1, NULL) != COGNITE_OK) return 6;
        if (client_get(client, "/", NULL, NULL, &response, NULL) != COGNITE_ERR_CONNECTION) return 7;
        used++;
      }
      client_free(client);
      if (i % 200 == 1) {
        if (shutdown(NULL) != COGNITE_OK) return 8;
        shut++;
      }
    }
    if (dlclose(library) != 0) return 9;
  }
  printf("unload: %d times loaded and closed, %d times used, %d times shut down\n%d passed, 0 failed\n", rounds, used, shut,
         rounds);
  return used == rounds / 100 && shut == rounds / 200 ? 0 : 10;
}
