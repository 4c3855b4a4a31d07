// Convolutions on the vector unit of any processor: AVX-512, AVX2 with FMA, NEON, by the width that it is compiled for.
//
// A 3x3 convolution of stride 1 is computed by Winograd's minimal filtering (Lavin, Gray, "Fast Algorithms for
// Convolutional Neural Networks", CVPR 2016): tiles of 2x2 or 4x4 outputs need 16 or 36 products for each pair of
// channels, where the sum as it is written needs 36 or 144. Other convolutions are sums as written. Both end in one
// kernel: rows of numbers times a panel of weights, in registers. In eight bits, a sum as written takes four inputs at a
// time, and needs as many steps as Winograd's.
//
// Maps lie in memory as NHWC. Channels are padded with zeros to whole vectors.

#include "program.h"

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kRows = 12, kVectors = 2; // 24 of 32 registers hold sums
#elif defined(__AVX2__)
constexpr int kLanes = 8, kRows = 6, kVectors = 2; // 12 of 16
#else
constexpr int kLanes = 4, kRows = 6, kVectors = 4; // 24 of 32
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef float Unaligned __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

typedef int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef int32_t UnalignedInts __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

inline Vec load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline IntVec load(const int32_t* from) { return *reinterpret_cast<const UnalignedInts*>(from); }
inline void store(float* to, Vec x) { *reinterpret_cast<Unaligned*>(to) = x; }
inline Vec relu(Vec x) { return x < 0 ? Vec{} : x; } // NaN stays NaN

// The largest byte of a map, and the sum of products of four bytes with four signed ones in each lane.
#if defined(__AVX512VNNI__)
constexpr int kLargestByte = 255;
inline void add_product(IntVec& sum, int32_t bytes, IntVec weights) {
  sum = IntVec(_mm512_dpbusd_epi32(__m512i(sum), _mm512_set1_epi32(bytes), __m512i(weights)));
}
#elif defined(__AVXVNNI__)
constexpr int kLargestByte = 255;
inline void add_product(IntVec& sum, int32_t bytes, IntVec weights) {
  sum = IntVec(_mm256_dpbusd_avx_epi32(__m256i(sum), _mm256_set1_epi32(bytes), __m256i(weights)));
}
#elif defined(__AVX2__) && !defined(__AVX512F__)
constexpr int kLargestByte = 127; // two products of seven bits and eight fit into 16 bits
inline void add_product(IntVec& sum, int32_t bytes, IntVec weights) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi32(bytes), __m256i(weights));
  sum += IntVec(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
#else
constexpr int kLargestByte = 0; // none
inline void add_product(IntVec&, int32_t, IntVec) {}
#endif

inline void add_product(Vec& sum, float a, Vec b) { sum += a * b; }

#if defined(__AVX512F__)
inline void store_bytes(uint8_t* to, Vec x) {
  const __m512i whole = _mm512_max_epi32(_mm512_cvtps_epi32(__m512(x)), __m512i{});
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtusepi32_epi8(whole));
}
#elif defined(__AVX2__)
inline void store_bytes(uint8_t* to, Vec x) {
  const __m256i whole = _mm256_min_epi32(_mm256_cvtps_epi32(__m256(x)), _mm256_set1_epi32(kLargestByte));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
}
#else
inline void store_bytes(uint8_t*, Vec) {}
#endif

constexpr int64_t kCache = 384 << 10;    // bytes of the second-level cache for a block's transformed inputs and outputs
constexpr int kLine = 16;                // numbers of a line of the cache
constexpr int kAhead = 1024;             // numbers between the weights that are used and those that are fetched
constexpr int kMostChannels = 1 << 14;   // as in vector.py

// What lies beyond the border of a map.
const float* zeros() {
  alignas(64) static const float values[kMostChannels] = {};
  return values;
}

inline int64_t pixels(const Map& map) { return int64_t(map.images) * map.height * map.width; }

inline int64_t place(const Map& map, int image, int y, int x) {
  return ((int64_t(image) * map.height + y) * map.width + x) * map.step;
}

inline float* pixel(const Map& map, int image, int y, int x) { return map.full + place(map, image, y, x); }

// Writes a map's channels of one pixel, as numbers, bytes or both.
inline void write(const Map& map, int64_t at, Vec x) {
  if (map.full) store(map.full + at, x);
  if (map.bytes) store_bytes(map.bytes + at, x * map.inverse + float(map.zero));
}

// sums[r][n] += rows[r][k] * panel[k][n] for all k; of numbers, or of four bytes each.
template <typename Number, int R, int N> struct Sums {
  typedef std::remove_cvref_t<decltype(load(static_cast<const Number*>(nullptr)))> Vector;
  Vector at[R][N];

  template <typename Rows> void add(const Rows& rows, const Number* panel, int64_t depth) {
    for (int64_t k = 0; k < depth; k++, panel += N * kLanes) {
      Vector b[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) b[n] = load(panel + n * kLanes);
      for (int n = 0; n < N * kLanes; n += kLine) __builtin_prefetch(panel + kAhead + n);
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const Number a = rows(r, k);
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) add_product(at[r][n], a, b[n]);
      }
    }
  }
};

// Calls f with the numbers as constants: f.template operator()<rows, vectors>().
template <int R = kRows, int N = kVectors, typename F> inline void with_size(int rows, int vectors, const F& f) {
  if constexpr (N > 1)
    if (vectors < N) return with_size<R, N - 1>(rows, vectors, f);
  if constexpr (R > 1)
    if (rows < R) return with_size<R - 1, N>(rows, vectors, f);
  f.template operator()<R, N>();
}

// A convolution, with what follows its sums.
struct Conv : Op, Convolution {
  int vectors; // of an output pixel
  int groups;  // of `kVectors` vectors

  explicit Conv(const Convolution& from)
      : Convolution(from), vectors(out.channels / kLanes), groups((vectors + kVectors - 1) / kVectors) {}

  int width(int group) const { return std::min(kVectors, vectors - group * kVectors); }

  // The panels of a group, one for each tap or point.
  template <typename Number> const Number* panels(int group, int count) const {
    return static_cast<const Number*>(weight) + int64_t(group) * kVectors * kLanes * count * depth;
  }

  void finish(Vec x, int64_t at, int channel) const {
    x += load(bias + channel);
    if (residual.full) x += load(residual.full + at * residual.step + channel);
    write(out, at * out.step + channel, Convolution::relu ? ::relu(x) : x);
  }

  void finish(IntVec x, int64_t at, int channel) const {
    finish(__builtin_convertvector(x, Vec) * load(scales + channel), at, channel);
  }
};

// The sum as it is written, of numbers or of four bytes at a time.
template <typename Number> struct Direct final : Conv {
  static constexpr int kBlock = 8 * kRows; // pixels of a unit
  const Number* map;                       // the input
  int64_t step;
  std::vector<Number> border; // a row of a window that lies beyond the map's border

  explicit Direct(const Convolution& from) : Conv(from) {
    if constexpr (std::is_same_v<Number, float>) {
      map = in.full;
      step = in.step;
      border.assign(kernel * step, 0);
    } else {
      map = reinterpret_cast<const Number*>(in.bytes);
      step = in.step / 4;
      border.assign(kernel * step, in.zero * 0x01010101);
    }
  }

  int units() const override { return int((pixels(out) + kBlock - 1) / kBlock) * groups; }

  void run(int begin, int end, Worker& worker) const override {
    Number* edges = static_cast<Number*>(worker.reserve(kRows * kernel * step * sizeof(Number)));
    worker.prepared = nullptr;
    for (int unit = begin; unit < end; unit++) {
      const int64_t first = int64_t(unit / groups) * kBlock, last = std::min(first + kBlock, pixels(out));
      for (int64_t at = first; at < last; at += kRows)
        block(at, int(std::min<int64_t>(kRows, last - at)), unit % groups, edges);
    }
  }

  void block(int64_t first, int rows, int group, Number* edges) const {
    const Number* images[kRows];
    int ys[kRows], xs[kRows];
    int x = int(first % out.width), y = int(first / out.width % out.height);
    const Number* image = map + first / out.width / out.height * in.height * in.width * step;
    for (int r = 0; r < rows; r++) {
      images[r] = image;
      ys[r] = y * stride - padding;
      xs[r] = x * stride - padding;
      if (++x < out.width) continue;
      x = 0;
      if (++y < out.height) continue;
      y = 0;
      image += int64_t(in.height) * in.width * step;
    }
    const Number* panel = panels<Number>(group, kernel * kernel);
    // Where all of a pixel has weights, the taps of a row follow one another, and are one sum.
    const int sums_of_row = step == depth ? 1 : kernel, length = depth * kernel / sums_of_row;
    with_size(rows, width(group), [&]<int R, int N>() {
      Sums<Number, R, N> sums{};
      for (int dy = 0; dy < kernel; dy++) {
        const Number* from[R];
#pragma GCC unroll 16
        for (int r = 0; r < R; r++) from[r] = window(images[r], ys[r] + dy, xs[r], edges + r * kernel * step);
        for (int i = 0; i < sums_of_row; i++, panel += int64_t(length) * N * kLanes) {
          sums.add([&](int r, int64_t k) { return from[r][k]; }, panel, length);
#pragma GCC unroll 16
          for (int r = 0; r < R; r++) from[r] += step;
        }
      }
      for (int r = 0; r < R; r++)
        for (int n = 0; n < N; n++) finish(sums.at[r][n], first + r, (group * kVectors + n) * kLanes);
    });
  }

  // A row of a window from column x on; at the map's sides it is copied to `edge`.
  const Number* window(const Number* image, int y, int x, Number* edge) const {
    if (unsigned(y) >= unsigned(in.height)) return border.data();
    const Number* row = image + (int64_t(y) * in.width + x) * step;
    if (x >= 0 && x + kernel <= in.width) return row;
    for (int dx = 0; dx < kernel; dx++)
      std::copy_n(unsigned(x + dx) < unsigned(in.width) ? row + dx * step : border.data(), depth, edge + dx * step);
    return edge;
  }
};

// Transforms along one axis. The points of the larger one are 0, +-sqrt(1/2), +-sqrt(2) and infinity, with which sums
// lose less to rounding than with whole numbers.
template <int S> struct Tile;

template <> struct Tile<2> {
  static constexpr int kSize = 4;

  static void input(const Vec (&x)[4], Vec (&y)[4]) {
    y[0] = x[2] - x[0];
    y[1] = x[1] + x[2];
    y[2] = x[2] - x[1];
    y[3] = x[3] - x[1];
  }

  static void output(const Vec (&x)[4], Vec (&y)[2]) {
    y[0] = x[0] + x[1] + x[2];
    y[1] = x[1] - x[2] + x[3];
  }
};

template <> struct Tile<4> {
  static constexpr int kSize = 6;
  static constexpr float kSmall = 0.70710678118654752f, kLarge = 1.41421356237309505f;

  static void input(const Vec (&x)[6], Vec (&y)[6]) {
    const Vec a = x[4] - 2.f * x[2], b = kSmall * x[3] - kLarge * x[1];
    const Vec c = x[4] - 0.5f * x[2], d = kLarge * x[3] - kSmall * x[1];
    y[0] = x[0] + x[4] - 2.5f * x[2];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + d;
    y[4] = c - d;
    y[5] = x[1] + x[5] - 2.5f * x[3];
  }

  static void output(const Vec (&x)[6], Vec (&y)[4]) {
    const Vec a = x[1] + x[2], b = x[1] - x[2], c = x[3] + x[4], d = x[3] - x[4];
    y[0] = x[0] + a + c;
    y[1] = kSmall * b + kLarge * d;
    y[2] = 0.5f * a + 2.f * c;
    y[3] = 0.5f * kSmall * b + 2.f * kLarge * d + x[5];
  }
};

// A 3x3 convolution of stride 1 with padding 1.
template <int S> struct Winograd final : Conv {
  static constexpr int kSize = Tile<S>::kSize, kPoints = kSize * kSize;
  int tiles_y, tiles_x, tiles;
  int block; // tiles of a unit

  explicit Winograd(const Convolution& from) : Conv(from) {
    tiles_y = (in.height + S - 1) / S;
    tiles_x = (in.width + S - 1) / S;
    tiles = in.images * tiles_y * tiles_x;
    const int64_t bytes = int64_t(kPoints) * (in.channels + kVectors * kLanes) * sizeof(float);
    const int most = std::max<int>(1, int(kCache / bytes / kRows)) * kRows;
    const int blocks = (tiles + most - 1) / most;
    block = ((tiles + blocks - 1) / blocks + kRows - 1) / kRows * kRows;
  }

  int blocks() const { return (tiles + block - 1) / block; }
  int units() const override { return blocks() * groups; }

  // From a point's numbers to the next point's. More than whole lines, as those would fall into the same cache sets.
  int64_t input_pitch() const { return int64_t(block) * in.channels + 16; }
  int64_t output_pitch() const { return int64_t(block) * kVectors * kLanes + 16; }

  void run(int begin, int end, Worker& worker) const override {
    float* inputs = static_cast<float*>(worker.reserve(kPoints * (input_pitch() + output_pitch()) * sizeof(float)));
    float* outputs = inputs + kPoints * input_pitch();
    for (int unit = begin; unit < end; unit++) {
      const int at = unit / groups, group = unit % groups;
      const int first = at * block, count = std::min(block, tiles - first);
      if (worker.prepared != this || worker.prepared_block != at) {
        for (int i = 0; i < count; i++) transform_input(first + i, inputs + int64_t(i) * in.channels);
        worker.prepared = this;
        worker.prepared_block = at;
      }
      multiply(inputs, outputs, count, group);
      for (int i = 0; i < count; i++)
        for (int n = 0; n < width(group); n++)
          transform_output(first + i, outputs + (int64_t(i) * width(group) + n) * kLanes,
                           (group * kVectors + n) * kLanes);
    }
  }

  void transform_input(int tile, float* to) const {
    const int image = tile / (tiles_y * tiles_x);
    const int top = tile / tiles_x % tiles_y * S - 1, left = tile % tiles_x * S - 1;
    if (top >= 0 && left >= 0 && top + kSize <= in.height && left + kSize <= in.width) {
      const float* corner = pixel(in, image, top, left);
      const int64_t step = in.step, row = in.width * step;
      return transform_input([&](int y, int x) { return corner + y * row + x * step; }, to);
    }
    const float* from[kSize][kSize];
    for (int y = 0; y < kSize; y++)
      for (int x = 0; x < kSize; x++) {
        const bool inside = unsigned(top + y) < unsigned(in.height) && unsigned(left + x) < unsigned(in.width);
        from[y][x] = inside ? pixel(in, image, top + y, left + x) : zeros();
      }
    transform_input([&](int y, int x) { return from[y][x]; }, to);
  }

  // `at(y, x)` is the address of a pixel of the tile.
  template <typename At> void transform_input(const At& at, float* to) const {
    const int64_t pitch = input_pitch();
    for (int c = 0; c < in.channels; c += kLanes) {
      Vec rows[kSize][kSize];
#pragma GCC unroll 8
      for (int x = 0; x < kSize; x++) {
        Vec column[kSize], result[kSize];
#pragma GCC unroll 8
        for (int y = 0; y < kSize; y++) column[y] = load(at(y, x) + c);
        Tile<S>::input(column, result);
#pragma GCC unroll 8
        for (int y = 0; y < kSize; y++) rows[y][x] = result[y];
      }
#pragma GCC unroll 8
      for (int y = 0; y < kSize; y++) {
        Vec result[kSize];
        Tile<S>::input(rows[y], result);
#pragma GCC unroll 8
        for (int x = 0; x < kSize; x++) store(to + (y * kSize + x) * pitch + c, result[x]);
      }
    }
  }

  void multiply(const float* inputs, float* outputs, int count, int group) const {
    const int n_vectors = width(group);
    const int64_t panel = int64_t(depth) * n_vectors * kLanes;
    const float* weights = panels<float>(group, kPoints);
    for (int point = 0; point < kPoints; point++, weights += panel) {
      const float* from = inputs + point * input_pitch();
      float* to = outputs + point * output_pitch();
      for (int first = 0; first < count; first += kRows)
        with_size(std::min(kRows, count - first), n_vectors, [&]<int R, int N>() {
          Sums<float, R, N> sums{};
          const float* a = from + int64_t(first) * depth;
          const int64_t stride = depth;
          sums.add([&](int r, int64_t k) { return a[r * stride + k]; }, weights, depth);
          float* b = to + int64_t(first) * N * kLanes;
          for (int r = 0; r < R; r++)
            for (int n = 0; n < N; n++) store(b + (r * N + n) * kLanes, sums.at[r][n]);
        });
    }
  }

  void transform_output(int tile, const float* from, int channel) const {
    const int image = tile / (tiles_y * tiles_x);
    const int top = tile / tiles_x % tiles_y * S, left = tile % tiles_x * S;
    const int64_t pitch = output_pitch();
    Vec rows[S][kSize];
#pragma GCC unroll 8
    for (int x = 0; x < kSize; x++) {
      Vec column[kSize], result[S];
#pragma GCC unroll 8
      for (int y = 0; y < kSize; y++) column[y] = load(from + (y * kSize + x) * pitch);
      Tile<S>::output(column, result);
#pragma GCC unroll 8
      for (int y = 0; y < S; y++) rows[y][x] = result[y];
    }
#pragma GCC unroll 8
    for (int y = 0; y < S; y++) {
      Vec result[S];
      Tile<S>::output(rows[y], result);
      if (top + y >= out.height) break;
      const int64_t first = (int64_t(image) * out.height + top + y) * out.width + left;
#pragma GCC unroll 8
      for (int x = 0; x < S; x++)
        if (left + x < out.width)
          finish(result[x], first + x, channel);
    }
  }
};

// The sum of maps, each resampled to the output's size (nearest, bilinear, means), and ReLU.
struct Sum final : Op {
  Map out;
  bool with_relu;
  std::vector<Term> terms;

  Sum(const Map& out, bool with_relu, const Term* terms, int count)
      : out(out), with_relu(with_relu), terms(terms, terms + count) {}

  int units() const override { return out.images * out.height; }

  void run(int begin, int end, Worker&) const override {
    std::vector<std::pair<const float*, float>> taps;
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / out.height, y = unit % out.height;
      for (int x = 0; x < out.width; x++) {
        taps.clear();
        for (const Term& t : terms)
          for (int i = y * t.y.taps; i < (y + 1) * t.y.taps; i++)
            for (int j = x * t.x.taps; j < (x + 1) * t.x.taps; j++)
              taps.emplace_back(pixel(t.map, image, t.y.index[i], t.x.index[j]), t.y.weight[i] * t.x.weight[j]);
        const int64_t to = place(out, image, y, x);
        for (int c = 0; c < out.channels; c += kLanes) {
          Vec sum = taps[0].second * load(taps[0].first + c);
          for (size_t i = 1; i < taps.size(); i++) sum += taps[i].second * load(taps[i].first + c);
          write(out, to + c, with_relu ? relu(sum) : sum);
        }
      }
    }
  }
};

// From the caller's NCHW tensor, whose channels have no padding.
struct Input final : Op {
  Map out;
  int channels;
  const float* const* source;

  Input(const Map& out, int channels, const float* const* source) : out(out), channels(channels), source(source) {}

  int units() const override { return out.images * out.height; }

  void run(int begin, int end, Worker&) const override {
    const int64_t plane = int64_t(out.height) * out.width;
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / out.height, y = unit % out.height;
      const float* from = *source + int64_t(image) * channels * plane + int64_t(y) * out.width;
      int64_t at = place(out, image, y, 0);
      for (int x = 0; x < out.width; x++, from++, at += out.step)
        for (int c = 0; c < channels; c++) {
          const float value = from[c * plane];
          if (out.full) out.full[at + c] = value;
          if (out.bytes)
            out.bytes[at + c] = uint8_t(std::clamp(std::nearbyint(value * out.inverse) + float(out.zero), 0.f, float(kLargestByte)));
        }
    }
  }
};

// To a NCHW tensor of the caller.
struct Output final : Op {
  Map in;
  std::vector<int32_t> positions; // of the channels in a pixel
  float* const* target;

  Output(const Map& in, const int32_t* positions, int channels, float* const* target)
      : in(in), positions(positions, positions + channels), target(target) {}

  int units() const override { return in.images * in.height; }

  void run(int begin, int end, Worker&) const override {
    const int64_t plane = int64_t(in.height) * in.width;
    constexpr int kPixels = 16; // a line of the cache
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / in.height, y = unit % in.height;
      for (int x = 0; x < in.width; x += kPixels) {
        const float* from = pixel(in, image, y, x);
        float* to = *target + int64_t(image) * positions.size() * plane + int64_t(y) * in.width + x;
        const int count = std::min(kPixels, in.width - x);
        for (size_t c = 0; c < positions.size(); c++, to += plane)
          for (int i = 0; i < count; i++) to[i] = from[i * in.step + positions[c]];
      }
    }
  }
};

void enter() {}
void leave() {}

} // namespace

HRNET_MM_EXPORT int hrnet_mm_lanes() { return kLanes; }

HRNET_MM_EXPORT int hrnet_mm_vectors() { return kVectors; }

HRNET_MM_EXPORT int hrnet_mm_largest_byte() { return kLargestByte; }

HRNET_MM_EXPORT void hrnet_mm_input(Program* program, int level, const Map* out, int index, int channels) {
  program->add(level, new Input(*out, channels, &program->sources[index]));
}

HRNET_MM_EXPORT void hrnet_mm_output(Program* program, int level, const Map* in, int index, const int32_t* positions,
                                     int channels) {
  program->add(level, new Output(*in, positions, channels, &program->targets[index]));
}

HRNET_MM_EXPORT void hrnet_mm_sum(Program* program, int level, const Map* out, int relu, const Term* terms, int count) {
  program->add(level, new Sum(*out, relu, terms, count));
}

HRNET_MM_EXPORT void hrnet_mm_conv(Program* program, int level, const Convolution* conv) {
  if (conv->scales) program->add(level, new Direct<int32_t>(*conv));
  else if (conv->tile == 4) program->add(level, new Winograd<4>(*conv));
  else if (conv->tile == 2) program->add(level, new Winograd<2>(*conv));
  else program->add(level, new Direct<float>(*conv));
}

#include "weights.h"

#include "training.h"
