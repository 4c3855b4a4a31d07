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
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
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
  float* full;   // pixel (0, 0) of the first image, or null if the map is split
  bf16* part[3]; // the same values as sums, smallest last: what convolutions read

  int pitch() const { return width + 1; }
  int rows() const { return images * (height + 1) - 1; }
  int positions() const { return rows() * pitch() - 1; } // from the first pixel to the last, pads included
  int64_t position(int image, int y) const { return (int64_t(image) * (height + 1) + y) * pitch(); }
};

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

struct Weights { // what an operation reads first of them
  const void* begin = nullptr;
  int64_t bytes = 0;
};

struct Worker { // what a thread carries from one operation to the next
  std::vector<bf16> scratch;
  Weights next; // of the next operation
};

struct Op {
  double cost = 1; // seconds on one thread, once measured
  virtual ~Op() = default;
  virtual int units() const = 0;
  virtual void run(int begin, int end, Worker& worker) const = 0;
  virtual Weights weights(int) const { return {}; } // from a unit on
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

  Conv(const Map& in, const Map& out, const std::optional<Map>& residual, bool with_relu, const bf16* weight,
       const float* bias, const std::vector<Run>& runs, const std::optional<Window>& window)
      : in(in), out(out), residual(residual), with_relu(with_relu), weight(weight), bias(bias), runs(runs),
        window(window) {
    for (const Run& run : runs) depth += run.tiles;
    m_tiles = (out.positions() + kTile - 1) / kTile;
    n_tiles = (out.channels + kTile - 1) / kTile;
    m_blocks = (m_tiles + kBlock - 1) / kBlock;
    n_blocks = (n_tiles + kBlock - 1) / kBlock;
    by_channels = !window && int64_t(depth) * n_tiles * kTileSize > int64_t(in.positions()) * in.channels;
    for (int block = 0; block < m_blocks; block++) {
      uint32_t bits = 0;
      for (int i = 0; i < kBlock * kTile; i++) {
        const int p = block * kBlock * kTile + i, row = p / out.pitch();
        const bool pad = p % out.pitch() == out.width || row % (out.height + 1) == out.height || row >= out.rows();
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
    if (window) worker.scratch.resize(std::max<size_t>(worker.scratch.size(), P * kBlock * kTile * step + kDepth));
    bf16* scratch = worker.scratch.data();
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
        const int row = position / out.pitch(), image = row / (out.height + 1);
        const int y = (row % (out.height + 1)) * window->stride - window->padding;
        const int x = (position % out.pitch()) * window->stride - window->padding;
        const bf16* source = in.part[p] + (in.position(image, y) + x) * in.step;
        bf16* target = to + (p * kBlock * kTile + i) * step;
        for (int dy = 0; dy < window->size; dy++, source += in.pitch() * in.step, target += line)
          for (int64_t c = 0; c < line; c += kDepth)
            _mm512_storeu_si512(target + c, _mm512_loadu_si512(source + c));
        if (line * window->size < step) _mm512_storeu_si512(target, _mm512_setzero_si512());
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
          store<P>(out, (out.position(image, y) + x) * out.step + c, mask, sum);
        }
    }
  }

  static Pair sample(const Term& t, int image, int y, int x, int c, __mmask32 mask) {
    const auto pixel = [&](int i, int j) {
      return load<P>(t.map, (t.map.position(image, t.y.index[i]) + t.x.index[j]) * t.map.step + c, mask);
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
          store<P>(out, (out.position(image, y) + x) * out.step + c, mask, value);
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
          const Pair value = load<P>(in, (in.position(image, y) + x) * in.step + c, mask);
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

struct Task { // some units of an operation
  const Op* op;
  int begin, end;
  Weights next;
};

struct alignas(64) Counter { // on a cache line of its own
  std::atomic<int> value{0};
};

// Operations that do not depend on one another. Each thread has a share of them, cut into tasks, and takes tasks of other
// shares when its own is done. A level is left when all its tasks are done, whichever threads have come: a thread that
// waits for a core of a busy machine holds nobody up but for the task it is at.
struct Level {
  std::vector<std::unique_ptr<Op>> ops;
  std::vector<std::vector<Task>> shares;
  std::unique_ptr<Counter[]> taken; // tasks of each share
  Counter done;
  int tasks = 0;

  // Equal parts: neighboring operations, the first and last of them in part.
  void share(int threads) {
    constexpr double kTask = 20e-6; // seconds, below which dividing a share costs more than it can gain
    shares.assign(threads, {});
    taken = std::make_unique<Counter[]>(threads);
    tasks = 0;
    double total = 0, before = 0;
    for (const auto& op : ops) total += op->cost;
    const double piece = threads > 1 ? std::max(kTask, total / threads / 4) : total;
    for (const auto& op : ops) {
      const auto bound = [&](double at) {
        return int(std::lround(std::clamp((at - before) / op->cost, 0.0, 1.0) * op->units()));
      };
      for (int thread = 0; thread < threads; thread++) {
        const int begin = bound(total * thread / threads), end = bound(total * (thread + 1) / threads);
        const int count = std::max(1, int(std::lround(op->cost * (end - begin) / op->units() / piece)));
        for (int i = 0; i < count; i++) {
          const int from = begin + (end - begin) * i / count, to = begin + (end - begin) * (i + 1) / count;
          if (from < to) shares[thread].push_back({op.get(), from, to, {}});
        }
      }
      before += op->cost;
    }
    for (const auto& share : shares) tasks += int(share.size());
  }

  void restart() {
    for (size_t i = 0; i < shares.size(); i++) taken[i].value = 0;
    done.value = 0;
  }

  void work(int thread, Worker& worker) {
    const int threads = int(shares.size());
    for (int i = 0; i < threads; i++) {
      const int owner = (thread + i) % threads;
      for (int k; (k = taken[owner].value.fetch_add(1)) < int(shares[owner].size()); done.value.fetch_add(1)) {
        const Task& task = shares[owner][k];
        worker.next = task.next;
        task.op->run(task.begin, task.end, worker);
      }
    }
    for (int spins = 0; done.value < tasks; spins++) {
      if (spins < 1000) _mm_pause();
      else std::this_thread::yield();
    }
  }
};

// A network: levels one after another.
template <int P> class Program {
 public:
  Program(int inputs, int outputs) : sources_(inputs), targets_(outputs) {}

  void input(int level, const Map& out, int index) { add(level, new Input<P>(out, &sources_[index])); }

  void output(int level, const Map& in, int index) { add(level, new Output<P>(in, &targets_[index])); }

  void sum(int level, const Map& out, bool relu, const std::vector<Term>& terms) {
    add(level, new Sum<P>(out, relu, terms));
  }

  void conv(int level, const Map& in, const Map& out, const std::optional<Map>& residual, bool relu, uintptr_t weight,
            uintptr_t bias, const std::vector<Run>& runs, const std::optional<Window>& window) {
    add(level, new Conv<P>(in, out, residual, relu, reinterpret_cast<const bf16*>(weight),
                           reinterpret_cast<const float*>(bias), runs, window));
  }

  void run(const std::vector<uintptr_t>& sources, const std::vector<uintptr_t>& targets, int threads) {
    set(sources, targets);
    if (shares_ != threads) share(threads);
    for (Level& level : levels_) level.restart();
#pragma omp parallel num_threads(threads)
    {
      configure_tiles();
      Worker worker;
      for (Level& level : levels_) level.work(omp_get_thread_num(), worker);
      _tile_release();
    }
  }

  // Measures the operations one by one, for threads to share them by.
  void calibrate(const std::vector<uintptr_t>& sources, const std::vector<uintptr_t>& targets, int repeats) {
    set(sources, targets);
    shares_ = 0;
    configure_tiles();
    Worker worker;
    for (int repeat = 0; repeat < repeats; repeat++)
      for (Level& level : levels_)
        for (const auto& op : level.ops) {
          const auto start = std::chrono::steady_clock::now();
          op->run(0, op->units(), worker);
          const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
          op->cost = repeat ? std::min(op->cost, time.count()) : time.count();
        }
    _tile_release();
  }

 private:
  void set(const std::vector<uintptr_t>& sources, const std::vector<uintptr_t>& targets) {
    for (size_t i = 0; i < sources.size(); i++) sources_[i] = reinterpret_cast<const float*>(sources[i]);
    for (size_t i = 0; i < targets.size(); i++) targets_[i] = reinterpret_cast<float*>(targets[i]);
  }

  void share(int threads) {
    shares_ = threads;
    for (Level& level : levels_) level.share(threads);
    for (int thread = 0; thread < threads; thread++) {
      Weights next;
      for (auto level = levels_.rbegin(); level != levels_.rend(); level++)
        for (auto task = level->shares[thread].rbegin(); task != level->shares[thread].rend(); task++) {
          task->next = next;
          const Weights own = task->op->weights(task->begin);
          if (own.bytes) next = own;
        }
    }
  }

  void add(int level, Op* op) {
    while (levels_.size() <= size_t(level)) levels_.emplace_back();
    levels_[level].ops.emplace_back(op);
  }

  std::vector<const float*> sources_;
  std::vector<float*> targets_;
  std::deque<Level> levels_;
  int shares_ = 0; // for how many threads levels are shared
};

template <int P> void bind(pybind11::module_& module, const char* name) {
  namespace py = pybind11;
  py::class_<Program<P>>(module, name)
      .def(py::init<int, int>())
      .def("input", &Program<P>::input)
      .def("output", &Program<P>::output)
      .def("sum", &Program<P>::sum)
      .def("conv", &Program<P>::conv)
      .def("calibrate", &Program<P>::calibrate)
      .def("run", &Program<P>::run, py::call_guard<py::gil_scoped_release>());
}

} // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
  namespace py = pybind11;
  py::class_<Map>(module, "Map")
      .def(py::init([](int images, int channels, int height, int width, int64_t step, uintptr_t full,
                       const std::vector<uintptr_t>& parts) {
        Map map{images, height, width, channels, step, reinterpret_cast<float*>(full), {}};
        for (size_t i = 0; i < parts.size(); i++) map.part[i] = reinterpret_cast<bf16*>(parts[i]);
        return map;
      }));
  py::class_<Axis>(module, "Axis").def(py::init<int, std::vector<int>, std::vector<float>>());
  py::class_<Term>(module, "Term").def(py::init<Map, Axis, Axis>());
  py::class_<Run>(module, "Run").def(py::init<int64_t, int>());
  py::class_<Window>(module, "Window").def(py::init<int, int, int>());
  bind<1>(module, "Program1");
  bind<2>(module, "Program2");
  bind<3>(module, "Program3");
}
