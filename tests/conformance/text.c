#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must(void *allocated) {
  if (allocated == NULL) {
    fputs("driver: out of memory\n", stderr);
    exit(3);
  }
  return allocated;
}

char *copy_of(const char *at, size_t len) {
  char *copy = must(malloc(len + 1));
  memcpy(copy, at, len);
  copy[len] = '\0';
  return copy;
}

void add(text *t, const char *at, size_t len) {
  if (t->len + len + 1 > t->room) {
    t->room = (t->len + len + 1) * 2;
    t->at = must(realloc(t->at, t->room));
  }
  if (len > 0) memcpy(t->at + t->len, at, len);
  t->len += len;
  t->at[t->len] = '\0';
}

void add_text(text *t, const char *words) {
  add(t, words, strlen(words));
}

void add_quoted(text *t, const char *at, size_t len) {
  size_t i, from = 0;
  add_text(t, "\"");
  for (i = 0; i < len; i++) {
    unsigned char c = (unsigned char)at[i];
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    add(t, at + from, i - from);
    from = i + 1;
    if (c >= 0x20) {
      add_text(t, c == '"' ? "\\\"" : "\\\\");
    } else {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", c);
      add_text(t, escape);
    }
  }
  add(t, at + from, len - from);
  add_text(t, "\"");
}

void add_number(text *t, double number) {
  char digits[40];
  snprintf(digits, sizeof digits, "%.17g", number);
  add_text(t, digits);
}

void add_base64(text *t, const unsigned char *at, size_t len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  size_t i;
  for (i = 0; i < len; i += 3) {
    uint32_t three = (uint32_t)at[i] << 16;
    char out[4];
    if (i + 1 < len) three |= (uint32_t)at[i + 1] << 8;
    if (i + 2 < len) three |= at[i + 2];
    out[0] = digits[three >> 18];
    out[1] = digits[three >> 12 & 63];
    out[2] = i + 1 < len ? digits[three >> 6 & 63] : '=';
    out[3] = i + 2 < len ? digits[three & 63] : '=';
    add(t, out, 4);
  }
}

/* SHA-256 as in FIPS 180-4; the constants are computed from their definition: the first 32 bits of the fractional
 * parts of the square roots (start values) and cube roots (round constants) of the first primes. */
static uint32_t fraction_of_root(unsigned prime, int cube) {
  uint64_t low = 0, high = (uint64_t)32 << 32; /* the root, in units of 2^-32 */
  while (high - low > 1) {
    uint64_t mid = low + (high - low) / 2, m = mid;
    /* compares mid^2 or mid^3 with prime in a little over 64 bits: by long multiplication in base 2^16 */
    uint32_t product[12] = {1, 0};
    int power, i, k, above = 0;
    for (power = 0; power < (cube ? 3 : 2); power++) {
      uint32_t result[12] = {0};
      for (i = 0; i < 3; i++) {
        uint64_t carry = 0, part = m >> (16 * i) & 0xffff;
        for (k = 0; i + k < 12; k++) {
          carry += result[i + k] + part * product[k];
          result[i + k] = (uint32_t)(carry & 0xffff);
          carry >>= 16;
        }
      }
      memcpy(product, result, sizeof product);
    }
    /* the product is in units of 2^-64 or 2^-96: its whole part begins at digit 4 or 6 */
    {
      uint64_t whole = 0;
      for (i = 11; i >= (cube ? 6 : 4); i--) whole = whole << 16 | product[i];
      above = whole >= prime;
    }
    if (above) high = mid;
    else low = mid;
  }
  return (uint32_t)low;
}

static uint32_t turned(uint32_t v, int by) {
  return v >> by | v << (32 - by);
}

static void sha256_block(uint32_t state[8], const uint32_t k[64], const unsigned char block[64]) {
  uint32_t w[64], s[8];
  int i;
  for (i = 0; i < 16; i++) {
    const unsigned char *b = block + 4 * i;
    w[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
  }
  for (; i < 64; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3) + w[i - 7] + (turned(b, 17) ^ turned(b, 19) ^ b >> 10);
  }
  memcpy(s, state, sizeof s);
  for (i = 0; i < 64; i++) {
    uint32_t e = s[4], a = s[0];
    uint32_t t1 = s[7] + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i];
    uint32_t t2 = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += t1;
    s[0] = t1 + t2;
  }
  for (i = 0; i < 8; i++) state[i] += s[i];
}

void add_sha256(text *t, const unsigned char *at, size_t len) {
  uint32_t k[64], state[8];
  unsigned char last[128] = {0};
  size_t done, left, padded;
  unsigned prime = 2, found, divisor;
  int i;
  for (found = 0; found < 64; prime++) {
    for (divisor = 2; divisor * divisor <= prime && prime % divisor != 0; divisor++) {}
    if (divisor * divisor <= prime) continue;
    if (found < 8) state[found] = fraction_of_root(prime, 0);
    k[found++] = fraction_of_root(prime, 1);
  }
  for (done = 0; len - done >= 64; done += 64) sha256_block(state, k, at + done);
  left = len - done;
  memcpy(last, at + done, left);
  last[left] = 0x80;
  padded = left < 56 ? 64 : 128;
  for (i = 0; i < 8; i++) last[padded - 1 - (size_t)i] = (unsigned char)((uint64_t)len * 8 >> (8 * i));
  for (done = 0; done < padded; done += 64) sha256_block(state, k, last + done);
  for (i = 0; i < 8; i++) {
    char digits[9];
    snprintf(digits, sizeof digits, "%08lx", (unsigned long)state[i]);
    add_text(t, digits);
  }
}

void free_text(text *t) {
  free(t->at);
  t->at = NULL;
  t->len = t->room = 0;
}
