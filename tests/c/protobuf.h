/* protobuf.h - answers of the datapoints interface, put together by hand. */
#ifndef PROTOBUF_H
#define PROTOBUF_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Begin with {0}; end with free(data). */
struct bytes {
  unsigned char *data;
  size_t used, size;
};

static inline void put(struct bytes *to, const void *data, size_t length) {
  if (length == 0) return; /* nothing may come as NULL */
  if (to->used + length > to->size) {
    to->size = (to->used + length) * 2;
    to->data = realloc(to->data, to->size);
    if (to->data == NULL) abort();
  }
  memcpy(to->data + to->used, data, length);
  to->used += length;
}

static inline void put_varint(struct bytes *to, uint64_t value) {
  unsigned char byte;
  do {
    byte = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    put(to, &byte, 1);
    value >>= 7;
  } while (value != 0);
}

static inline void put_number(struct bytes *to, unsigned field, uint64_t value) {
  put_varint(to, field << 3);
  put_varint(to, value);
}

static inline void put_double(struct bytes *to, unsigned field, double value) {
  put_varint(to, field << 3 | 1);
  put(to, &value, 8);
}

static inline void put_bytes(struct bytes *to, unsigned field, const void *data, size_t length) {
  put_varint(to, field << 3 | 2);
  put_varint(to, length);
  put(to, data, length);
}

static inline void put_status(struct bytes *to, unsigned field, uint64_t code) {
  unsigned char status[11] = {1 << 3};
  size_t n = 1;
  for (; code > 0x7f; code >>= 7) status[n++] = (unsigned char)(code | 0x80);
  status[n++] = (unsigned char)code;
  put_bytes(to, field, status, n);
}

/* A datapoint into the list of a series; emptied for the next. */
static inline void add_point(struct bytes *list, struct bytes *point) {
  put_bytes(list, 1, point->data, point->used);
  point->used = 0;
}

/* The usual datapoint. */
static inline void add_number(struct bytes *list, int64_t time, double value) {
  unsigned char point[32] = {1 << 3};
  uint64_t t = (uint64_t)time;
  size_t n = 1;
  for (; t > 0x7f; t >>= 7) point[n++] = (unsigned char)(t | 0x80);
  point[n++] = (unsigned char)t;
  point[n++] = 2 << 3 | 1;
  memcpy(point + n, &value, 8);
  put_bytes(list, 1, point, n + 8);
}

#endif
