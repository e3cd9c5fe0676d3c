#include "files.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

/* ---- content ---- */

static int digit_of(char c) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *at = c == '\0' ? NULL : strchr(digits, c);
  return at == NULL ? -1 : (int)(at - digits);
}

static void add_decoded(text *t, const char *base64) {
  unsigned bits = 0;
  int held = 0;
  for (; digit_of(*base64) >= 0; base64++) {
    bits = bits << 6 | (unsigned)digit_of(*base64);
    held += 6;
    if (held >= 8) {
      char byte = (char)(bits >> (held -= 8) & 0xff);
      add(t, &byte, 1);
    }
  }
}

/* {"text"}, {"base64"} or {"fill": {"byte", "count"}}. */
static void add_content(text *t, const doc *d, int value) {
  int words = member(d, value, "text"), base64 = member(d, value, "base64"), fill = member(d, value, "fill");
  size_t len;
  char *given;
  add(t, "", 0);
  if (words != NONE) {
    given = text_of(d, words, &len);
    add(t, given, len);
    free(given);
  } else if (base64 != NONE) {
    given = text_of(d, base64, NULL);
    add_decoded(t, given);
    free(given);
  } else if (fill != NONE) {
    len = (size_t)number_of(d, member(d, fill, "count"));
    given = must(malloc(len + 1));
    memset(given, (int)number_of(d, member(d, fill, "byte")), len);
    add(t, given, len);
    free(given);
  }
}

/* A path below the folder of this vector. */
static char *path_of(const doc *d, const char *name) {
  char *folder = text_of(d, member(d, 0, "tmp"), NULL);
  text t = {NULL, 0, 0};
  add_text(&t, folder);
  add_text(&t, "/");
  add_text(&t, name);
  free(folder);
  return t.at;
}

/* ---- errors ---- */

static int says(const doc *d, int value, const char *words) {
  char *given = value != NONE && is_text(d, value) ? text_of(d, value, NULL) : NULL;
  int same = given != NULL && strcmp(given, words) == 0;
  free(given);
  return same;
}

static void add_known(text *t, const doc *d, const char *theirs, const char *ours) {
  int value = member(d, 0, theirs);
  if (value == NONE) return;
  add_text(t, ",\"");
  add_text(t, ours);
  add_text(t, "\":");
  add_value(t, d, value);
}

static void add_refusal(text *t, const char *kind, const cognite_error *error, const doc *d) {
  int said = member(d, 0, "serviceMessage");
  const char *message = cognite_error_message(error);
  add_text(t, "{\"error\":{\"kind\":\"");
  add_text(t, kind);
  add_text(t, "\",\"text\":");
  add_quoted(t, message, strlen(message));
  add_text(t, ",\"code\":");
  add_number(t, cognite_error_http_status(error));
  if (said != NONE) {
    add_text(t, ",\"message\":");
    add_value(t, d, said);
  }
  if (strcmp(kind, "not_found") == 0) add_text(t, ",\"missing\":[]");
  if (strcmp(kind, "file_upload") != 0 && strcmp(kind, "http_status") != 0) {
    add_known(t, d, "requestId", "x_request_id");
    add_known(t, d, "cluster", "cluster");
    add_known(t, d, "project", "project");
  }
  add_text(t, "}}");
}

/* What the reference has own kinds for: a 403 about files, a storage that refuses, a file that is not there. What a storage
 * answers it tells as an error of the API where the content was to go to a path, else as a bare status. */
static void add_failure(text *t, cognite_error *error, int uploads, int to_path) {
  const char *json = cognite_error_json(error), *message = cognite_error_message(error);
  cognite_status status = cognite_error_status(error);
  doc d;
  int extra, storage, code = (int)cognite_error_http_status(error);
  if (!parse(&d, json, strlen(json))) return;
  extra = member(&d, 0, "extra");
  storage = status == COGNITE_ERR_API && extra != NONE && is_object(&d, extra) && says(&d, member(&d, extra, "step"), "content");
  if (uploads && status == COGNITE_ERR_ACCESS && code == 403) {
    add_refusal(t, "authorization", error, &d);
  } else if (storage) {
    add_refusal(t, uploads ? "file_upload" : !to_path ? "http_status" : code == 404 ? "not_found" : "api_error", error, &d);
  } else if (status == COGNITE_ERR_IO) {
    add_text(t, "{\"error\":{\"kind\":\"file_not_found\",\"text\":");
    add_quoted(t, message, strlen(message));
    add_text(t, "}}");
  } else {
    add_text(t, "{\"error\":");
    add_error(t, error);
    add_text(t, "}");
  }
  free_doc(&d);
  cognite_error_free(error);
}

/* ---- up ---- */

/* The file as JSON, in the API's names; without what says how it is uploaded. */
static void add_file(text *t, const doc *d, int call) {
  static const char *const not_of_the_file[] = {"op", "how", "content", "overwrite", "file_name", "parts", "part_order", NULL};
  const char *between = "";
  int i, n;
  add_text(t, "{");
  for (i = first_of(d, call); i != NONE; i = next_of(d, i)) {
    char *name = text_of(d, i, NULL), *at;
    for (n = 0; not_of_the_file[n] != NULL && strcmp(name, not_of_the_file[n]) != 0; n++) continue;
    if (not_of_the_file[n] == NULL) {
      add_text(t, between);
      add_text(t, "\"");
      for (at = name; *at != '\0'; at++) {
        char c = *at == '_' && at[1] != '\0' ? (char)toupper((unsigned char)*++at) : *at;
        add(t, &c, 1);
      }
      add_text(t, "\":");
      add_plain_value(t, d, value_of(d, i));
      between = ",";
    }
    free(name);
  }
  add_text(t, "}");
}

static int is_true(const doc *d, int value) {
  text t = {NULL, 0, 0};
  int yes;
  if (value == NONE) return 0;
  add_value(&t, d, value);
  yes = strcmp(t.at, "true") == 0;
  free_text(&t);
  return yes;
}

/* What this side did not let an upload of parts do. */
enum { REFUSED = 1, INCOMPLETE };

static cognite_status send_parts(cognite_client *client, const cognite_upload *upload, const doc *d, int call,
                                 cognite_response **response, cognite_error **error, int *state) {
  int parts = member(d, call, "parts"), order = member(d, call, "part_order"), i, part;
  uint32_t count = 0, number;
  cognite_multipart *multipart = NULL;
  cognite_status status;
  for (i = first_of(d, parts); i != NONE; i = next_of(d, i)) count++;
  status = cognite_multipart_new(client, upload, count, &multipart, error);
  i = first_of(d, order == NONE ? parts : order);
  for (number = 0; status == COGNITE_OK && i != NONE; i = next_of(d, i), number++) {
    text content = {NULL, 0, 0};
    uint32_t which = order == NONE ? number : (uint32_t)number_of(d, i), n = 0;
    for (part = first_of(d, parts); part != NONE && n < which; part = next_of(d, part)) n++;
    if (part != NONE) add_content(&content, d, part);
    status = cognite_multipart_part(multipart, which, content.at, content.len, NULL, error);
    /* What a part is refused for on this side: it was sent already, or there is no such part. */
    if (status == COGNITE_ERR_INVALID_ARGUMENT) *state = REFUSED;
    free_text(&content);
  }
  if (status == COGNITE_OK) {
    status = cognite_multipart_complete(multipart, response, error);
    if (status == COGNITE_ERR_INVALID_ARGUMENT) *state = INCOMPLETE;
  }
  cognite_multipart_free(multipart);
  return status;
}

static int write_file(const char *path, const text *content) {
  FILE *f = fopen(path, "wb");
  int good = f != NULL && fwrite(content->at, 1, content->len, f) == content->len;
  return f != NULL && fclose(f) == 0 && good;
}

static void upload_file(text *t, cognite_client *client, const doc *d, int call) {
  int how_given = member(d, call, "how"), file_name = member(d, call, "file_name"), state = 0;
  char *how = how_given == NONE ? copy_of("bytes", 5) : text_of(d, how_given, NULL), *path = NULL;
  int existing = strcmp(how, "content") == 0 || (strcmp(how, "multipart") == 0 && member(d, call, "name") == NONE);
  text file = {NULL, 0, 0}, content = {NULL, 0, 0};
  cognite_upload upload = COGNITE_UPLOAD_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  cognite_status status;
  add_file(&file, d, call);
  add_content(&content, d, member(d, call, "content"));
  upload.file = file.at;
  upload.file_len = file.len;
  if (existing) upload.flags |= COGNITE_UPLOAD_EXISTING;
  if (is_true(d, member(d, call, "overwrite"))) upload.flags |= COGNITE_UPLOAD_OVERWRITE;
  if (strcmp(how, "multipart") == 0) {
    status = send_parts(client, &upload, d, call, &response, &error, &state);
  } else {
    if (strcmp(how, "path") == 0) {
      char *name = file_name == NONE ? copy_of("file", 4) : text_of(d, file_name, NULL);
      path = path_of(d, name);
      free(name);
      if (member(d, call, "content") != NONE && !write_file(path, &content)) perror(path);
      upload.path = path;
    } else {
      upload.content = content.at;
      upload.content_len = content.len;
    }
    status = cognite_client_upload(client, &upload, &response, &error);
  }
  if (status == COGNITE_OK) {
    size_t len;
    const char *body = cognite_response_body(response, &len);
    add_text(t, "{\"ok\":{\"item\":");
    add(t, body, len);
    add_text(t, "}}");
  } else if (state) {
    add_text(t, state == INCOMPLETE ? "{\"error\":{\"kind\":\"file_upload\",\"code\":400,\"text\":"
                                    : "{\"error\":{\"kind\":\"invalid_state\",\"text\":");
    add_quoted(t, cognite_error_message(error), strlen(cognite_error_message(error)));
    add_text(t, "}}");
    cognite_error_free(error);
  } else {
    add_failure(t, error, 1, 0);
  }
  cognite_response_free(response);
  free_text(&file);
  free_text(&content);
  free(path);
  free(how);
}

/* ---- down ---- */

static void add_got(text *t, const char *at, size_t len) {
  add_text(t, "{\"ok\":{\"length\":");
  add_number(t, (double)len);
  add_text(t, ",\"sha256\":\"");
  add_sha256(t, (const unsigned char *)at, len);
  if (len <= 256) {
    add_text(t, "\",\"base64\":\"");
    add_base64(t, (const unsigned char *)at, len);
  }
  add_text(t, "\"}}");
}

static void add_got_file(text *t, const char *path) {
  FILE *f = fopen(path, "rb");
  text content = {NULL, 0, 0};
  char piece[4096];
  size_t n;
  add(&content, "", 0);
  while (f != NULL && (n = fread(piece, 1, sizeof piece, f)) > 0) add(&content, piece, n);
  if (f != NULL) {
    fclose(f);
    add_got(t, content.at, content.len);
  } else {
    add_text(t, "{\"error\":{\"kind\":\"internal\",\"text\":\"there is no file\"}}");
  }
  free_text(&content);
}

static void download_file(text *t, cognite_client *client, const doc *d, int call) {
  int how = member(d, call, "how");
  text file = {NULL, 0, 0};
  char *path = how == NONE ? NULL : text_of(d, how, NULL);
  cognite_download download = COGNITE_DOWNLOAD_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  if (path != NULL && strcmp(path, "path") == 0) {
    free(path);
    path = path_of(d, "downloaded");
    download.path = path;
  }
  add_file(&file, d, call);
  download.file = file.at;
  download.file_len = file.len;
  if (cognite_client_download(client, &download, &response, &error) != COGNITE_OK) {
    add_failure(t, error, 0, download.path != NULL);
  } else if (download.path != NULL) {
    add_got_file(t, path);
  } else {
    size_t len;
    const char *body = cognite_response_body(response, &len);
    add_got(t, body, len);
  }
  cognite_response_free(response);
  free_text(&file);
  free(path);
}

/* Each identifier with its link. */
static void add_links(text *t, const doc *body) {
  const char *between = "";
  int i, items = member(body, 0, "items");
  add_text(t, "{\"ok\":{");
  for (i = first_of(body, items); i != NONE; i = next_of(body, i)) {
    int id = member(body, i, "externalId");
    text name = {NULL, 0, 0};
    if (id == NONE) id = member(body, i, "id");
    add_text(t, between);
    if (is_text(body, id)) {
      add_value(t, body, id);
    } else {
      add_value(&name, body, id);
      add_quoted(t, name.at, name.len);
    }
    add_text(t, ":");
    add_value(t, body, member(body, i, "downloadUrl"));
    free_text(&name);
    between = ",";
  }
  add_text(t, "}}");
}

static void download_urls(text *t, cognite_client *client, const doc *d, int call) {
  static const char *const names[][2] = {{"ids", "ids"}, {"external_ids", "externalIds"}, {"extended_expiration", "extendedExpiration"}};
  text arguments = {NULL, 0, 0};
  cognite_operation operation = COGNITE_OPERATION_INIT;
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  size_t i;
  add_text(&arguments, "{");
  for (i = 0; i < sizeof names / sizeof *names; i++) {
    int value = member(d, call, names[i][0]);
    if (value == NONE || (i == 2 && !is_true(d, value))) continue;
    if (arguments.len > 1) add_text(&arguments, ",");
    add_quoted(&arguments, names[i][1], strlen(names[i][1]));
    add_text(&arguments, ":");
    if (i < 2 && !is_list(d, value)) add_text(&arguments, "[");
    add_plain_value(&arguments, d, value);
    if (i < 2 && !is_list(d, value)) add_text(&arguments, "]");
  }
  add_text(&arguments, "}");
  operation.name = "files.retrieve_download_urls";
  operation.arguments = arguments.at;
  operation.arguments_len = arguments.len;
  if (cognite_client_operate(client, &operation, &response, &error) == COGNITE_OK) {
    size_t len;
    const char *body = cognite_response_body(response, &len);
    doc links;
    if (parse(&links, body, len)) add_links(t, &links);
    free_doc(&links);
  } else {
    add_text(t, "{\"error\":");
    add_item_error(t, error, READ);
    add_text(t, "}");
    cognite_error_free(error);
  }
  cognite_response_free(response);
  free_text(&arguments);
}

int files_call(text *t, cognite_client *client, const char *op, const doc *d, int call) {
  if (strcmp(op, "upload_file") == 0) upload_file(t, client, d, call);
  else if (strcmp(op, "download_file") == 0) download_file(t, client, d, call);
  else if (strcmp(op, "download_urls") == 0) download_urls(t, client, d, call);
  else return 0;
  return 1;
}
