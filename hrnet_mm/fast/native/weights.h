// Weights where PyTorch keeps them, and in the order in which kernels read them.

#pragma once

namespace {

constexpr int kTaps = 9;

// Weights where PyTorch keeps them. Negative steps turn them. Taps of other sizes than 3x3 follow one another.
struct Filters {
  float* full; // of output 0, input 0, row 0, column 0
  int32_t outputs, inputs;
  int64_t output_step, input_step, row_step, column_step;
  const float* factor = nullptr; // of each output, or null

  float* at(int output, int input, int tap) const {
    return full + output * output_step + input * input_step + tap / 3 * row_step + tap % 3 * column_step;
  }

  float value(int output, int input, int tap) const { return *at(output, input, tap) * (factor ? factor[output] : 1.f); }
};

// The transform along one axis of weights, and the transposes of two others, for gradients.
template <int S> struct Filter;

template <> struct Filter<2> {
  static void weight(const Vec (&x)[3], Vec (&y)[4]) {
    const Vec a = 0.5f * (x[0] + x[2]), b = 0.5f * x[1];
    y[0] = -x[0];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = x[2];
  }

  static void weight_gradient(const Vec (&x)[4], Vec (&y)[3]) {
    const Vec a = 0.5f * (x[1] + x[2]);
    y[0] = a - x[0];
    y[1] = 0.5f * (x[1] - x[2]);
    y[2] = a + x[3];
  }

  static void output_gradient(const Vec (&x)[2], Vec (&y)[4]) {
    y[0] = x[0];
    y[1] = x[0] + x[1];
    y[2] = x[0] - x[1];
    y[3] = x[1];
  }
};

template <> struct Filter<4> {
  static constexpr float kSmall = Tile<4>::kSmall, kLarge = Tile<4>::kLarge;

  static void weight(const Vec (&x)[3], Vec (&y)[6]) {
    const Vec a = (x[0] + 0.5f * x[2]) * (-1 / 1.5f), b = x[1] * (kSmall * (-1 / 1.5f));
    const Vec c = (x[0] + 2.f * x[2]) * (1 / 6.f), d = x[1] * (kLarge * (1 / 6.f));
    y[0] = x[0];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + d;
    y[4] = c - d;
    y[5] = x[2];
  }

  static void weight_gradient(const Vec (&x)[6], Vec (&y)[3]) {
    const Vec a = (x[1] + x[2]) * (-1 / 1.5f), b = (x[1] - x[2]) * (kSmall * (-1 / 1.5f));
    const Vec c = (x[3] + x[4]) * (1 / 6.f), d = (x[3] - x[4]) * (kLarge * (1 / 6.f));
    y[0] = x[0] + a + c;
    y[1] = b + d;
    y[2] = 0.5f * a + 2.f * c + x[5];
  }

  static void output_gradient(const Vec (&x)[4], Vec (&y)[6]) {
    const Vec a = x[0] + 0.5f * x[2], b = kSmall * (x[1] + 0.5f * x[3]);
    const Vec c = x[0] + 2.f * x[2], d = kLarge * (x[1] + 2.f * x[3]);
    y[0] = x[0];
    y[1] = a + b;
    y[2] = a - b;
    y[3] = c + d;
    y[4] = c - d;
    y[5] = x[3];
  }
};

// A transform of both axes: of `columns[x][y]` into `points[y][x]`.
template <int From, int To, typename F> inline void both_axes(const F& along, const Vec (&columns)[From][From], Vec (&points)[To][To]) {
  Vec rows[To][From];
#pragma GCC unroll 8
  for (int x = 0; x < From; x++) {
    Vec result[To];
    along(columns[x], result);
#pragma GCC unroll 8
    for (int y = 0; y < To; y++) rows[y][x] = result[y];
  }
#pragma GCC unroll 8
  for (int y = 0; y < To; y++) along(rows[y], points[y]);
}

// Calls f(part) for each part, on as many threads as there are.
template <typename F> void in_parts(int parts, int threads, const F& f) {
  if (threads == 1 || parts == 1) {
    for (int part = 0; part < parts; part++) f(part);
    return;
  }
  struct Shared {
    const F& f;
    int parts;
    std::atomic<int> taken{0};
  } shared{f, parts};
  const auto work = [](void* data) {
    Shared& s = *static_cast<Shared*>(data);
    for (int part; (part = s.taken.fetch_add(1)) < s.parts;) s.f(part);
  };
  GOMP_parallel(work, &shared, std::min(threads, parts), 0);
}

// The weights of `depth` inputs and of vectors of outputs, transformed as `Winograd` reads them.
template <int S> void transform(const Filters& filters, int depth, int vectors, float* panels, int threads) {
  constexpr int kSize = Tile<S>::kSize, kPoints = kSize * kSize;
  in_parts((vectors + kVectors - 1) / kVectors, threads, [&](int group) {
    const int width = std::min(kVectors, vectors - group * kVectors) * kLanes;
    const int64_t pitch = int64_t(depth) * width;
    float* to = panels + int64_t(group) * kVectors * kLanes * kPoints * depth;
    for (int first = 0; first < depth; first += kLanes, to += kLanes * width) {
      alignas(64) float taps[kLanes][kTaps][kVectors * kLanes];
      const int outputs = std::min(width, filters.outputs - group * kVectors * kLanes);
      const int inputs = std::min(kLanes, filters.inputs - first);
      if (outputs < width || inputs < kLanes) std::fill_n(&taps[0][0][0], kLanes * kTaps * kVectors * kLanes, 0.f);
      const auto copy = [&](int tap, int k, int i) {
        taps[k][tap][i] = filters.value(group * kVectors * kLanes + i, first + k, tap);
      };
      for (int tap = 0; tap < kTaps; tap++)
        if (filters.output_step == 1) {
          for (int k = 0; k < inputs; k++)
            for (int i = 0; i < outputs; i++) copy(tap, k, i);
        } else {
          for (int i = 0; i < outputs; i++)
            for (int k = 0; k < inputs; k++) copy(tap, k, i);
        }
      // By way of a block of its own: points lie whole pages apart, in the same cache sets.
      alignas(64) float block[kPoints][kLanes * kVectors * kLanes + 16];
      for (int k = 0; k < kLanes; k++)
        for (int i = 0; i < width; i += kLanes) {
          Vec columns[3][3], points[kSize][kSize];
#pragma GCC unroll 16
          for (int tap = 0; tap < kTaps; tap++) columns[tap % 3][tap / 3] = load(taps[k][tap] + i);
          both_axes<3, kSize>(Filter<S>::weight, columns, points);
#pragma GCC unroll 64
          for (int point = 0; point < kPoints; point++)
            store(block[point] + k * width + i, points[point / kSize][point % kSize]);
        }
      for (int point = 0; point < kPoints; point++)
        std::copy_n(block[point], kLanes * width, to + point * pitch);
    }
  });
}

// The same as they are, as `Direct` reads them.
inline void arrange(const Filters& filters, int taps, int depth, int vectors, float* panels, int threads) {
  in_parts((vectors + kVectors - 1) / kVectors, threads, [&](int group) {
    const int first = group * kVectors * kLanes, width = std::min(kVectors, vectors - group * kVectors) * kLanes;
    const int outputs = std::min(width, filters.outputs - first);
    float* to = panels + int64_t(first) * taps * depth;
    std::fill_n(to, int64_t(taps) * depth * width, 0.f);
    for (int k = 0; k < filters.inputs; k++)
      for (int i = 0; i < outputs; i++)
        for (int tap = 0; tap < taps; tap++) to[(int64_t(tap) * depth + k) * width + i] = filters.value(first + i, k, tap);
  });
}

} // namespace

HRNET_MM_EXPORT void hrnet_mm_pack(const Filters* filters, int taps, int tile, int depth, int vectors, float* panels,
                                   int threads) {
  if (tile == 4) transform<4>(*filters, depth, vectors, panels, threads);
  else if (tile == 2) transform<2>(*filters, depth, vectors, panels, threads);
  else arrange(*filters, taps, depth, vectors, panels, threads);
}
