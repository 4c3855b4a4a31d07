// Convolutions on the matrix unit (AMX) of recent Xeons.
//
// The unit multiplies bfloat16 numbers, 16 times as fast as AVX-512 multiplies float32, and adds in float32. A float32
// number is the exact sum of three bfloat16 numbers, so a float32 product is six bfloat16 products plus what lies below
// float32's own rounding (Henry, Tang, Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-
// Precision Computations", ARITH 2019). `parts` is how many of the three are kept: 3 (six products), 2 (three) or 1.
//
// Maps lie in memory as NHWC, each row followed by one pixel of zeros and each image by one row of them; the zeros
// after a row serve as the ones before the next. So the pixels that a convolution of stride 1 reads for any 16
// consecutive outputs are, for each tap, 16 consecutive pixels: a tile to load, borders included.

#include "program.h"

#include <optional>

namespace {

using bf16 = uint16_t;

constexpr int kTile = 16;                 // pixels, or output channels, of a tile
constexpr int kDepth = 32;                // input channels of a tile
constexpr int kTileSize = kTile * kDepth; // elements of a tile of inputs
constexpr int kBlock = 2;                 // tiles of a block, each way

inline int pitch(const Map& map) { return map.width + 1; }
inline int rows(const Map& map) { return map.images * (map.height + 1) - 1; }
inline int positions(const Map& map) { return rows(map) * pitch(map) - 1; } // from the first pixel to the last, pads included
inline int64_t row_position(const Map& map, int image, int y) {
  return (int64_t(image) * (map.height + 1) + y) * pitch(map);
}

struct Pair { // 32 channels of a pixel
  __m512 low, high;
};

inline __mmask32 channel_mask(int left) { return left >= 32 ? ~0u : (1u << left) - 1; }

inline __m512 widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }

inline Pair operator+(Pair a, Pair b) { return {_mm512_add_ps(a.low, b.low), _mm512_add_ps(a.high, b.high)}; }

// The greater of zero and `x`; in this order of operands NaN stays NaN.
inline __m512 relu(__m512 x) { return _mm512_max_ps(_mm512_setzero_ps(), x); }

template <int P> Pair load(const Map& map, int64_t at, __mmask32 mask) {
  if (map.full) {
    const float* from = map.full + at;
    return {_mm512_maskz_loadu_ps(mask, from), _mm512_maskz_loadu_ps(mask >> 16, from + 16)};
  }
  Pair sum{_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (int i = P - 1; i >= 0; i--) {
    const bf16* from = map.part[i] + at;
    sum = sum + Pair{widen(_mm256_maskz_loadu_epi16(mask, from)), widen(_mm256_maskz_loadu_epi16(mask >> 16, from + 16))};
  }
  return sum;
}

inline __m512 rounded(__m512 x) { // to the precision of bfloat16, half away from zero
  const __m512i bits = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
  return _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(0xffff0000)));
}

template <int P> void store(const Map& map, int64_t at, __mmask32 mask, Pair x) {
  if (map.full) {
    _mm512_mask_storeu_ps(map.full + at, mask, x.low);
    _mm512_mask_storeu_ps(map.full + at + 16, mask >> 16, x.high);
    return;
  }
  alignas(64) static constexpr uint16_t kUpper[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31,
                                                      33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  const __m512i upper = _mm512_load_si512(kUpper);
  for (int i = 0; i < P - 1; i++) {
    const Pair part{rounded(x.low), rounded(x.high)};
    const __m512i words = _mm512_castps_si512(part.low);
    _mm512_mask_storeu_epi16(map.part[i] + at, mask,
                             _mm512_permutex2var_epi16(words, upper, _mm512_castps_si512(part.high)));
    x = {_mm512_sub_ps(x.low, part.low), _mm512_sub_ps(x.high, part.high)};
  }
  _mm512_mask_storeu_epi16(map.part[P - 1] + at, mask, (__m512i)_mm512_cvtne2ps_pbh(x.high, x.low));
}

// Memory that will be needed soon, fetched into the second-level cache a few lines at a time.
struct Ahead {
  const char* at = nullptr;
  const char* end = nullptr;
  int pace = 0; // lines

  void start(const void* begin, int64_t bytes, int64_t steps) {
    at = static_cast<const char*>(begin);
    end = at + bytes;
    pace = int((bytes / 64 + steps - 1) / steps);
  }

  void advance() {
    for (int i = 0; i < pace && at < end; i++, at += 64) _mm_prefetch(at, _MM_HINT_T1);
  }
};

// Tiles 0 to 3 hold sums, 4 and 5 pixels, 6 and 7 weights.
template <int N> inline void load_weights(const bf16* b) {
  _tile_loadd(6, b, 64);
  if constexpr (N > 1) _tile_loadd(7, b + kTileSize, 64);
}

template <int M> inline void load_pixels(const bf16* a, int64_t step) {
  _tile_loadd(4, a, step * 2);
  if constexpr (M > 1) _tile_loadd(5, a + kTile * step, step * 2);
}

template <int M, int N> inline void multiply() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (N > 1) _tile_dpbf16ps(1, 4, 7);
  if constexpr (M > 1) _tile_dpbf16ps(2, 5, 6);
  if constexpr (M > 1 && N > 1) _tile_dpbf16ps(3, 5, 7);
}

// The second half of a convolution, from the sums of a block to stored outputs. It is done a few pixels at a time while
// the matrix unit works on the next block.
template <int P> struct Finish {
  const Map& out;
  const Map* residual;
  const float* bias;
  bool with_relu;
  int64_t position = 0;
  int channel = 0;
  uint32_t left = 0; // pixels to do, a bit each
  int current = 0; // of the two blocks of sums
  alignas(64) float sums[2][kBlock * kTile * 32];

  Finish(const Map& out, const Map* residual, const float* bias, bool with_relu)
      : out(out), residual(residual), bias(bias), with_relu(with_relu) {}

  float* other() { return sums[1 - current]; }

  void start(int64_t at, int first_channel, uint32_t valid) {
    current = 1 - current;
    position = at;
    channel = first_channel;
    left = valid;
  }

  void advance(int pixels) {
    const __mmask32 mask = channel_mask(out.channels - channel);
    const Pair shift{_mm512_loadu_ps(bias + channel), _mm512_loadu_ps(bias + channel + 16)};
    for (; left && pixels; left &= left - 1, pixels--) {
      const int row = __builtin_ctz(left);
      const float* from = sums[current] + row * 32;
      Pair x = Pair{_mm512_load_ps(from), _mm512_load_ps(from + 16)} + shift;
      if (residual) x = x + load<P>(*residual, (position + row) * residual->step + channel, mask);
      if (with_relu) x = {relu(x.low), relu(x.high)};
      store<P>(out, (position + row) * out.step + channel, mask, x);
    }
  }
};

// M x N tiles of outputs. Weights come part by part, smallest first, in the order in which they are used.
template <int P, int M, int N>
void block(const bf16* const* a, int64_t step, const std::vector<Run>& runs, const bf16* b, int pace, Finish<P>& last,
           Ahead& ahead) {
  asm volatile("" ::: "memory"); // GCC does not know that a tile is read from memory
  _tile_zero(0);
  if constexpr (N > 1) _tile_zero(1);
  if constexpr (M > 1) _tile_zero(2);
  if constexpr (M > 1 && N > 1) _tile_zero(3);
  for (const Run& run : runs) {
    int64_t at = run.offset;
    for (int k = 0; k < run.tiles; k++, at += kDepth, b += P * N * kTileSize) {
      load_weights<N>(b);
      load_pixels<M>(a[0] + at, step);
      multiply<M, N>();
      if constexpr (P == 2) {
        load_weights<N>(b + N * kTileSize);
        multiply<M, N>();
        load_pixels<M>(a[1] + at, step);
        multiply<M, N>();
      }
      if constexpr (P == 3) {
        load_weights<N>(b + N * kTileSize);
        multiply<M, N>();
        load_pixels<M>(a[1] + at, step);
        multiply<M, N>();
        load_weights<N>(b + 2 * N * kTileSize);
        multiply<M, N>();
        load_pixels<M>(a[0] + at, step);
        multiply<M, N>();
        load_pixels<M>(a[2] + at, step);
        multiply<M, N>();
      }
      last.advance(pace);
      ahead.advance();
    }
  }
  float* out = last.other();
  _tile_stored(0, out, 128);
  if constexpr (N > 1) _tile_stored(1, out + 16, 128);
  if constexpr (M > 1) _tile_stored(2, out + 512, 128);
  if constexpr (M > 1 && N > 1) _tile_stored(3, out + 528, 128);
  asm volatile("" ::: "memory");
}

struct Window { // of a convolution that reads its input through `gather`
  int size, stride, padding;
};

template <int P> struct Conv final : Op {
  Map in, out;
  std::optional<Map> residual;
  bool with_relu;
  const bf16* weight;
  const float* bias;
  std::vector<Run> runs;
  std::optional<Window> window;
  int depth = 0; // tiles over the input channels and taps
  int m_tiles, n_tiles, m_blocks, n_blocks;
  bool by_channels; // threads share output channels, so that each reads a part of the weights, and not pixels
  std::vector<uint32_t> valid; // which pixels of a block are none of the zeros between rows

  explicit Conv(const Convolution& from)
      : in(from.in), out(from.out), with_relu(from.relu), weight(static_cast<const bf16*>(from.weight)),
        bias(from.bias), runs(from.runs, from.runs + from.run_count) {
    if (from.residual.full || from.residual.part[0]) residual = from.residual;
    if (from.gather) window = {from.kernel, from.stride, from.padding};
    for (const Run& run : runs) depth += run.tiles;
    m_tiles = (positions(out) + kTile - 1) / kTile;
    n_tiles = (out.channels + kTile - 1) / kTile;
    m_blocks = (m_tiles + kBlock - 1) / kBlock;
    n_blocks = (n_tiles + kBlock - 1) / kBlock;
    by_channels = !window && int64_t(depth) * n_tiles * kTileSize > int64_t(positions(in)) * in.channels;
    for (int block = 0; block < m_blocks; block++) {
      uint32_t bits = 0;
      for (int i = 0; i < kBlock * kTile; i++) {
        const int p = block * kBlock * kTile + i, row = p / pitch(out);
        const bool pad = p % pitch(out) == out.width || row % (out.height + 1) == out.height || row >= rows(out);
        bits |= uint32_t(!pad) << i;
      }
      valid.push_back(bits);
    }
  }

  int units() const override { return m_blocks * n_blocks; }

  Weights weights(int unit) const override {
    const int64_t panel = int64_t(kBlock) * depth * P * kTileSize * sizeof(bf16);
    const int first = by_channels ? unit / m_blocks : 0, last = by_channels ? first + 1 : n_blocks;
    const int64_t total = int64_t(n_tiles) * depth * P * kTileSize * sizeof(bf16);
    return {reinterpret_cast<const char*>(weight) + first * panel, std::min(total, last * panel) - first * panel};
  }

  void run(int begin, int end, Worker& worker) const override {
    const int inner = by_channels ? m_blocks : n_blocks;
    const int pace = (kBlock * kTile + depth - 1) / depth;
    const int64_t step = window ? int64_t(depth) * kDepth : in.step;
    const size_t scratch_size = window ? P * kBlock * kTile * step + kDepth : 0;
    bf16* scratch = static_cast<bf16*>(worker.reserve(scratch_size * sizeof(bf16)));
    Finish<P> last(out, residual ? &*residual : nullptr, bias, with_relu);
    Ahead ahead;
    int gathered = -1;
    for (int unit = begin; unit < end; unit++) {
      if (unit == begin || (by_channels && unit % inner == 0)) {
        const int stop = by_channels ? (unit / inner + 1) * inner : end;
        const Weights next = stop < end ? weights(stop) : worker.next;
        ahead.start(next.begin, next.bytes, int64_t(std::min(stop, end) - unit) * depth);
      }
      const int m = by_channels ? unit % inner : unit / inner;
      const int n = by_channels ? unit / inner : unit % inner;
      if (window && gathered != m) gather(m, scratch, step);
      gathered = m;
      const bf16* a[P];
      for (int i = 0; i < P; i++)
        a[i] = window ? scratch + i * kBlock * kTile * step : in.part[i] + int64_t(m) * kBlock * kTile * step;
      const bf16* b = weight + int64_t(n) * kBlock * depth * P * kTileSize;
      const bool one_row = m_tiles - m * kBlock == 1, one_column = n_tiles - n * kBlock == 1;
      if (one_row && one_column) block<P, 1, 1>(a, step, runs, b, pace, last, ahead);
      else if (one_row) block<P, 1, 2>(a, step, runs, b, pace, last, ahead);
      else if (one_column) block<P, 2, 1>(a, step, runs, b, pace, last, ahead);
      else block<P, 2, 2>(a, step, runs, b, pace, last, ahead);
      last.start(int64_t(m) * kBlock * kTile, n * kBlock * kTile, valid[m]);
    }
    last.advance(kBlock * kTile);
  }

  // Copies the windows of a block of outputs side by side, for strides that a tile load cannot follow. The zeros around
  // the map serve as padding; what is copied beyond a line or a window is overwritten.
  void gather(int m, bf16* to, int64_t step) const {
    const int64_t line = int64_t(window->size) * in.channels;
    for (int p = 0; p < P; p++)
      for (uint32_t left = valid[m]; left; left &= left - 1) {
        const int i = __builtin_ctz(left), position = m * kBlock * kTile + i;
        const int row = position / pitch(out), image = row / (out.height + 1);
        const int y = (row % (out.height + 1)) * window->stride - window->padding;
        const int x = (position % pitch(out)) * window->stride - window->padding;
        const bf16* source = in.part[p] + (row_position(in, image, y) + x) * in.step;
        bf16* target = to + (p * kBlock * kTile + i) * step;
        for (int dy = 0; dy < window->size; dy++, source += pitch(in) * in.step, target += line)
          for (int64_t c = 0; c < line; c += kDepth)
            _mm512_storeu_si512(target + c, _mm512_loadu_si512(source + c));
        if (line * window->size < step) _mm512_storeu_si512(target, _mm512_setzero_si512());
      }
  }
};

// The sum of maps, each resampled to the output's size (nearest, bilinear, means), and ReLU.
template <int P> struct Sum final : Op {
  Map out;
  bool with_relu;
  std::vector<Term> terms;

  Sum(const Map& out, bool with_relu, const std::vector<Term>& terms) : out(out), with_relu(with_relu), terms(terms) {}

  int units() const override { return out.images * out.height; }

  void run(int begin, int end, Worker&) const override {
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / out.height, y = unit % out.height;
      for (int x = 0; x < out.width; x++)
        for (int c = 0; c < out.channels; c += 32) {
          const __mmask32 mask = channel_mask(out.channels - c);
          Pair sum = sample(terms[0], image, y, x, c, mask);
          for (size_t i = 1; i < terms.size(); i++) sum = sum + sample(terms[i], image, y, x, c, mask);
          if (with_relu) sum = {relu(sum.low), relu(sum.high)};
          store<P>(out, (row_position(out, image, y) + x) * out.step + c, mask, sum);
        }
    }
  }

  static Pair sample(const Term& t, int image, int y, int x, int c, __mmask32 mask) {
    const auto pixel = [&](int i, int j) {
      return load<P>(t.map, (row_position(t.map, image, t.y.index[i]) + t.x.index[j]) * t.map.step + c, mask);
    };
    const auto add_scaled = [](Pair sum, Pair value, float scale) {
      const __m512 scales = _mm512_set1_ps(scale);
      return Pair{_mm512_fmadd_ps(value.low, scales, sum.low), _mm512_fmadd_ps(value.high, scales, sum.high)};
    };
    if (t.x.taps == 1 && t.y.taps == 1) return pixel(y, x);
    Pair sum{};
    for (int i = y * t.y.taps; i < (y + 1) * t.y.taps; i++) {
      Pair line{};
      for (int j = x * t.x.taps; j < (x + 1) * t.x.taps; j++) line = add_scaled(line, pixel(i, j), t.x.weight[j]);
      sum = add_scaled(sum, line, t.y.weight[i]);
    }
    return sum;
  }
};

inline __m512i planes(int64_t plane) { // where the next 16 channels of a pixel lie in NCHW
  const __m512i count = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_mullo_epi32(count, _mm512_set1_epi32(int(plane)));
}

// From the caller's NCHW tensor.
template <int P> struct Input final : Op {
  Map out;
  const float* const* source;

  Input(const Map& out, const float* const* source) : out(out), source(source) {}

  int units() const override { return out.images * out.height; }

  void run(int begin, int end, Worker&) const override {
    const int64_t plane = int64_t(out.height) * out.width;
    const __m512i lanes = planes(plane);
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / out.height, y = unit % out.height;
      for (int c = 0; c < out.channels; c += 32) {
        const float* line = *source + (int64_t(image) * out.channels + c) * plane + int64_t(y) * out.width;
        const __mmask32 mask = channel_mask(out.channels - c);
        const __m512 zero = _mm512_setzero_ps();
        for (int x = 0; x < out.width; x++) {
          Pair value{_mm512_mask_i32gather_ps(zero, mask, lanes, line + x, 4), zero};
          if (mask >> 16) value.high = _mm512_mask_i32gather_ps(zero, mask >> 16, lanes, line + 16 * plane + x, 4);
          store<P>(out, (row_position(out, image, y) + x) * out.step + c, mask, value);
        }
      }
    }
  }
};

// To a NCHW tensor of the caller.
template <int P> struct Output final : Op {
  Map in;
  float* const* target;

  Output(const Map& in, float* const* target) : in(in), target(target) {}

  int units() const override { return in.images * in.height; }

  void run(int begin, int end, Worker&) const override {
    const int64_t plane = int64_t(in.height) * in.width;
    const __m512i lanes = planes(plane);
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / in.height, y = unit % in.height;
      for (int c = 0; c < in.channels; c += 32) {
        float* line = *target + (int64_t(image) * in.channels + c) * plane + int64_t(y) * in.width;
        const __mmask32 mask = channel_mask(in.channels - c);
        for (int x = 0; x < in.width; x++) {
          const Pair value = load<P>(in, (row_position(in, image, y) + x) * in.step + c, mask);
          _mm512_mask_i32scatter_ps(line + x, mask, lanes, value.low, 4);
          if (mask >> 16) _mm512_mask_i32scatter_ps(line + 16 * plane + x, mask >> 16, lanes, value.high, 4);
        }
      }
    }
  }
};

void configure_tiles() {
  alignas(64) uint8_t config[64] = {1};
  for (int tile = 0; tile < 8; tile++) {
    config[16 + 2 * tile] = 64;   // bytes of a row
    config[48 + tile] = kTile;    // rows
  }
  asm volatile("" : "+m"(config)); // GCC believes that only the first bytes are read
  _tile_loadconfig(config);
}

void enter() { configure_tiles(); }
void leave() { _tile_release(); }

// Calls f with the number as a constant: f.template operator()<parts>().
template <typename F> void with_parts(int parts, const F& f) {
  if (parts == 1) f.template operator()<1>();
  else if (parts == 2) f.template operator()<2>();
  else f.template operator()<3>();
}

} // namespace

HRNET_MM_EXPORT void hrnet_mm_input(Program* program, int level, const Map* out, int index, int) {
  with_parts(program->parts, [&]<int P>() { program->add(level, new Input<P>(*out, &program->sources[index])); });
}

HRNET_MM_EXPORT void hrnet_mm_output(Program* program, int level, const Map* in, int index, const int32_t*, int) {
  with_parts(program->parts, [&]<int P>() { program->add(level, new Output<P>(*in, &program->targets[index])); });
}

HRNET_MM_EXPORT void hrnet_mm_sum(Program* program, int level, const Map* out, int relu, const Term* terms, int count) {
  with_parts(program->parts, [&]<int P>() { program->add(level, new Sum<P>(*out, relu, {terms, terms + count})); });
}

HRNET_MM_EXPORT void hrnet_mm_conv(Program* program, int level, const Convolution* conv) {
  with_parts(program->parts, [&]<int P>() { program->add(level, new Conv<P>(*conv)); });
}
