// The matrix unit in software, for tests of amx.cpp on processors without one.

#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace tiles {

struct Tile {
  uint8_t row[16][64];
};

inline thread_local Tile tile[8];

inline float number(const uint8_t* from) { // of a bfloat16
  uint32_t bits = 0;
  std::memcpy(reinterpret_cast<uint8_t*>(&bits) + 2, from, 2);
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline void load(int t, const void* from, int64_t step) {
  for (int i = 0; i < 16; i++) std::memcpy(tile[t].row[i], static_cast<const uint8_t*>(from) + i * step, 64);
}

inline void save(int t, void* to, int64_t step) {
  for (int i = 0; i < 16; i++) std::memcpy(static_cast<uint8_t*>(to) + i * step, tile[t].row[i], 64);
}

// The sums of even and of odd numbers, each by itself, then both and what was there before, as the unit does it.
inline void multiply(int sums, int a, int b) {
  for (int m = 0; m < 16; m++) {
    float pairs[16][2] = {};
    for (int k = 0; k < 32; k++) {
      const float x = number(&tile[a].row[m][2 * k]);
      for (int n = 0; n < 16; n++) pairs[n][k % 2] += x * number(&tile[b].row[k / 2][4 * n + 2 * (k % 2)]);
    }
    float out[16];
    std::memcpy(out, tile[sums].row[m], 64);
    for (int n = 0; n < 16; n++) out[n] += pairs[n][0] + pairs[n][1];
    std::memcpy(tile[sums].row[m], out, 64);
  }
}

} // namespace tiles

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadd(t, from, step) tiles::load(t, from, step)
#define _tile_stored(t, to, step) tiles::save(t, to, step)
#define _tile_zero(t) tiles::tile[t] = {}
#define _tile_dpbf16ps(sums, a, b) tiles::multiply(sums, a, b)
#define _tile_loadconfig(config) (void)(config)
#define _tile_release() (void)0
