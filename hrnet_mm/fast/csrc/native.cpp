// Runs a whole convolutional network in one call on the matrix unit (AMX) of recent Xeons.
//
// The unit multiplies bfloat16 numbers, 16 times as fast as AVX-512 multiplies float32, and adds in float32. A float32
// number is the exact sum of three bfloat16 numbers, so a float32 product is six bfloat16 products plus what lies below
// float32's own rounding (Henry, Tang, Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-
// Precision Computations", ARITH 2019). `parts` is how many of the three are kept: 3 (six products), 2 (three) or 1.
//
// Maps lie in memory as NHWC, each row followed by one pixel of zeros and each image by one row of them; the zeros
// after a row serve as the ones before the next. So the pixels that a convolution of stride 1 reads for any 16
// consecutive outputs are, for each tap, 16 consecutive pixels: a tile to load, borders included.

#include <immintrin.h>
#include <omp.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace {

using bf16 = uint16_t;

constexpr int kTile = 16;                 // pixels, or output channels, of a tile
constexpr int kDepth = 32;                // input channels of a tile
constexpr int kTileSize = kTile * kDepth; // elements of a tile of inputs
constexpr int kBlock = 2;                 // tiles of a block, each way

struct Map {
  int images, height, width, channels;
  int64_t step;  // elements from one pixel to the next: more than `channels` where the map is a slice of another
  float* full;   // pixel (0, 0) of the first image; null where nothing reads it
  bf16* part[3]; // the same values, split; null where no convolution reads them

  int pitch() const { return width + 1; }
  int rows() const { return images * (height + 1) - 1; }
  int positions() const { return rows() * pitch() - 1; } // from the first pixel to the last, pads included
  int64_t position(int image, int y) const { return (int64_t(image) * (height + 1) + y) * pitch(); }
};

inline __m512 widen(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }

// Writes 16 channels of a pixel: as they are, and split into bfloat16 parts that add up to them.
inline void store(const Map& map, int parts, int64_t at, __mmask16 mask, __m512 x) {
  if (map.full) _mm512_mask_storeu_ps(map.full + at, mask, x);
  if (!map.part[0]) return;
  for (int i = 0; i < parts; i++) {
    const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(x);
    _mm256_mask_storeu_epi16(map.part[i] + at, mask, rounded);
    x = _mm512_sub_ps(x, widen(rounded));
  }
}

inline __m512 relu(__m512 x) { return _mm512_max_ps(_mm512_setzero_ps(), x); } // in this order NaN stays NaN

inline __mmask16 channel_mask(int left) { return left >= 16 ? 0xffff : (1u << left) - 1; }

struct Op {
  double cost = 1; // relative time, which decides how threads share a level
  virtual ~Op() = default;
  virtual int units() const = 0;
  virtual void run(int begin, int end, std::vector<bf16>& scratch) const = 0;
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

struct Run { // input channels that follow one another in memory, several taps of a row where they touch
  int64_t offset;
  int tiles;
};

// M x N tiles of outputs. Weights come part by part, smallest first, in the order in which they are used.
template <int P, int M, int N>
void block(const bf16* const* a, int64_t step, const std::vector<Run>& runs, const bf16* b, float* out) {
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
    }
  }
  _tile_stored(0, out, 128);
  if constexpr (N > 1) _tile_stored(1, out + 16, 128);
  if constexpr (M > 1) _tile_stored(2, out + 512, 128);
  if constexpr (M > 1 && N > 1) _tile_stored(3, out + 528, 128);
  asm volatile("" ::: "memory");
}

struct Window { // of a convolution that reads its input through `gather`
  int size, stride, padding;
};

struct Conv final : Op {
  int parts;
  Map in, out;
  const float* residual;
  int64_t residual_step;
  const bf16* weight;
  const float* bias;
  bool with_relu;
  std::vector<Run> runs;
  bool gathers;
  Window window;
  int depth = 0; // tiles over the input channels and taps
  int m_tiles, n_tiles, m_blocks, n_blocks;
  bool by_channels; // threads share output channels, so that each reads a part of the weights, and not pixels
  std::vector<uint16_t> valid;

  void prepare() {
    for (const Run& run : runs) depth += run.tiles;
    m_tiles = (out.positions() + kTile - 1) / kTile;
    n_tiles = (out.channels + kTile - 1) / kTile;
    m_blocks = (m_tiles + kBlock - 1) / kBlock;
    n_blocks = (n_tiles + kBlock - 1) / kBlock;
    by_channels = !gathers && int64_t(depth) * n_tiles * kTileSize > int64_t(in.positions()) * in.channels;
    for (int tile = 0; tile < m_blocks * kBlock; tile++) {
      uint16_t bits = 0;
      for (int i = 0; i < kTile; i++) {
        const int p = tile * kTile + i, row = p / out.pitch();
        const bool pad = p % out.pitch() == out.width || row % (out.height + 1) == out.height || row >= out.rows();
        bits |= uint16_t(!pad) << i;
      }
      valid.push_back(bits);
    }
    cost = double(m_tiles) * n_tiles * (depth * parts * (parts + 1) / 2 * 16 + 160);
  }

  int units() const override { return m_blocks * n_blocks; }

  void run(int begin, int end, std::vector<bf16>& scratch) const override {
    const int64_t gathered_step = int64_t(depth) * kDepth;
    const int inner = by_channels ? m_blocks : n_blocks;
    if (gathers && scratch.size() < size_t(parts * kBlock * kTile * gathered_step))
      scratch.assign(parts * kBlock * kTile * gathered_step, 0);
    int gathered = -1;
    for (int unit = begin; unit < end; unit++) {
      const int m = by_channels ? unit % inner : unit / inner;
      const int n = by_channels ? unit / inner : unit % inner;
      const bf16* a[3];
      int64_t step = in.step;
      if (gathers) {
        step = gathered_step;
        for (int i = 0; i < parts; i++) a[i] = scratch.data() + i * kBlock * kTile * step;
        if (gathered != m) gather(m, scratch.data(), step);
        gathered = m;
      } else {
        for (int i = 0; i < parts; i++) a[i] = in.part[i] + int64_t(m) * kBlock * kTile * in.step;
      }
      if (parts == 1) tiles<1>(a, step, m, n);
      if (parts == 2) tiles<2>(a, step, m, n);
      if (parts == 3) tiles<3>(a, step, m, n);
    }
  }

  template <int P> void tiles(const bf16* const* a, int64_t step, int m, int n) const {
    alignas(64) float sums[kBlock * kTile * 32];
    const bf16* b = weight + int64_t(n) * kBlock * depth * P * kTileSize;
    const int m_count = std::min(kBlock, m_tiles - m * kBlock), n_count = std::min(kBlock, n_tiles - n * kBlock);
    if (m_count == 2 && n_count == 2) block<P, 2, 2>(a, step, runs, b, sums);
    if (m_count == 2 && n_count == 1) block<P, 2, 1>(a, step, runs, b, sums);
    if (m_count == 1 && n_count == 2) block<P, 1, 2>(a, step, runs, b, sums);
    if (m_count == 1 && n_count == 1) block<P, 1, 1>(a, step, runs, b, sums);
    for (int j = 0; j < n_count; j++) {
      const int channel = (n * kBlock + j) * kTile;
      const __mmask16 mask = channel_mask(out.channels - channel);
      const __m512 shift = _mm512_loadu_ps(bias + channel);
      for (int i = 0; i < m_count; i++) {
        const int tile = m * kBlock + i;
        for (unsigned left = valid[tile]; left; left &= left - 1) {
          const int row = __builtin_ctz(left);
          const int64_t position = int64_t(tile) * kTile + row;
          __m512 x = _mm512_add_ps(_mm512_load_ps(sums + (i * kTile + row) * 32 + j * 16), shift);
          if (residual)
            x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, residual + position * residual_step + channel));
          if (with_relu) x = relu(x);
          store(out, P, position * out.step + channel, mask, x);
        }
      }
    }
  }

  // Copies the windows of a block of outputs side by side, for strides and sizes that a tile load cannot follow.
  void gather(int m, bf16* to, int64_t step) const {
    const int64_t line = int64_t(window.size) * in.channels;
    for (int i = 0; i < kBlock * kTile; i++) {
      const int tile = m * kBlock + i / kTile;
      if (!(valid[tile] >> (i % kTile) & 1)) continue;
      const int position = tile * kTile + i % kTile;
      const int row = position / out.pitch(), image = row / (out.height + 1);
      const int y = (row % (out.height + 1)) * window.stride - window.padding;
      const int x = (position % out.pitch()) * window.stride - window.padding;
      const int first = std::max(0, -x), last = std::min(window.size, in.width - x);
      for (int p = 0; p < parts; p++) {
        bf16* target = to + (int64_t(p) * kBlock * kTile + i) * step;
        for (int dy = 0; dy < window.size; dy++, target += line) {
          if (y + dy < 0 || y + dy >= in.height) {
            std::memset(target, 0, line * sizeof(bf16));
            continue;
          }
          const bf16* source = in.part[p] + (in.position(image, y + dy) + x) * in.step;
          std::memset(target, 0, first * in.channels * sizeof(bf16));
          for (int dx = first; dx < last; dx++)
            std::memcpy(target + dx * in.channels, source + dx * in.step, in.channels * sizeof(bf16));
          std::memset(target + last * in.channels, 0, (window.size - last) * in.channels * sizeof(bf16));
        }
        std::memset(target, 0, (step - line * window.size) * sizeof(bf16));
      }
    }
  }
};

struct Axis { // which inputs make each output of a row or column, and their weights
  int taps;
  std::vector<int> index;
  std::vector<float> weight;
};

struct Term {
  Map map;
  Axis y, x;
};

// The sum of maps, each resampled to the output's size (nearest, bilinear, means), and ReLU.
struct Sum final : Op {
  int parts;
  Map out;
  bool with_relu;
  std::vector<Term> terms;

  void prepare() { cost = double(out.rows()) * out.width * out.channels * terms.size(); }

  int units() const override { return out.images * out.height; }

  void run(int begin, int end, std::vector<bf16>&) const override {
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / out.height, y = unit % out.height;
      for (int x = 0; x < out.width; x++)
        for (int c = 0; c < out.channels; c += 16) {
          const __mmask16 mask = channel_mask(out.channels - c);
          __m512 sum = _mm512_setzero_ps();
          for (const Term& term : terms) sum = _mm512_add_ps(sum, sample(term, image, y, x, c, mask));
          if (with_relu) sum = relu(sum);
          store(out, parts, (out.position(image, y) + x) * out.step + c, mask, sum);
        }
    }
  }

  static __m512 sample(const Term& t, int image, int y, int x, int c, __mmask16 mask) {
    const Map& map = t.map;
    if (t.x.taps == 1 && t.y.taps == 1) {
      const int64_t at = map.position(image, t.y.index[y]) + t.x.index[x];
      return _mm512_maskz_loadu_ps(mask, map.full + at * map.step + c);
    }
    __m512 sum = _mm512_setzero_ps();
    for (int i = y * t.y.taps; i < (y + 1) * t.y.taps; i++) {
      __m512 line = _mm512_setzero_ps();
      for (int j = x * t.x.taps; j < (x + 1) * t.x.taps; j++) {
        const int64_t at = map.position(image, t.y.index[i]) + t.x.index[j];
        const __m512 value = _mm512_maskz_loadu_ps(mask, map.full + at * map.step + c);
        line = _mm512_fmadd_ps(value, _mm512_set1_ps(t.x.weight[j]), line);
      }
      sum = _mm512_fmadd_ps(line, _mm512_set1_ps(t.y.weight[i]), sum);
    }
    return sum;
  }
};

// From the caller's NCHW tensor.
struct Input final : Op {
  int parts;
  Map out;
  const float* const* source;

  void prepare() { cost = double(out.rows()) * out.width * out.channels; }

  int units() const override { return out.images * out.height; }

  void run(int begin, int end, std::vector<bf16>&) const override {
    const int64_t plane = int64_t(out.height) * out.width;
    const __m512i lanes = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                             _mm512_set1_epi32(int(plane)));
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / out.height, y = unit % out.height;
      for (int c = 0; c < out.channels; c += 16) {
        const float* line = *source + (int64_t(image) * out.channels + c) * plane + int64_t(y) * out.width;
        const __mmask16 mask = channel_mask(out.channels - c);
        for (int x = 0; x < out.width; x++) {
          const __m512 value = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, lanes, line + x, 4);
          store(out, parts, (out.position(image, y) + x) * out.step + c, mask, value);
        }
      }
    }
  }
};

// To a NCHW tensor of the caller.
struct Output final : Op {
  Map in;
  float* const* target;

  void prepare() { cost = double(in.rows()) * in.width * in.channels; }

  int units() const override { return in.images * in.height; }

  void run(int begin, int end, std::vector<bf16>&) const override {
    const int64_t plane = int64_t(in.height) * in.width;
    for (int unit = begin; unit < end; unit++) {
      const int image = unit / in.height, y = unit % in.height;
      const float* line = in.full + in.position(image, y) * in.step;
      for (int c = 0; c < in.channels; c++) {
        float* to = *target + (int64_t(image) * in.channels + c) * plane + int64_t(y) * in.width;
        for (int x = 0; x < in.width; x++) to[x] = line[x * in.step + c];
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
  _tile_loadconfig(config);
}

// Operations in levels: those of one level do not depend on one another.
class Program {
 public:
  Program(int parts, int outputs) : parts_(parts), targets_(outputs) {}

  void conv(int level, const Map& in, const Map& out, const Map* residual, uintptr_t weight, uintptr_t bias, bool relu,
            const std::vector<std::pair<int64_t, int>>& runs, const std::vector<int>& window) {
    auto op = std::make_unique<Conv>();
    op->parts = parts_;
    op->in = in;
    op->out = out;
    op->residual = residual ? residual->full : nullptr;
    op->residual_step = residual ? residual->step : 0;
    op->weight = reinterpret_cast<const bf16*>(weight);
    op->bias = reinterpret_cast<const float*>(bias);
    op->with_relu = relu;
    for (const auto& [offset, tiles] : runs) op->runs.push_back({offset, tiles});
    op->gathers = !window.empty();
    if (op->gathers) op->window = {window[0], window[1], window[2]};
    add(level, std::move(op));
  }

  void sum(int level, const Map& out, bool relu, const std::vector<Term>& terms) {
    auto op = std::make_unique<Sum>();
    op->parts = parts_;
    op->out = out;
    op->with_relu = relu;
    op->terms = terms;
    add(level, std::move(op));
  }

  void input(int level, const Map& out) {
    auto op = std::make_unique<Input>();
    op->parts = parts_;
    op->out = out;
    op->source = &source_;
    add(level, std::move(op));
  }

  void output(int level, const Map& in, int index) {
    auto op = std::make_unique<Output>();
    op->in = in;
    op->target = &targets_[index];
    add(level, std::move(op));
  }

  void run(uintptr_t source, const std::vector<uintptr_t>& targets, int threads) {
    source_ = reinterpret_cast<const float*>(source);
    for (size_t i = 0; i < targets.size(); i++) targets_[i] = reinterpret_cast<float*>(targets[i]);
#pragma omp parallel num_threads(threads)
    {
      const int count = omp_get_num_threads(), thread = omp_get_thread_num();
      configure_tiles();
      std::vector<bf16> scratch;
      for (const auto& level : levels_) {
        double total = 0, before = 0;
        for (const auto& op : level) total += op->cost;
        for (const auto& op : level) {
          const auto share = [&](int i) {
            const double at = (total * i / count - before) / op->cost;
            return int(std::lround(std::clamp(at, 0.0, 1.0) * op->units()));
          };
          op->run(share(thread), share(thread + 1), scratch);
          before += op->cost;
        }
#pragma omp barrier
      }
      _tile_release();
    }
  }

  // Seconds that each operation takes on one thread, level by level; threads then share levels by it.
  std::vector<std::vector<double>> measure(uintptr_t source, const std::vector<uintptr_t>& targets, int repeats) {
    source_ = reinterpret_cast<const float*>(source);
    for (size_t i = 0; i < targets.size(); i++) targets_[i] = reinterpret_cast<float*>(targets[i]);
    std::vector<std::vector<double>> best(levels_.size());
    configure_tiles();
    std::vector<bf16> scratch;
    for (int repeat = 0; repeat < repeats; repeat++)
      for (size_t i = 0; i < levels_.size(); i++) {
        best[i].resize(levels_[i].size(), 1e9);
        for (size_t j = 0; j < levels_[i].size(); j++) {
          const auto start = std::chrono::steady_clock::now();
          levels_[i][j]->run(0, levels_[i][j]->units(), scratch);
          const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
          best[i][j] = std::min(best[i][j], time.count());
          levels_[i][j]->cost = best[i][j];
        }
      }
    _tile_release();
    return best;
  }

 private:
  template <class T> void add(int level, std::unique_ptr<T> op) {
    op->prepare();
    if (levels_.size() <= size_t(level)) levels_.resize(level + 1);
    levels_[level].push_back(std::move(op));
  }

  int parts_;
  const float* source_ = nullptr;
  std::vector<float*> targets_;
  std::vector<std::vector<std::unique_ptr<Op>>> levels_;
};

} // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  namespace py = pybind11;
  py::class_<Map>(module, "Map")
      .def(py::init([](int images, int height, int width, int channels, int64_t step, uintptr_t full,
                       const std::vector<uintptr_t>& parts) {
        Map map{images, height, width, channels, step, reinterpret_cast<float*>(full), {}};
        for (size_t i = 0; i < parts.size(); i++) map.part[i] = reinterpret_cast<bf16*>(parts[i]);
        return map;
      }));
  py::class_<Term>(module, "Term")
      .def(py::init([](const Map& map, const std::vector<int>& y, const std::vector<float>& y_weight,
                       const std::vector<int>& x, const std::vector<float>& x_weight, int y_taps, int x_taps) {
        return Term{map, {y_taps, y, y_weight}, {x_taps, x, x_weight}};
      }));
  py::class_<Program>(module, "Program")
      .def(py::init<int, int>())
      .def("conv", &Program::conv)
      .def("sum", &Program::sum)
      .def("input", &Program::input)
      .def("output", &Program::output)
      .def("run", &Program::run, py::call_guard<py::gil_scoped_release>())
      .def("measure", &Program::measure);
}
