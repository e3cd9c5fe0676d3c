/* test_files_network.c - content of files over a network that breaks off, stands still, points elsewhere and repeats what it
 * was told: what is asked for again, what reaches the storage, and what is left on the disk. */
#define _DEFAULT_SOURCE
#include "check.h"
#include "server.h"
#include <dirent.h>
#include <sys/stat.h>

#define SIGNATURE "SIGNATUREcanary/1"
#define ESCAPED "SIGNATUREcanary%2F1"

static struct server server;
static char folder[64], target[100], logged[1 << 20];
static size_t logged_len;

/* How the storage answers, request after request; the last stays. */
enum storage { WHOLE, BREAKS, BREAKS_UNNAMED, REST, OTHER_VERSION, OTHER_REST, REFUSES, HOLDS, BREAKS_LATE, MOVED, PACKED, SHUT, TAKES, LARGE, BREAKS_FAR, GOES_ON };
static const enum storage *script;
static int step;

/* What the storage was asked, as far as it matters. */
static char seen[40][400];
static int seen_count;
static int sent_token; /* to the storage */
static int links;      /* asked for */
static int longer;     /* of these, with longer life */
static const char *link_form; /* how links begin; %d is the port */

static int slow(int ms) { return getenv("COGNITE_TEST_SLOW") != NULL ? 10 * ms : ms; }

/* The value of a header, "" if there is none. */
static const char *header(const char *head, const char *name) {
  static char value[200];
  const char *at = strstr(head, name);
  value[0] = '\0';
  if (at != NULL) {
    at += strlen(name);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
  }
  return value;
}

static void api(struct server *s, int fd, const char *head) {
  char form[200], body[600];
  snprintf(form, sizeof form, link_form, s->port);
  links++;
  longer += strstr(head, "extendedExpiration=true") != NULL;
  if (strstr(head, "/files/downloadlink") != NULL) {
    snprintf(body, sizeof body, "{\"items\":[{\"id\":1,\"downloadUrl\":\"%s/storage/down?sig=%s&n=%d\"}]}", form, ESCAPED, links);
  } else {
    snprintf(body, sizeof body, "{\"id\":42,\"name\":\"n\",\"mimeType\":\"text/plain\",\"uploadUrl\":\"%s/storage/up?sig=%s\"}", form, ESCAPED);
  }
  server_reply(fd, "200 OK", "Content-Type: application/json\r\n", body, strlen(body));
}

static const char far_away[1200000];

static void storage(struct server *s, int fd, const char *head) {
  static const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x33, 0x30, 0x34, 0x32, 0x36,
    0x31, 0x35, 0x33, 0xb7, 0xb0, 0x04, 0x00, 0xc6, 0xc7, 0x84, 0xa6, 0x0a, 0x00, 0x00, 0x00};
  static const char part[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n";
  char text[300];
  enum storage now = script[step];
  if (seen_count < 40) {
    char range[60], version[60];
    snprintf(range, sizeof range, "%s", header(head, "\r\nrange: "));
    snprintf(version, sizeof version, "%s", header(head, "\r\nif-range: "));
    snprintf(seen[seen_count++], sizeof seen[0], "%.*s %s %s", (int)strcspn(head, "?\r"), head, range, version);
  }
  sent_token += strstr(head, "\r\nauthorization:") != NULL;
  if (script[step + 1] != SHUT) step++;
  switch (now) {
    case BREAKS:
    case BREAKS_LATE:
    case HOLDS:
      server_text(fd, part);
      server_text(fd, "ETag: \"v1\"\r\n\r\n0123");
      if (now == BREAKS_LATE) server_hold(s, fd, 21000);
      else server_hold(s, fd, now == HOLDS ? 20000 : 50);
      break;
    case BREAKS_UNNAMED:
      server_text(fd, part);
      server_text(fd, "\r\n0123");
      server_hold(s, fd, 50);
      break;
    case REST:
      server_reply(fd, "206 Partial Content", "ETag: \"v1\"\r\nContent-Range: bytes 4-9/10\r\n", "456789", 6);
      break;
    case OTHER_REST:
      server_reply(fd, "206 Partial Content", "ETag: \"v2\"\r\nContent-Range: bytes 4-9/10\r\n", "EFGHIJ", 6);
      break;
    case OTHER_VERSION: server_reply(fd, "200 OK", "ETag: \"v2\"\r\n", "ABCDEFGHIJ", 10); break;
    case REFUSES:
      snprintf(text, sizeof text, "<Error>signature %s (%s) does not fit</Error>", SIGNATURE, ESCAPED);
      server_reply(fd, "403 Forbidden", "", text, strlen(text));
      break;
    case MOVED: server_reply(fd, "307 Elsewhere", "Location: /storage/moved?sig=" ESCAPED "\r\n", "", 0); break;
    case PACKED: server_reply(fd, "200 OK", "Content-Encoding: gzip\r\n", packed, sizeof packed); break;
    case BREAKS_FAR:
      server_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n");
      server_send(fd, far_away, sizeof far_away);
      break;
    case GOES_ON: { /* a good megabyte more each time */
      long from = atol(header(head, "\r\nrange: bytes="));
      if (from == 0) server_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\nETag: \"v1\"\r\n\r\n");
      else {
        snprintf(text, sizeof text, "HTTP/1.1 206 Partial Content\r\nContent-Length: %ld\r\nETag: \"v1\"\r\nContent-Range: bytes "
                 "%ld-9999999/10000000\r\n\r\n", 10000000 - from, from);
        server_text(fd, text);
      }
      server_send(fd, far_away, 10000000 - from < (long)sizeof far_away ? (size_t)(10000000 - from) : sizeof far_away);
      break;
    }
    case LARGE:
      memset(text, 'x', sizeof text);
      server_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12c\r\n");
      server_send(fd, text, sizeof text);
      server_text(fd, "\r\n12c\r\n");
      server_send(fd, text, sizeof text);
      server_text(fd, "\r\n0\r\n\r\n");
      break;
    case SHUT: break;
    case TAKES: server_reply(fd, "200 OK", "", "", 0); break;
    case WHOLE: server_reply(fd, "200 OK", "", "0123456789", 10); break;
  }
}

static void answer(struct server *s, int fd) {
  static char head[sizeof s->head];
  pthread_mutex_lock(&s->lock);
  memcpy(head, s->head, sizeof head);
  pthread_mutex_unlock(&s->lock);
  if (strstr(head, "/api/v1/") != NULL) api(s, fd, head);
  else storage(s, fd, head);
}

static void begin(const enum storage *wanted) {
  pthread_mutex_lock(&server.lock);
  script = wanted;
  step = seen_count = sent_token = links = longer = 0;
  memset(seen, 0, sizeof seen);
  pthread_mutex_unlock(&server.lock);
}

#define RETRIES ",\"max_retries\":3"
static cognite_client *make_client(const char *more) {
  char text[512];
  cognite_client *made = NULL;
  cognite_error *err = NULL;
  snprintf(text, sizeof text, "{\"client_name\":\"files\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:%d\",\"credentials\":{\"token\":"
           "\"TOKENcanary\"},\"max_retry_backoff\":0%s}", server.port, more);
  cognite_client_load(text, strlen(text), &made, &err);
  CHECK_(made != NULL, cognite_error_message(err));
  cognite_error_free(err);
  return made;
}

/* The target as it is now, and how many files are beside it. */
static const char *there(int *others) {
  static char text[100];
  DIR *dir = opendir(folder);
  struct dirent *entry;
  FILE *f = fopen(target, "rb");
  *others = -1;
  while (dir != NULL && (entry = readdir(dir)) != NULL) *others += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  if (dir != NULL) closedir(dir);
  memset(text, 0, sizeof text);
  if (f != NULL) {
    if (fread(text, 1, sizeof text - 1, f) == 0) text[0] = '\0';
    fclose(f);
  }
  return text;
}

static void put_there(const char *content) {
  FILE *f = fopen(target, "wb");
  if (!CHECK(f != NULL)) return;
  fputs(content, f);
  fclose(f);
}

struct ask {
  const char *path;
  uint64_t timeout_ms;
  cognite_cancel *cancel;
};
static cognite_status get(cognite_client *client, struct ask ask, cognite_response **response, cognite_error **err) {
  cognite_download d = COGNITE_DOWNLOAD_INIT;
  d.file = "{\"id\":1}";
  d.file_len = strlen(d.file);
  d.path = ask.path;
  d.timeout_ms = ask.timeout_ms;
  d.cancel = ask.cancel;
  return cognite_client_download(client, &d, response, err);
}
static cognite_status put(cognite_client *client, cognite_cancel *cancel, cognite_response **response, cognite_error **err) {
  cognite_upload u = COGNITE_UPLOAD_INIT;
  u.file = "{\"name\":\"n\"}";
  u.file_len = strlen(u.file);
  u.content = "0123456789";
  u.content_len = 10;
  u.cancel = cancel;
  return cognite_client_upload(client, &u, response, err);
}

static void free_both(cognite_response **response, cognite_error **err) {
  cognite_response_free(*response);
  cognite_error_free(*err);
  *response = NULL;
  *err = NULL;
}

/* To a path, over a connection that breaks. */
static void broken_downloads(cognite_client *client) {
  static const struct {
    enum storage script[6];
    const char *content;
    const char *asked[4]; /* of the storage */
  } cases[] = {
    {{BREAKS, REST, SHUT}, "0123456789", {"GET /storage/down  ", "GET /storage/down bytes=4- \"v1\"", NULL}},
    {{BREAKS_UNNAMED, WHOLE, SHUT}, "0123456789", {"GET /storage/down  ", "GET /storage/down  ", NULL}},
    {{BREAKS, OTHER_VERSION, SHUT}, "ABCDEFGHIJ", {"GET /storage/down  ", "GET /storage/down bytes=4- \"v1\"", NULL}},
    {{BREAKS, OTHER_REST, OTHER_VERSION, SHUT}, "ABCDEFGHIJ",
     {"GET /storage/down  ", "GET /storage/down bytes=4- \"v1\"", "GET /storage/down  ", NULL}},
    {{BREAKS, BREAKS_UNNAMED, WHOLE, SHUT}, "0123456789",
     {"GET /storage/down  ", "GET /storage/down bytes=4- \"v1\"", "GET /storage/down  ", NULL}},
    {{PACKED, SHUT}, "0123456789", {"GET /storage/down  ", NULL}},
  };
  size_t i;
  int n, others;
  for (i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ask to_path = {target, 0, NULL};
    cognite_response *response = NULL;
    cognite_error *err = NULL;
    put_there("before");
    begin(cases[i].script);
    get(client, to_path, &response, &err);
    CHECK_(response != NULL, cognite_error_message(err));
    CHECK_EQUAL(cognite_response_body(response, NULL), "{\"length\":10}");
    CHECK_EQUAL(there(&others), cases[i].content);
    CHECK(others == 0);
    for (n = 0; cases[i].asked[n] != NULL; n++) CHECK_EQUAL(seen[n], cases[i].asked[n]);
    CHECK(seen_count == n && sent_token == 0 && links == 1);
    free_both(&response, &err);
  }
}

/* Each break has all repeats before it if there was headway since the last, and else not. */
static void many_breaks(cognite_client *client) {
  static const enum storage far[] = {BREAKS_FAR, SHUT}, on[] = {GOES_ON, SHUT};
  struct ask ask = {target, 0, NULL};
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  begin(far);
  CHECK_STATUS(get(client, ask, &response, &err), COGNITE_ERR_CONNECTION);
  CHECK(seen_count > 3 && seen_count < 10);
  free_both(&response, &err);
  begin(on);
  get(client, ask, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  CHECK_EQUAL(cognite_response_body(response, NULL), "{\"length\":10000000}");
  CHECK(seen_count == 9);
  free_both(&response, &err);
}

/* What ends it: too many breaks, a cancel, a deadline, standing still. The target is as it was, and nothing lies beside it. */
static void downloads_that_end_early(cognite_client *client) {
  static const enum storage broken[] = {BREAKS_UNNAMED, SHUT}, held[] = {HOLDS, SHUT}, refused[] = {REFUSES, SHUT};
  struct ask ask = {target, 0, NULL};
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_client *impatient = make_client(",\"file_transfer_timeout\":0.3,\"max_retries\":0");
  cognite_cancel *cancel;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_download d = COGNITE_DOWNLOAD_INIT;
  cognite_queue *queue = NULL;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  int others;
  put_there("before");
  begin(broken);
  CHECK_STATUS(get(client, ask, &response, &err), COGNITE_ERR_CONNECTION);
  CHECK(seen_count == 4);
  CHECK_CONTAINS(cognite_error_json(err), "\"step\":\"content\"");
  CHECK_EQUAL(there(&others), "before");
  CHECK(others == 0);
  free_both(&response, &err);

  begin(refused);
  CHECK_STATUS(get(client, ask, &response, &err), COGNITE_ERR_API);
  CHECK(seen_count == 1 && cognite_error_http_status(err) == 403);
  CHECK_LACKS(cognite_error_json(err), "canary");
  CHECK_EQUAL(there(&others), "before");
  CHECK(others == 0);
  free_both(&response, &err);

  begin(held);
  ask.timeout_ms = (uint64_t)slow(300);
  CHECK_STATUS(get(client, ask, &response, &err), COGNITE_ERR_TIMEOUT);
  CHECK_EQUAL(there(&others), "before");
  CHECK(others == 0);
  free_both(&response, &err);
  begin(held);
  ask.timeout_ms = 0;
  CHECK_STATUS(get(impatient, ask, &response, &err), COGNITE_ERR_TIMEOUT);
  CHECK_CONTAINS(cognite_error_message(err), "file_transfer_timeout");
  CHECK_EQUAL(there(&others), "before");
  CHECK(others == 0);
  free_both(&response, &err);

  begin(held);
  cancel = cognite_cancel_new();
  CHECK_STATUS(cognite_queue_new(1, &queue, &err), COGNITE_OK);
  notify.queue = queue;
  d.file = "{\"id\":1}";
  d.file_len = strlen(d.file);
  d.path = target;
  d.cancel = cancel;
  CHECK_STATUS(cognite_client_download_async(client, &d, &notify, &err), COGNITE_OK);
  while (server_count(&server, NULL) > 0 && *(volatile int *)&seen_count == 0) server_pause_ms(10);
  server_pause_ms(slow(200));
  there(&others);
  CHECK(others == 1); /* it is being written */
  cognite_cancel_trigger(cancel);
  CHECK_STATUS(cognite_queue_next(queue, -1, &done, &err), COGNITE_OK);
  CHECK_STATUS(done.status, COGNITE_ERR_CANCELLED);
  CHECK_EQUAL(there(&others), "before");
  CHECK(others == 0);
  cognite_error_free(done.error);
  cognite_queue_free(queue);
  cognite_cancel_free(cancel);
  cognite_client_free(impatient);
}

static void into_memory(cognite_client *client) {
  static const enum storage broken[] = {BREAKS, REST, SHUT}, packed[] = {PACKED, SHUT}, large[] = {LARGE, SHUT};
  struct ask ask = {NULL, 0, NULL};
  cognite_client *small = make_client(",\"max_response_bytes\":400");
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  begin(broken);
  CHECK_STATUS(get(client, ask, &response, &err), COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(response, NULL), "0123456789");
  free_both(&response, &err);
  begin(packed);
  CHECK_STATUS(get(client, ask, &response, &err), COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(response, NULL), "0123456789");
  free_both(&response, &err);
  begin(large);
  CHECK_STATUS(get(small, ask, &response, &err), COGNITE_ERR_DECODE);
  CHECK_CONTAINS(cognite_error_message(err), "max_response_bytes");
  CHECK(seen_count == 1);
  free_both(&response, &err);
  cognite_client_free(small);
}

static void *cancel_later(void *cancel) {
  while (*(volatile int *)&seen_count == 0) server_pause_ms(10);
  server_pause_ms(slow(100));
  cognite_cancel_trigger(cancel);
  return NULL;
}

static void uploads(cognite_client *client) {
  static const enum storage takes[] = {TAKES, SHUT}, moved[] = {MOVED, TAKES, SHUT}, refused[] = {REFUSES, SHUT},
                            held[] = {HOLDS, SHUT};
  cognite_client *follows = make_client(",\"follow_redirects\":true"), *once = make_client(",\"max_retries\":0");
  cognite_cancel *cancel = cognite_cancel_new();
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  pthread_t thread;
  begin(takes);
  CHECK_STATUS(put(client, NULL, &response, &err), COGNITE_OK);
  CHECK_EQUAL(seen[0], "PUT /storage/up  ");
  CHECK(sent_token == 0);
  CHECK_CONTAINS(cognite_response_body(response, NULL), "\"id\":42");
  CHECK_LACKS(cognite_response_body(response, NULL), "canary");
  free_both(&response, &err);
  link_form = "";
  begin(takes);
  CHECK_STATUS(put(client, NULL, &response, &err), COGNITE_OK);
  CHECK(sent_token == 1); /* the service's own address */
  free_both(&response, &err);
  link_form = "http://127.0.0.1:%d";
  begin(moved);
  CHECK_STATUS(put(client, NULL, &response, &err), COGNITE_ERR_API);
  CHECK_CONTAINS(cognite_error_message(err), "follow_redirects");
  CHECK_LACKS(cognite_error_json(err), "canary");
  free_both(&response, &err);
  begin(moved);
  CHECK_STATUS(put(follows, NULL, &response, &err), COGNITE_OK);
  CHECK_EQUAL(seen[1], "PUT /storage/moved  ");
  free_both(&response, &err);
  begin(refused);
  CHECK_STATUS(put(client, NULL, &response, &err), COGNITE_ERR_API);
  CHECK(!cognite_error_in_doubt(err) && seen_count == 1);
  CHECK_CONTAINS(cognite_error_json(err), "\"id\":42");
  CHECK_CONTAINS(cognite_error_message(err), "does not fit");
  CHECK_LACKS(cognite_error_json(err), "canary");
  free_both(&response, &err);
  begin(held);
  pthread_create(&thread, NULL, cancel_later, cancel);
  CHECK_STATUS(put(once, cancel, &response, &err), COGNITE_OK); /* the storage has it: its status came */
  free_both(&response, &err);
  pthread_join(thread, NULL);
  CHECK_STATUS(put(once, cancel, &response, &err), COGNITE_ERR_CANCELLED);
  CHECK(!cognite_error_in_doubt(err)); /* before the first byte */
  free_both(&response, &err);
  cognite_cancel_free(cancel);
  cognite_client_free(follows);
  cognite_client_free(once);
}

/* Takes the content, and closes without a word. */
static void a_mute(struct server *s, int fd) {
  static char head[sizeof s->head];
  pthread_mutex_lock(&s->lock);
  memcpy(head, s->head, sizeof head);
  pthread_mutex_unlock(&s->lock);
  if (strstr(head, "/api/v1/") != NULL) api(s, fd, head);
  else seen_count++;
}

static void an_upload_in_doubt(void) {
  cognite_client *once = make_client(",\"max_retries\":0");
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  static const enum storage none[] = {SHUT};
  begin(none);
  server_set(&server, a_mute);
  CHECK_STATUS(put(once, NULL, &response, &err), COGNITE_ERR_CONNECTION);
  CHECK(cognite_error_in_doubt(err));
  CHECK_CONTAINS(cognite_error_json(err), "\"step\":\"content\"");
  free_both(&response, &err);
  server_set(&server, answer);
  cognite_client_free(once);
}

/* Half a minute after it was given a link leads nowhere; the rest is had by another. */
static void a_link_that_ends(cognite_client *client) {
  static const enum storage late[] = {BREAKS_LATE, REFUSES, REST, SHUT};
  struct ask ask = {target, 0, NULL};
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  int others;
  begin(late);
  get(client, ask, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  CHECK_EQUAL(there(&others), "0123456789");
  CHECK(links == 2 && longer == 1 && seen_count == 3);
  CHECK_EQUAL(seen[2], "GET /storage/down bytes=4- \"v1\"");
  free_both(&response, &err);
}

static void on_record(void *user_data, int32_t level, const char *json, size_t len) {
  (void)user_data;
  (void)level;
  if (logged_len + len + 2 < sizeof logged) {
    memcpy(logged + logged_len, json, len + 1);
    logged_len += len;
  }
}

int main(void) {
  const char *base = getenv("TMPDIR");
  cognite_client *client;
  cognite_error *err = NULL;
  snprintf(folder, sizeof folder, "%.40s/files-XXXXXX", base != NULL ? base : "/tmp");
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(target, sizeof target, "%s/target", folder);
  link_form = "http://127.0.0.1:%d";
  server_start(&server, answer);
  CHECK_STATUS(cognite_log_set_callback(on_record, NULL, NULL, COGNITE_LOG_DEBUG, NULL), COGNITE_OK);
  client = make_client(RETRIES);
  broken_downloads(client);
  many_breaks(client);
  downloads_that_end_early(client);
  into_memory(client);
  uploads(client);
  an_upload_in_doubt();
  a_link_that_ends(client);
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(&err), COGNITE_OK);
  cognite_error_free(err);
  CHECK_CONTAINS(logged, "/storage/down?sig=***");
  CHECK_LACKS(logged, "canary");
  server_stop(&server);
  unlink(target);
  CHECK(rmdir(folder) == 0);
  return REPORT();
}
