/* test_login.c - logging in with a device code, a browser and a certificate, against the emulator, which plays the identity
 * provider. What a person would do is done by callbacks of this program.
 *
 * test_login TEST_DATA_DIRECTORY, or test_login --browser for a real browser (BROWSER); needs what with_emulator.sh sets. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "server.h"
#include <sys/stat.h>

static int port;          /* the emulator's */
static char authority[100]; /* of the tenant that all tests use */
static const char *client_id;

/* ---- the emulator's pages, without a browser ---- */

/* One request; the answer with its head. */
static const char *http(int to, const char *method, const char *path, const char *type, const char *body) {
  static __thread char answer[65536]; /* prompts are answered on another thread */
  char request[8192];
  struct sockaddr_in address;
  size_t len = 0;
  ssize_t n;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)to);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  answer[0] = '\0';
  snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
           method, path, to, type, (int)strlen(body), body);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && server_text(fd, request)) {
    while (len < sizeof answer - 1 && (n = read(fd, answer + len, sizeof answer - 1 - len)) > 0) len += (size_t)n;
    answer[len] = '\0';
  }
  close(fd);
  return answer;
}

static const char *form(int to, const char *path, const char *body) { return http(to, "POST", path, "application/x-www-form-urlencoded", body); }

static void emulator(const char *path, const char *json) { CHECK_CONTAINS(http(port, "POST", path, "application/json", json), "200 OK"); }

/* How often the emulator's token endpoint was asked. */
static int token_requests(void) {
  const char *at = http(port, "GET", "/_emulator/requests", "text/plain", "");
  int count = 0;
  while ((at = strstr(at, "oauth2/v2.0/token\"")) != NULL) {
    count++;
    at++;
  }
  return count;
}

/* The value of a hidden field. */
static void hidden(const char *page, const char *name, char *into, size_t room) {
  char mark[64];
  const char *at, *end;
  snprintf(mark, sizeof mark, "name=\"%s\" value=\"", name);
  at = strstr(page, mark);
  into[0] = '\0';
  if (at == NULL) return;
  at += strlen(mark);
  end = strchr(at, '"');
  if (end != NULL && (size_t)(end - at) < room) {
    memcpy(into, at, (size_t)(end - at));
    into[end - at] = '\0';
  }
}

/* ---- the person ---- */

typedef struct person {
  const char *answer; /* approve, deny, or NULL: does nothing */
  const char *state;  /* instead of the right one */
  int as_query;       /* the browser brings the answer as a query */
  int asked, destroyed;
} person;

static void gone(void *user_data) { ((person *)user_data)->destroyed++; }

static void enter_code(void *user_data, const char *uri, const char *complete, const char *code, const char *message, uint64_t expires_in_ms) {
  person *p = user_data;
  char body[200];
  p->asked++;
  CHECK_CONTAINS(message, code);
  CHECK_CONTAINS(uri, "/tenant-1/device");
  CHECK_CONTAINS(complete, code);
  CHECK(expires_in_ms > 0);
  if (p->answer == NULL) return;
  snprintf(body, sizeof body, "user_code=%s&answer=%s", code, p->answer);
  CHECK_CONTAINS(form(port, "/tenant-1/device", body), "200 OK");
}

static void use_browser(void *user_data, const char *url) {
  person *p = user_data;
  const char *query = strchr(url, '?'), *page;
  const char *to = query != NULL ? strstr(query, "localhost%3A") : NULL;
  char body[4096], code[200], state[200];
  int back;
  p->asked++;
  if (!CHECK(to != NULL) || p->answer == NULL) return;
  back = atoi(to + strlen("localhost%3A"));
  CHECK_CONTAINS(http(port, "GET", strstr(url, "/tenant-1"), "text/plain", ""), "id=\"approve\"");
  snprintf(body, sizeof body, "%s&answer=%s", query + 1, p->answer);
  page = form(port, "/tenant-1/oauth2/v2.0/authorize", body);
  hidden(page, "code", code, sizeof code);
  hidden(page, "state", state, sizeof state);
  if (code[0] != '\0') snprintf(body, sizeof body, "code=%s&state=%s", code, p->state != NULL ? p->state : state);
  else snprintf(body, sizeof body, "error=access_denied&error_description=no&state=%s", state);
  if (p->as_query) {
    char target[4200];
    snprintf(target, sizeof target, "/?%s", body);
    http(back, "GET", target, "text/plain", "");
  } else {
    form(back, "/", body);
  }
}

/* ---- clients ---- */

static cognite_client *client_of(cognite_credentials *credentials) {
  cognite_config *config = cognite_config_new();
  cognite_client *client = NULL;
  cognite_error *err = NULL;
  CHECK_STATUS(cognite_config_set_client_name(config, "login", &err), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_project(config, getenv("COGNITE_PROJECT"), &err), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_base_url(config, getenv("COGNITE_BASE_URL"), &err), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_credentials(config, credentials, &err), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_total_timeout_ms(config, 30000, &err), COGNITE_OK);
  CHECK_STATUS(cognite_client_new(config, &client, &err), COGNITE_OK);
  cognite_config_free(config);
  cognite_error_free(err);
  return client;
}

/* A call that needs a token. */
static void works(cognite_client *client) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  CHECK_STATUS(cognite_client_get(client, "/api/v1/projects/demo/assets", NULL, NULL, &response, &err), COGNITE_OK);
  CHECK_(err == NULL, cognite_error_message(err));
  cognite_response_free(response);
  cognite_error_free(err);
}

static void fails(cognite_client *client, cognite_status status, const char *word, int within_ms) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  int64_t began = server_now_ms();
  if (getenv("COGNITE_TEST_SLOW") != NULL) within_ms *= 10;
  CHECK_STATUS(cognite_client_authorization(client, &response, &err), status);
  CHECK_CONTAINS(cognite_error_json(err), word);
  CHECK_(server_now_ms() - began < within_ms, word);
  cognite_response_free(response);
  cognite_error_free(err);
}

static cognite_client *device(person *p, const char *cache, uint32_t flags) {
  cognite_credentials *c = NULL;
  cognite_error *err = NULL;
  cognite_client *client;
  CHECK_STATUS(cognite_credentials_new_device_code(authority, NULL, client_id, "s offline_access", enter_code, p, gone, &c, &err), COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_token_cache(c, cache, flags, &err), COGNITE_OK);
  client = client_of(c);
  cognite_credentials_free(c);
  return client;
}

static cognite_client *browser(person *p, const char *cache, uint32_t flags, uint32_t at, uint64_t patience_ms) {
  cognite_credentials *c = NULL;
  cognite_error *err = NULL;
  cognite_client *client;
  CHECK_STATUS(cognite_credentials_new_interactive(authority, client_id, "https://x.example/.default", use_browser, p, gone, &c, &err), COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_token_cache(c, cache, flags, &err), COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_redirect_port(c, at, &err), COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_login_timeout_ms(c, patience_ms, &err), COGNITE_OK);
  client = client_of(c);
  cognite_credentials_free(c);
  return client;
}

static void silent(struct server *s, int fd) { server_hold(s, fd, 100); }

/* ---- tests ---- */

static void device_codes(void) {
  person yes = {"approve", NULL, 0, 0, 0}, no = {"deny", NULL, 0, 0, 0}, absent = {NULL, NULL, 0, 0, 0};
  cognite_client *client = device(&yes, NULL, COGNITE_TOKEN_CACHE_MEMORY);
  works(client);
  works(client);
  CHECK(yes.asked == 1);
  /* The refresh token spares the person when the service refuses the token. */
  emulator("/_emulator/tokens/expire", "");
  works(client);
  CHECK(yes.asked == 1);
  emulator("/_emulator/tokens/expire", "");
  emulator("/_emulator/login", "{\"revoke_refresh_tokens\": true}");
  works(client);
  CHECK(yes.asked == 2);
  cognite_client_free(client);

  client = device(&no, NULL, COGNITE_TOKEN_CACHE_MEMORY);
  fails(client, COGNITE_ERR_AUTH, "access_denied", 5000);
  cognite_client_free(client);

  emulator("/_emulator/login", "{\"device_expires_in\": 2}");
  client = device(&absent, NULL, COGNITE_TOKEN_CACHE_MEMORY);
  fails(client, COGNITE_ERR_AUTH, "expired_token", 6000);
  cognite_client_free(client);
  emulator("/_emulator/login", "{\"device_expires_in\": 900}");
}

static void loaded_without_a_prompt(void) {
  char text[600];
  cognite_client *client = POISON(cognite_client);
  cognite_config *config = NULL;
  cognite_error *err = NULL;
  person yes = {"approve", NULL, 0, 0, 0};
  snprintf(text, sizeof text,
           "{\"client_name\":\"login\",\"project\":\"demo\",\"base_url\":\"%s\",\"credentials\":{\"device_code\":{\"authority_url\":\"%s\","
           "\"client_id\":\"%s\",\"scopes\":[\"s\"],\"mem_cache_only\":true}}}",
           getenv("COGNITE_BASE_URL"), authority, client_id);
  CHECK_STATUS(cognite_client_load(text, strlen(text), &client, &err), COGNITE_ERR_CONFIG);
  CHECK(client == NULL);
  CHECK_CONTAINS(cognite_error_message(err), "cognite_config_set_device_code_prompt");
  cognite_error_free(err);
  CHECK_STATUS(cognite_config_load(text, strlen(text), &config, &err), COGNITE_OK);
  CHECK_STATUS(cognite_config_set_open_url(config, use_browser, &yes, gone, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(yes.destroyed == 1);
  cognite_error_free(err);
  CHECK_STATUS(cognite_config_set_device_code_prompt(config, enter_code, &yes, gone, &err), COGNITE_OK);
  CHECK_STATUS(cognite_client_new(config, &client, &err), COGNITE_OK);
  cognite_config_free(config);
  works(client);
  CHECK(yes.asked == 1);
  cognite_client_free(client);
}

/* Where a login goes is found before anybody is asked, and a wrong address before the first request. */
static void looked_up_beforehand(void) {
  static const char *const wrong[] = {"/tenant-1/none", "/_emulator/requests", NULL};
  person p = {"approve", NULL, 0, 0, 0};
  char right[sizeof authority];
  cognite_client *client = device(&p, NULL, COGNITE_TOKEN_CACHE_MEMORY);
  cognite_error *err = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  int asked = token_requests(), i;
  CHECK_STATUS(cognite_client_check_login(client, &err), COGNITE_OK);
  CHECK_STATUS(cognite_queue_new(10, &notify.queue, &err), COGNITE_OK);
  CHECK_STATUS(cognite_client_check_login_async(client, &notify, &err), COGNITE_OK);
  CHECK_STATUS(cognite_queue_next(notify.queue, 10000, &done, &err), COGNITE_OK);
  CHECK_STATUS(done.status, COGNITE_OK);
  CHECK_CONTAINS(cognite_response_body(done.response, NULL), "{}");
  cognite_response_free(done.response);
  CHECK(err == NULL && p.asked == 0 && token_requests() == asked);
  works(client);
  CHECK(p.asked == 1);
  cognite_client_free(client);

  snprintf(right, sizeof right, "%s", authority);
  for (i = 0; wrong[i] != NULL; i++) {
    snprintf(authority, sizeof authority, "%s%s", getenv("COGNITE_BASE_URL"), wrong[i]);
    client = device(&p, NULL, COGNITE_TOKEN_CACHE_MEMORY);
    CHECK_STATUS(cognite_client_check_login(client, &err), COGNITE_ERR_CONFIG);
    CHECK_CONTAINS(cognite_error_message(err), "authority_url");
    cognite_error_free(err);
    err = NULL;
    cognite_client_free(client);
  }
  /* Nobody is there. */
  snprintf(authority, sizeof authority, "http://127.0.0.1:1/tenant");
  client = device(&p, NULL, COGNITE_TOKEN_CACHE_MEMORY);
  CHECK_STATUS(cognite_client_check_login(client, &err), COGNITE_ERR_AUTH);
  cognite_error_free(err);
  cognite_client_free(client);
  snprintf(authority, sizeof authority, "%s", right);
  CHECK_STATUS(cognite_client_check_login(NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_client_check_login_async(NULL, &notify, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  cognite_queue_free(notify.queue);
}

static void browsers(const char *dir) {
  char cache[300];
  struct stat info;
  person yes = {"approve", NULL, 0, 0, 0}, again = {"approve", NULL, 1, 0, 0}, no = {"deny", NULL, 0, 0, 0};
  person absent = {NULL, NULL, 0, 0, 0}, wrong = {"approve", "another", 0, 0, 0};
  struct server taken;
  cognite_client *client;
  int asked;
  snprintf(cache, sizeof cache, "%s/deep/cache.json", dir);
  client = browser(&yes, cache, 0, 0, 20000);
  works(client);
  CHECK(yes.asked == 1);
  cognite_client_free(client);
  CHECK(stat(cache, &info) == 0 && (info.st_mode & 0777) == 0600);

  /* Another run of the program: nobody is asked. */
  client = browser(&again, cache, 0, 0, 20000);
  works(client);
  CHECK(again.asked == 0);
  cognite_client_free(client);
  /* ... unless what was kept is to be forgotten. The answer comes as a query this time. */
  client = browser(&again, cache, COGNITE_TOKEN_CACHE_CLEAR, 0, 20000);
  works(client);
  CHECK(again.asked == 1);
  cognite_client_free(client);

  client = browser(&no, NULL, COGNITE_TOKEN_CACHE_MEMORY, 0, 20000);
  fails(client, COGNITE_ERR_AUTH, "access_denied", 5000);
  cognite_client_free(client);

  asked = token_requests();
  client = browser(&wrong, NULL, COGNITE_TOKEN_CACHE_MEMORY, 0, 20000);
  fails(client, COGNITE_ERR_AUTH, "state", 5000);
  CHECK(token_requests() == asked);
  cognite_client_free(client);

  client = browser(&absent, NULL, COGNITE_TOKEN_CACHE_MEMORY, 0, 700);
  fails(client, COGNITE_ERR_AUTH, "login_timeout_seconds", 4000);
  cognite_client_free(client);
  CHECK(absent.asked == 1);

  server_start(&taken, silent);
  client = browser(&absent, NULL, COGNITE_TOKEN_CACHE_MEMORY, (uint32_t)taken.port, 20000);
  fails(client, COGNITE_ERR_AUTH, "redirect_port", 4000);
  CHECK(absent.asked == 1);
  cognite_client_free(client);
  server_stop(&taken);
}

static void told(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  *(cognite_status *)user_data = status;
  cognite_response_free(response);
  cognite_error_free(error);
}

/* A login that waits for its person does not hold up the end of the program. */
static void ends_while_waiting(void) {
  static person absent = {NULL, NULL, 0, 0, 0};
  static cognite_status status = COGNITE_OK;
  cognite_client *client = browser(&absent, NULL, COGNITE_TOKEN_CACHE_MEMORY, 0, 60000);
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  int64_t began;
  notify.done = told;
  notify.user_data = &status;
  CHECK_STATUS(cognite_client_authorization_async(client, &notify, NULL), COGNITE_OK);
  server_pause_ms(300);
  began = server_now_ms();
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  CHECK(server_now_ms() - began < 5000);
  CHECK_STATUS(status, COGNITE_ERR_SHUTDOWN);
  cognite_client_free(client);
  CHECK(absent.destroyed == 1);
}

static void slurp(const char *dir, const char *name, char *into, size_t room) {
  char path[400];
  FILE *file;
  size_t n = 0;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  file = fopen(path, "r");
  if (CHECK_(file != NULL, path)) {
    n = fread(into, 1, room - 1, file);
    fclose(file);
  }
  into[n] = '\0';
}

static void certificates(const char *data) {
  char key[4096], print[100], public_key[1000], json[2200], text[1200], *p;
  const char *c;
  cognite_credentials *credentials = NULL;
  cognite_client *client = NULL;
  cognite_error *err = NULL;
  slurp(data, "test_only_client_key.pem", key, sizeof key);
  slurp(data, "test_only_client_thumbprint.txt", print, sizeof print);
  slurp(data, "test_only_client_public.pem", public_key, sizeof public_key);

  CHECK_STATUS(cognite_credentials_new_client_certificate(authority, client_id, print, key, "s", &credentials, &err), COGNITE_OK);
  CHECK_LACKS(cognite_credentials_json(credentials), "PRIVATE");
  client = client_of(credentials);
  fails(client, COGNITE_ERR_AUTH, "invalid_client", 5000);
  p = json + sprintf(json, "{\"client_public_key\": \"");
  for (c = public_key; *c != '\0'; c++) p += *c == '\n' ? sprintf(p, "\\n") : sprintf(p, "%c", *c);
  sprintf(p, "\"}");
  emulator("/_emulator/login", json);
  works(client);
  emulator("/_emulator/tokens/expire", "");
  works(client); /* a statement is good once: this one is new */
  cognite_client_free(client);
  cognite_credentials_free(credentials);

  snprintf(text, sizeof text,
           "{\"client_name\":\"login\",\"project\":\"demo\",\"base_url\":\"%s\",\"credentials\":{\"client_certificate\":{\"authority_url\":\"%s\","
           "\"client_id\":\"%s\",\"scopes\":[\"s\"],\"cert_thumbprint\":{\"file\":\"x\"},\"certificate\":{\"file\":\"%s/test_only_client_key.pem\"}}}}",
           getenv("COGNITE_BASE_URL"), authority, client_id, data);
  CHECK_STATUS(cognite_client_load(text, strlen(text), &client, &err), COGNITE_ERR_CONFIG);
  CHECK_CONTAINS(cognite_error_message(err), "cert_thumbprint");
  cognite_error_free(err);

  key[40] = '!';
  CHECK_STATUS(cognite_credentials_new_client_certificate(authority, client_id, print, key, "s", &credentials, &err), COGNITE_ERR_CONFIG);
  CHECK(credentials == NULL);
  CHECK_CONTAINS(cognite_error_message(err), "private key");
  cognite_error_free(err);
}

static void arguments(void) {
  cognite_credentials *c = NULL;
  cognite_error *err = NULL;
  person nobody = {NULL, NULL, 0, 0, 0};
  CHECK_STATUS(cognite_credentials_new_device_code(authority, NULL, client_id, "s", NULL, &nobody, gone, &c, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(nobody.destroyed == 1);
  cognite_error_free(err);
  CHECK_STATUS(cognite_credentials_new_device_code(authority, authority, client_id, "s", enter_code, &nobody, gone, &c, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK(nobody.destroyed == 2);
  cognite_error_free(err);
  CHECK_STATUS(cognite_credentials_new_interactive("http://login.example/t", client_id, "s", NULL, &nobody, gone, &c, &err), COGNITE_ERR_CONFIG);
  CHECK(nobody.destroyed == 3);
  CHECK_CONTAINS(cognite_error_message(err), "https");
  cognite_error_free(err);
  CHECK_STATUS(cognite_credentials_new_entra_interactive("t-1", client_id, "greenfield", NULL, NULL, NULL, &c, &err), COGNITE_OK);
  CHECK_CONTAINS(cognite_credentials_json(c), "https://login.microsoftonline.com/t-1");
  CHECK_CONTAINS(cognite_credentials_json(c), "https://greenfield.cognitedata.com/.default");
  CHECK_STATUS(cognite_credentials_set_login_prompt(c, "none", NULL, &err), COGNITE_ERR_CONFIG);
  cognite_error_free(err);
  CHECK_STATUS(cognite_credentials_set_login_prompt(c, "login", "a@b", &err), COGNITE_OK);
  CHECK_CONTAINS(cognite_credentials_json(c), "a@b");
  CHECK_STATUS(cognite_credentials_set_redirect_port(c, 65536, &err), COGNITE_ERR_INVALID_ARGUMENT);
  cognite_error_free(err);
  CHECK_STATUS(cognite_credentials_set_token_cache(c, NULL, 4, &err), COGNITE_ERR_INVALID_ARGUMENT);
  cognite_error_free(err);
  cognite_credentials_free(c);
  CHECK_STATUS(cognite_credentials_new_entra_device_code("t-1", client_id, "greenfield", enter_code, &nobody, gone, &c, &err), COGNITE_OK);
  CHECK_CONTAINS(cognite_credentials_json(c), "offline_access");
  cognite_credentials_free(c);
  CHECK(nobody.destroyed == 4);
  CHECK_STATUS(cognite_credentials_new_entra_client_credentials("t-1", client_id, "s", "greenfield", &c, &err), COGNITE_OK);
  CHECK_CONTAINS(cognite_credentials_json(c), "https://login.microsoftonline.com/t-1/oauth2/v2.0/token");
  cognite_credentials_free(c);
  CHECK_STATUS(cognite_credentials_new_entra_client_certificate("t-1", client_id, NULL, "x", "greenfield", &c, &err), COGNITE_ERR_CONFIG);
  cognite_error_free(err);
  {
    cognite_client *client = NULL;
    CHECK_STATUS(cognite_client_default_oauth_interactive("p", "greenfield", "t-1", client_id, "me", "login", "a@b", &client, &err), COGNITE_OK);
    cognite_client_free(client);
  }
}

/* With a real browser, which the environment variable BROWSER names: no callback takes part. */
static int real_browser(void) {
  cognite_credentials *c = NULL;
  cognite_error *err = NULL;
  cognite_client *client;
  emulator("/_emulator/login", "{\"auto_approve\": true}");
  CHECK_STATUS(cognite_credentials_new_interactive(authority, client_id, "https://x.example/.default", NULL, NULL, NULL, &c, &err), COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_token_cache(c, NULL, COGNITE_TOKEN_CACHE_MEMORY, &err), COGNITE_OK);
  CHECK_STATUS(cognite_credentials_set_redirect_port(c, 0, &err), COGNITE_OK);
  client = client_of(c);
  cognite_credentials_free(c);
  works(client);
  cognite_client_free(client);
  return REPORT();
}

int main(int argc, char **argv) {
  char dir[] = "/tmp/cognite-login-XXXXXX", command[200];
  const char *base = getenv("COGNITE_BASE_URL");
  if (argc != 2 || base == NULL || strrchr(base, ':') == NULL) {
    fprintf(stderr, "usage: with_emulator.sh EMULATOR test_login TEST_DATA_DIRECTORY\n");
    return 2;
  }
  client_id = getenv("COGNITE_CLIENT_ID");
  port = atoi(strrchr(base, ':') + 1);
  snprintf(authority, sizeof authority, "%s/tenant-1", base);
  if (strcmp(argv[1], "--browser") == 0) return real_browser();
  if (!CHECK(mkdtemp(dir) != NULL)) return 1;
  arguments();
  device_codes();
  loaded_without_a_prompt();
  looked_up_beforehand();
  browsers(dir);
  certificates(argv[1]);
  ends_while_waiting();
  snprintf(command, sizeof command, "rm -rf %s", dir);
  CHECK(system(command) == 0);
  return REPORT();
}
