/* test_files.c - content of files up and down against the emulator: sizes around the borders, parts, repeats, files that
 * exist, local files that cannot be read or written, and how much memory a large file takes. */
#define _DEFAULT_SOURCE
#include "connection.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024l * 1024)

static cognite_client *client;
static char folder[64];

static int is_slow(void) { return getenv("COGNITE_TEST_SLOW") != NULL; }

static char *in_folder(const char *name) {
  static char paths[4][200];
  static int turn = 0;
  turn = (turn + 1) % 4;
  snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
  return paths[turn];
}

/* How many files are in the folder: what is left behind is seen. */
static int files_there(void) {
  DIR *dir = opendir(folder);
  struct dirent *entry;
  int count = 0;
  while (dir != NULL && (entry = readdir(dir)) != NULL) count += entry->d_name[0] != '.' || strlen(entry->d_name) > 2;
  if (dir != NULL) closedir(dir);
  return count;
}

/* Bytes that are not the same at any two places near each other. */
static unsigned char byte_at(long n) { return (unsigned char)(n ^ n >> 8 ^ n >> 16 ^ n >> 24 ^ n / 255); }

static void fill(char *into, long from, long count) {
  long n;
  for (n = 0; n < count; n++) into[n] = (char)byte_at(from + n);
}

static void write_local(const char *path, long size) {
  static char piece[1 << 16];
  FILE *f = fopen(path, "wb");
  long at, n;
  if (!CHECK(f != NULL)) return;
  for (at = 0; at < size; at += n) {
    n = size - at < (long)sizeof piece ? size - at : (long)sizeof piece;
    fill(piece, at, n);
    if (!CHECK(fwrite(piece, 1, (size_t)n, f) == (size_t)n)) break;
  }
  CHECK(fclose(f) == 0);
}

static int local_is(const char *path, long size) {
  static char piece[1 << 16];
  FILE *f = fopen(path, "rb");
  long at = 0, n, i;
  int same = f != NULL;
  while (same && (n = (long)fread(piece, 1, sizeof piece, f)) > 0) {
    for (i = 0; i < n && same; i++) same = (unsigned char)piece[i] == byte_at(at + i);
    at += n;
  }
  if (f != NULL) fclose(f);
  return same && at == size;
}

static cognite_status upload(const char *file, const void *content, size_t len, const char *path, uint32_t flags,
                             cognite_response **response, cognite_error **err) {
  cognite_upload u = COGNITE_UPLOAD_INIT;
  u.file = file;
  u.file_len = strlen(file);
  u.content = content;
  u.content_len = len;
  u.path = path;
  u.flags = flags;
  return cognite_client_upload(client, &u, response, err);
}

static cognite_status download(const char *file, const char *path, cognite_response **response, cognite_error **err) {
  cognite_download d = COGNITE_DOWNLOAD_INIT;
  d.file = file;
  d.file_len = strlen(file);
  d.path = path;
  return cognite_client_download(client, &d, response, err);
}

static void free_both(cognite_response **response, cognite_error **err) {
  cognite_response_free(*response);
  cognite_error_free(*err);
  *response = NULL;
  *err = NULL;
}

static void faults(const char *rules) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_client_post(client, "/_emulator/faults", rules, strlen(rules), NULL, NULL, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  free_both(&response, &err);
}

/* From memory and from a path, and back to memory and to a path. */
static void one_size(long size, const char *name) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char file[200], key[100];
  char *content = malloc((size_t)size + 1);
  char *from = in_folder("from"), *to = in_folder("to");
  size_t len = 0;
  const char *body;
  if (content == NULL) abort();
  fill(content, 0, size);
  write_local(from, size);

  snprintf(file, sizeof file, "{\"name\":\"m\",\"externalId\":\"%s-m\",\"mimeType\":\"text/plain\"}", name);
  upload(file, size > 0 ? content : NULL, (size_t)size, NULL, 0, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  CHECK_CONTAINS(cognite_response_body(response, NULL), "\"uploaded\":false");
  CHECK_LACKS(cognite_response_body(response, NULL), "_storage");
  free_both(&response, &err);
  snprintf(key, sizeof key, "{\"externalId\":\"%s-m\"}", name);
  download(key, NULL, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  body = cognite_response_body(response, &len);
  CHECK_(len == (size_t)size && memcmp(body, content, len) == 0, name);
  free_both(&response, &err);

  snprintf(file, sizeof file, "{\"externalId\":\"%s-p\"}", name);
  upload(file, NULL, 0, from, 0, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  CHECK_CONTAINS(cognite_response_body(response, NULL), "\"name\":\"from\"");
  free_both(&response, &err);
  snprintf(key, sizeof key, "{\"externalId\":\"%s-p\"}", name);
  download(key, to, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  snprintf(file, sizeof file, "{\"length\":%ld}", size);
  CHECK_EQUAL(cognite_response_body(response, NULL), file);
  CHECK_(local_is(to, size), name);
  free_both(&response, &err);
  unlink(from);
  unlink(to);
  CHECK(files_there() == 0);
  free(content);
}

static void an_existing_file(void) {
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char *from = in_folder("from");
  CHECK_STATUS(upload("{\"name\":\"e\",\"externalId\":\"e\"}", "first", 5, NULL, 0, &response, &err), COGNITE_OK);
  free_both(&response, &err);
  CHECK_STATUS(upload("{\"externalId\":\"e\"}", "second", 6, NULL, COGNITE_UPLOAD_EXISTING, &response, &err), COGNITE_OK);
  free_both(&response, &err);
  CHECK_STATUS(download("{\"externalId\":\"e\"}", NULL, &response, &err), COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(response, NULL), "second");
  free_both(&response, &err);
  write_local(from, 9);
  CHECK_STATUS(upload("{\"externalId\":\"e\"}", NULL, 0, from, COGNITE_UPLOAD_EXISTING, &response, &err), COGNITE_OK);
  free_both(&response, &err);
  CHECK_STATUS(download("{\"externalId\":\"e\"}", in_folder("to"), &response, &err), COGNITE_OK);
  CHECK(local_is(in_folder("to"), 9));
  free_both(&response, &err);
  unlink(from);
  unlink(in_folder("to"));

  CHECK_STATUS(upload("{\"name\":\"e\",\"externalId\":\"e\"}", "no", 2, NULL, 0, &response, &err), COGNITE_ERR_DUPLICATED);
  CHECK_LACKS(cognite_error_json(err), "\"step\"");
  free_both(&response, &err);
  CHECK_STATUS(upload("{\"name\":\"e\",\"externalId\":\"e\"}", "over", 4, NULL, COGNITE_UPLOAD_OVERWRITE, &response, &err), COGNITE_OK);
  free_both(&response, &err);
  CHECK_STATUS(download("{\"externalId\":\"e\"}", NULL, &response, &err), COGNITE_OK);
  CHECK_EQUAL(cognite_response_body(response, NULL), "over");
  free_both(&response, &err);
  CHECK_STATUS(upload("{\"externalId\":\"nobody\"}", "no", 2, NULL, COGNITE_UPLOAD_EXISTING, &response, &err), COGNITE_ERR_NOT_FOUND);
  free_both(&response, &err);
  CHECK_STATUS(download("{\"externalId\":\"nobody\"}", in_folder("to"), &response, &err), COGNITE_ERR_NOT_FOUND);
  CHECK(files_there() == 0);
  free_both(&response, &err);
}

/* What is wrong on this side is found before the service hears of it. */
static void local_files_that_cannot_be(void) {
  static const char *const targets[][2] = {{"/nonexistent/folder/file", "/nonexistent"}, {"/proc/nowhere", "/proc"}, {"/", "directory"},
    {"/dev/null", "no regular file"}, {"", "path"}};
  static const char *const wrong[] = {"", "{}", "[1]", "{\"id\":\"1\"}", "{\"id\":1,\"externalId\":\"a\"}"};
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  size_t i;
  CHECK_STATUS(upload("{}", NULL, 0, "/nonexistent/file", 0, &response, &err), COGNITE_ERR_IO);
  CHECK_CONTAINS(cognite_error_message(err), "/nonexistent/file");
  CHECK(!cognite_error_in_doubt(err));
  free_both(&response, &err);
  CHECK_STATUS(upload("{\"name\":\"d\"}", NULL, 0, folder, 0, &response, &err), COGNITE_ERR_IO);
  CHECK_CONTAINS(cognite_error_message(err), "directory");
  free_both(&response, &err);
  for (i = 0; i < sizeof targets / sizeof *targets; i++) {
    CHECK_STATUS(download("{\"externalId\":\"e\"}", targets[i][0], &response, &err), COGNITE_ERR_IO);
    CHECK_CONTAINS(cognite_error_message(err), targets[i][1]);
    free_both(&response, &err);
  }
  CHECK_STATUS(download("{\"externalId\":\"e\"}", folder, &response, &err), COGNITE_ERR_IO);
  CHECK(files_there() == 0);
  free_both(&response, &err);
  for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK_STATUS(download(wrong[i], NULL, &response, &err), COGNITE_ERR_INVALID_ARGUMENT);
    free_both(&response, &err);
    CHECK_STATUS(upload(wrong[i], "x", 1, NULL, COGNITE_UPLOAD_EXISTING, &response, &err), COGNITE_ERR_INVALID_ARGUMENT);
    free_both(&response, &err);
  }
  CHECK_STATUS(upload("{\"source\":\"s\"}", "x", 1, NULL, 0, &response, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "name");
  free_both(&response, &err);
  CHECK_STATUS(upload("{\"name\":\"n\"}", "x", 1, "path", 0, &response, &err), COGNITE_ERR_INVALID_ARGUMENT);
  free_both(&response, &err);
  CHECK_STATUS(upload("{\"name\":\"n\"}", "x", 1, NULL, 64, &response, &err), COGNITE_ERR_INVALID_ARGUMENT);
  free_both(&response, &err);
}

/* A disk that takes no more: here the limit of this process for the size of files, whose signal would end it. */
static void a_full_disk(void) {
  struct rlimit usual, small;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char *content = calloc(1, 3 * MIB);
  FILE *f;
  CHECK_STATUS(upload("{\"name\":\"f\",\"externalId\":\"full\"}", content, 3 * MIB, NULL, 0, &response, &err), COGNITE_OK);
  free_both(&response, &err);
  f = fopen(in_folder("to"), "wb");
  if (CHECK(f != NULL)) {
    fputs("before", f);
    fclose(f);
  }
  getrlimit(RLIMIT_FSIZE, &usual);
  small = usual;
  small.rlim_cur = 2 * MIB;
  setrlimit(RLIMIT_FSIZE, &small);
  CHECK_STATUS(download("{\"externalId\":\"full\"}", in_folder("to"), &response, &err), COGNITE_ERR_IO);
  setrlimit(RLIMIT_FSIZE, &usual);
  CHECK_CONTAINS(cognite_error_message(err), "cannot be written");
  free_both(&response, &err);
  /* What was there stays, and nothing else. */
  CHECK(files_there() == 1);
  f = fopen(in_folder("to"), "rb");
  if (CHECK(f != NULL)) {
    char text[10] = "";
    CHECK(fread(text, 1, 9, f) == 6 && strcmp(text, "before") == 0);
    fclose(f);
  }
  CHECK_STATUS(download("{\"externalId\":\"full\"}", in_folder("to"), &response, &err), COGNITE_OK);
  CHECK(files_there() == 1);
  free_both(&response, &err);
  unlink(in_folder("to"));
  free(content);
}

/* Each kind of failure of the storage, on the way up: repeated from the start, or told with the file it leaves behind. */
static void a_storage_that_fails(void) {
  static const char *const repeated[] = {"{\"kind\":\"status\",\"status\":503}", "{\"kind\":\"reset\"}", "{\"kind\":\"close\"}",
    "{\"kind\":\"applied_no_answer\"}", "{\"kind\":\"status\",\"status\":429}"};
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char rules[300], file[100];
  size_t i;
  write_local(in_folder("from"), 300000);
  for (i = 0; i < sizeof repeated / sizeof *repeated; i++) {
    snprintf(rules, sizeof rules, "[{\"match\":{\"method\":\"PUT\",\"path\":\"/_storage\"},\"action\":%s}]", repeated[i]);
    snprintf(file, sizeof file, "{\"name\":\"r\",\"externalId\":\"repeated-%d\"}", (int)i);
    faults(rules);
    upload(file, NULL, 0, in_folder("from"), 0, &response, &err);
    CHECK_(response != NULL, cognite_error_message(err));
    CHECK(cognite_response_attempts(response) == 2);
    free_both(&response, &err);
    snprintf(file, sizeof file, "{\"externalId\":\"repeated-%d\"}", (int)i);
    CHECK_STATUS(download(file, in_folder("to"), &response, &err), COGNITE_OK);
    CHECK(local_is(in_folder("to"), 300000));
    free_both(&response, &err);
  }
  faults("[{\"match\":{\"method\":\"PUT\",\"path\":\"/_storage\"},\"action\":{\"kind\":\"status\",\"status\":403,\"body\":\"no\"}}]");
  CHECK_STATUS(upload("{\"name\":\"r\",\"externalId\":\"refused\"}", "x", 1, NULL, 0, &response, &err), COGNITE_ERR_API);
  CHECK(cognite_error_http_status(err) == 403);
  CHECK(!cognite_error_in_doubt(err));
  CHECK_CONTAINS(cognite_error_json(err), "\"step\":\"content\"");
  CHECK_CONTAINS(cognite_error_json(err), "\"externalId\":\"refused\"");
  CHECK_LACKS(cognite_error_json(err), "uploadUrl");
  free_both(&response, &err);
  CHECK_STATUS(upload("{\"externalId\":\"refused\"}", "y", 1, NULL, COGNITE_UPLOAD_EXISTING, &response, &err), COGNITE_OK);
  free_both(&response, &err);
  /* The last word: in doubt, and it was carried out. */
  faults("[{\"match\":{\"path\":\"/files/completemultipartupload\"},\"action\":{\"kind\":\"applied_no_answer\"}}]");
  CHECK_STATUS(upload("{\"externalId\":\"last\"}", NULL, 0, in_folder("from"), 0, &response, &err), COGNITE_ERR_CONNECTION);
  CHECK(cognite_error_in_doubt(err));
  CHECK_CONTAINS(cognite_error_json(err), "\"step\":\"complete\"");
  free_both(&response, &err);
  CHECK_STATUS(download("{\"externalId\":\"last\"}", in_folder("to"), &response, &err), COGNITE_OK);
  free_both(&response, &err);
  faults("[{\"match\":{\"method\":\"GET\",\"path\":\"/_storage\"},\"action\":{\"kind\":\"cut\",\"after_bytes\":200000}}]");
  CHECK_STATUS(download("{\"externalId\":\"last\"}", in_folder("to"), &response, &err), COGNITE_OK);
  CHECK(cognite_response_attempts(response) == 2 && local_is(in_folder("to"), 300000));
  free_both(&response, &err);
  /* Only what was missing came the second time. */
  cognite_client_get(client, "/_emulator/requests", NULL, NULL, &response, &err);
  CHECK_CONTAINS(cognite_response_body(response, NULL), "\"answer_bytes\":100000");
  free_both(&response, &err);
  unlink(in_folder("from"));
  unlink(in_folder("to"));
  CHECK(files_there() == 0);
}

struct sender {
  cognite_multipart *multipart;
  uint32_t number;
  cognite_status status;
};
static void *send_part(void *argument) {
  struct sender *sender = argument;
  char content[1000];
  fill(content, (long)sender->number * 1000, 1000);
  sender->status = cognite_multipart_part(sender->multipart, sender->number, content, sizeof content, NULL, NULL);
  return NULL;
}

static void parts_of_the_program_s_own(void) {
  enum { PARTS = 8 };
  cognite_upload u = COGNITE_UPLOAD_INIT;
  cognite_multipart *multipart = NULL;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_queue *queue = NULL;
  struct sender senders[PARTS];
  pthread_t threads[PARTS];
  int i;
  u.file = "{\"name\":\"parts\",\"externalId\":\"parts\"}";
  u.file_len = strlen(u.file);
  CHECK_STATUS(cognite_multipart_new(client, &u, 0, &multipart, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_multipart_new(client, &u, 251, &multipart, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_multipart_new(client, &u, PARTS, &multipart, &err), COGNITE_OK);
  faults("[{\"match\":{\"method\":\"PUT\",\"path\":\"/_storage\"},\"action\":{\"kind\":\"status\",\"status\":400}}]");
  CHECK_STATUS(cognite_multipart_part(multipart, 0, "x", 1, NULL, &err), COGNITE_ERR_API);
  CHECK(!cognite_error_in_doubt(err));
  free_both(&response, &err);
  CHECK_STATUS(cognite_multipart_part(multipart, PARTS, "x", 1, NULL, NULL), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(cognite_multipart_complete(multipart, &response, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "part 0");
  free_both(&response, &err);
  for (i = 0; i < PARTS; i++) {
    senders[i].multipart = multipart;
    senders[i].number = (uint32_t)(PARTS - 1 - i);
    pthread_create(&threads[i], NULL, send_part, &senders[i]);
  }
  for (i = 0; i < PARTS; i++) {
    pthread_join(threads[i], NULL);
    CHECK_STATUS(senders[i].status, COGNITE_OK);
  }
  CHECK_STATUS(cognite_multipart_part(multipart, 3, "x", 1, NULL, &err), COGNITE_ERR_INVALID_ARGUMENT);
  CHECK_CONTAINS(cognite_error_message(err), "already");
  free_both(&response, &err);
  CHECK_STATUS(cognite_queue_new(1, &queue, &err), COGNITE_OK);
  notify.queue = queue;
  CHECK_STATUS(cognite_multipart_complete_async(multipart, &notify, &err), COGNITE_OK);
  cognite_multipart_free(multipart);
  CHECK_STATUS(cognite_queue_next(queue, -1, &done, &err), COGNITE_OK);
  CHECK_STATUS(done.status, COGNITE_OK);
  cognite_response_free(done.response);
  cognite_error_free(done.error);
  cognite_queue_free(queue);
  CHECK_STATUS(download("{\"externalId\":\"parts\"}", in_folder("to"), &response, &err), COGNITE_OK);
  CHECK(local_is(in_folder("to"), PARTS * 1000));
  free_both(&response, &err);
  unlink(in_folder("to"));
}

static void told_later(void) {
  cognite_upload u = COGNITE_UPLOAD_INIT;
  cognite_download d = COGNITE_DOWNLOAD_INIT;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_queue *queue = NULL;
  cognite_error *err = NULL;
  char content[] = "content", file[] = "{\"name\":\"l\",\"externalId\":\"later\"}", key[] = "{\"externalId\":\"later\"}";
  int step;
  CHECK_STATUS(cognite_queue_new(2, &queue, &err), COGNITE_OK);
  notify.queue = queue;
  u.file = file;
  u.file_len = strlen(file);
  u.content = content;
  u.content_len = strlen(content);
  CHECK_STATUS(cognite_client_upload_async(client, &u, &notify, &err), COGNITE_OK);
  memset(content, 0, sizeof content); /* read during the call only */
  memset(file, 0, sizeof file);
  for (step = 0; step < 2; step++) {
    CHECK_STATUS(cognite_queue_next(queue, -1, &done, &err), COGNITE_OK);
    CHECK_STATUS(done.status, COGNITE_OK);
    if (step == 1) CHECK_EQUAL(cognite_response_body(done.response, NULL), "content");
    cognite_response_free(done.response);
    cognite_error_free(done.error);
    d.file = key;
    d.file_len = strlen(key);
    if (step == 0) CHECK_STATUS(cognite_client_download_async(client, &d, &notify, &err), COGNITE_OK);
  }
  cognite_queue_free(queue);
}

/* A relative path is meant from the folder of the moment in which the call is made. */
static void the_folder_changes_meanwhile(void) {
  cognite_upload u = COGNITE_UPLOAD_INIT;
  cognite_download d = COGNITE_DOWNLOAD_INIT;
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_completion done = COGNITE_COMPLETION_INIT;
  cognite_queue *queue = NULL;
  int before = open(".", O_RDONLY);
  CHECK_STATUS(cognite_queue_new(0, &queue, NULL), COGNITE_OK);
  notify.queue = queue;
  write_local(in_folder("here"), 100);
  u.file = "{\"externalId\":\"moved\"}";
  u.path = "here";
  d.file = u.file;
  d.path = "there";
  u.file_len = d.file_len = strlen(u.file);
  CHECK(before >= 0 && chdir(folder) == 0);
  CHECK_STATUS(cognite_client_upload_async(client, &u, &notify, NULL), COGNITE_OK);
  CHECK(chdir("/") == 0);
  CHECK_STATUS(cognite_queue_next(queue, -1, &done, NULL), COGNITE_OK);
  CHECK_STATUS(done.status, COGNITE_OK);
  cognite_response_free(done.response);
  cognite_error_free(done.error);
  CHECK(chdir(folder) == 0);
  CHECK_STATUS(cognite_client_download_async(client, &d, &notify, NULL), COGNITE_OK);
  CHECK(chdir("/") == 0);
  CHECK_STATUS(cognite_queue_next(queue, -1, &done, NULL), COGNITE_OK);
  CHECK_STATUS(done.status, COGNITE_OK);
  cognite_response_free(done.response);
  cognite_error_free(done.error);
  CHECK(local_is(in_folder("there"), 100) && access("/there", F_OK) != 0);
  unlink(in_folder("here"));
  unlink(in_folder("there"));
  CHECK(fchdir(before) == 0);
  close(before);
  cognite_queue_free(queue);
}

static long resident_kib(void) {
  FILE *f = fopen("/proc/self/status", "r");
  char line[200];
  long kib = 0;
  while (f != NULL && fgets(line, sizeof line, f) != NULL) {
    if (strncmp(line, "VmHWM:", 6) == 0) kib = atol(line + 6);
  }
  if (f != NULL) fclose(f);
  return kib;
}

/* Six parts, one of which is broken off, and back: in a bounded amount of memory. */
static void a_large_file(void) {
  long size = is_slow() ? 50 * MIB + 1 : 300 * MIB, before, after;
  cognite_response *response = NULL;
  cognite_error *err = NULL;
  char detail[100];
  write_local(in_folder("from"), size);
  before = resident_kib();
  faults("[{\"match\":{\"method\":\"PUT\",\"path\":\"/_storage\"},\"action\":{\"kind\":\"reset\"}}]");
  upload("{\"externalId\":\"large\"}", NULL, 0, in_folder("from"), 0, &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  free_both(&response, &err);
  download("{\"externalId\":\"large\"}", in_folder("to"), &response, &err);
  CHECK_(response != NULL, cognite_error_message(err));
  free_both(&response, &err);
  after = resident_kib();
  CHECK(local_is(in_folder("to"), size));
  snprintf(detail, sizeof detail, "%ld KiB more for %ld MiB up and down", after - before, size / MIB);
  printf("%s\n", detail);
  if (!is_slow()) CHECK_(after - before < 24 * 1024, detail);
  unlink(in_folder("from"));
  unlink(in_folder("to"));
  CHECK_STATUS(upload("{\"externalId\":\"large\"}", "", 0, NULL, COGNITE_UPLOAD_EXISTING, &response, &err), COGNITE_OK);
  free_both(&response, &err);
}

int main(void) {
  const char *base = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%.40s/files-XXXXXX", base != NULL ? base : "/tmp");
  if (mkdtemp(folder) == NULL) return 1;
  client = connect_oauth(need("COGNITE_CLIENT_SECRET"));
  one_size(0, "zero");
  one_size(1, "one");
  one_size(5 * MIB - 1, "less");
  one_size(5 * MIB, "five");
  one_size(5 * MIB + 1, "more");
  an_existing_file();
  local_files_that_cannot_be();
  a_full_disk();
  a_storage_that_fails();
  parts_of_the_program_s_own();
  told_later();
  the_folder_changes_meanwhile();
  a_large_file();
  cognite_client_free(client);
  CHECK(files_there() == 0);
  rmdir(folder);
  return REPORT();
}
