/* deflate.h - gzip data made by hand, without zlib: any number of zero bytes, at about 160 : 1. */
#ifndef DEFLATE_H
#define DEFLATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bits {
  unsigned char *data;
  size_t length;
  unsigned buffer, count;
};

/* Deflate packs bits from the low end; Huffman codes come with their first bit first. */
static inline void put_bit(struct bits *bits, unsigned bit) {
  bits->buffer |= bit << bits->count;
  if (++bits->count == 8) {
    bits->data[bits->length++] = (unsigned char)bits->buffer;
    bits->buffer = bits->count = 0;
  }
}

static inline void put_code(struct bits *bits, unsigned code, int width) {
  while (width-- > 0) put_bit(bits, (code >> width) & 1);
}

/* gzip of `zeros` zero bytes, from malloc; NULL: out of memory. */
static inline unsigned char *gzip_zeros(size_t zeros, size_t *length) {
  static const unsigned char head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
  struct bits bits = {0};
  size_t left = zeros;
  uint32_t crc = 0xffffffffu, table[256], i, k;

  bits.data = malloc(zeros / 150 + 400); /* 13 bits per 258, and at most 257 single bytes */
  if (bits.data == NULL) return NULL;
  memcpy(bits.data, head, sizeof head);
  bits.length = sizeof head;
  put_bit(&bits, 1); /* the last block, */
  put_bit(&bits, 1); /* with the fixed codes */
  put_bit(&bits, 0);
  if (left > 0) {
    put_code(&bits, 0x30, 8); /* a zero byte */
    left--;
  }
  while (left >= 258) { /* 258 bytes as one byte ago */
    put_code(&bits, 0xc5, 8);
    put_code(&bits, 0, 5);
    left -= 258;
  }
  while (left-- > 0) put_code(&bits, 0x30, 8);
  put_code(&bits, 0, 7); /* end of block */
  while (bits.count != 0) put_bit(&bits, 0);

  for (i = 0; i < 256; i++) {
    for (k = 0, table[i] = i; k < 8; k++) table[i] = table[i] & 1 ? 0xedb88320u ^ (table[i] >> 1) : table[i] >> 1;
  }
  for (left = 0; left < zeros; left++) crc = table[crc & 255] ^ (crc >> 8);
  crc = ~crc;
  for (i = 0; i < 4; i++) bits.data[bits.length++] = (unsigned char)(crc >> (8 * i));
  for (i = 0; i < 4; i++) bits.data[bits.length++] = (unsigned char)((uint32_t)zeros >> (8 * i));
  *length = bits.length;
  return bits.data;
}

#endif
