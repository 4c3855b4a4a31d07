// Layers in training: 3x3 convolutions of stride 1, whose weights change with every step and have a gradient, and batch
// norm with what follows it.
//
// With Winograd's transforms B, G and A of inputs, weights and outputs, y = A'[(G w G') * (B' x B)]A, where * multiplies
// numbers and sums over channels. The gradient of the inputs is the same convolution with the weights turned and their
// channels exchanged; that of the weights is G'[(A dy A') * (B' x B)]G with the sum over tiles.

#pragma once

namespace {

Worker& worker() { // keeps its memory from call to call
  thread_local Worker own;
  own.prepared = nullptr;
  return own;
}

// Memory of the calling thread that stays from call to call.
float* shared_memory(int64_t numbers) {
  thread_local Worker own;
  return static_cast<float*>(own.reserve(numbers * sizeof(float)));
}

Convolution described(const Map& in, const Map& out) {
  Convolution conv{};
  conv.in = in;
  conv.out = out;
  conv.bias = zeros();
  conv.depth = in.channels;
  return conv;
}

template <int S> void convolve(const Map& in, const Map& out, const Filters& filters, int threads) {
  Winograd<S> conv(described(in, out));
  float* panels = shared_memory(int64_t(Winograd<S>::kPoints) * in.channels * out.channels);
  transform<S>(filters, conv.depth, conv.vectors, panels, threads);
  conv.weight = panels;
  const int step = conv.blocks() >= 2 * threads ? conv.groups : (conv.groups + threads - 1) / threads;
  const int units = conv.units();
  in_parts((units + step - 1) / step, threads, [&](int part) {
    conv.run(part * step, std::min((part + 1) * step, units), worker());
  });
}

// The gradient of the weights.
template <int S> struct FilterGradient {
  static constexpr int kSize = Tile<S>::kSize, kPoints = kSize * kSize;
  static constexpr int kTiles = 48; // of a block, at least

  Winograd<S> conv; // from the input to a map like the gradient of the output
  const Filters& to;

  FilterGradient(const Map& in, const Map& gradient, const Filters& to) : conv(described(in, gradient)), to(to) {}

  // As in `Winograd`, more than whole pages from point to point.
  int64_t sum_pitch() const { return int64_t(conv.in.channels) * kVectors * kLanes + 16; }
  int64_t group_sums() const { return kPoints * sum_pitch(); }
  int64_t gradient_pitch() const { return int64_t(conv.block) * conv.out.channels + 16; }

  void run(int threads) {
    const int across = std::min(threads, std::max(1, conv.groups / 2)), along = (threads + across - 1) / across;
    const int most = (conv.tiles + along - 1) / along;
    const int64_t bytes = int64_t(kPoints) * (conv.in.channels + conv.out.channels) * sizeof(float);
    conv.block = std::min(most, std::max<int>(kTiles, int(2 * kCache / bytes)));
    const int blocks = (most + conv.block - 1) / conv.block;
    // Where all tiles are one block and one part, a group is finished before the next one begins.
    const bool at_once = along == 1 && blocks == 1;
    const int64_t whole = group_sums() * (at_once ? 1 : conv.groups);
    float* shared = at_once ? nullptr : shared_memory(along * whole);
    in_parts(across * along, threads, [&](int part) {
      const int a = part / across, b = part % across;
      const int first_group = conv.groups * b / across, last_group = conv.groups * (b + 1) / across;
      const int first = std::min(conv.tiles, a * most), last = std::min(conv.tiles, first + most);
      const int64_t inputs = kPoints * conv.input_pitch(), gradients = kPoints * gradient_pitch();
      float* own = static_cast<float*>(
          worker().reserve((inputs + gradients + (at_once ? whole : 0)) * sizeof(float)));
      float* sums = at_once ? own + inputs + gradients : shared + a * whole;
      for (int at = first; at < last || at == first; at += conv.block) {
        const int count = std::min(conv.block, last - at);
        for (int i = 0; i < count; i++) {
          conv.transform_input(at + i, own + int64_t(i) * conv.in.channels);
          transform_gradient(at + i, i, own + inputs, first_group, last_group);
        }
        for (int group = first_group; group < last_group; group++) {
          float* here = at_once ? sums : sums + group * group_sums();
          multiply(own, own + inputs, here, count, group, at == first);
          if (at_once) finish(&here, 1, group);
        }
      }
    });
    if (at_once) return;
    in_parts(conv.groups, threads, [&](int group) {
      std::vector<float*> parts(along);
      for (int a = 0; a < along; a++) parts[a] = shared + a * whole + group * group_sums();
      finish(parts.data(), along, group);
    });
  }

  void transform_gradient(int tile, int at, float* to, int first_group, int last_group) const {
    const Map& map = conv.out;
    const int image = tile / (conv.tiles_y * conv.tiles_x);
    const int top = tile / conv.tiles_x % conv.tiles_y * S, left = tile % conv.tiles_x * S;
    const float* from[S][S];
    for (int y = 0; y < S; y++)
      for (int x = 0; x < S; x++)
        from[y][x] = top + y < map.height && left + x < map.width ? pixel(map, image, top + y, left + x) : zeros();
    for (int group = first_group; group < last_group; group++) {
      const int width = conv.width(group) * kLanes;
      for (int c = 0; c < width; c += kLanes) {
        const int channel = group * kVectors * kLanes + c;
        Vec columns[S][S], points[kSize][kSize];
#pragma GCC unroll 8
        for (int x = 0; x < S; x++)
#pragma GCC unroll 8
          for (int y = 0; y < S; y++) columns[x][y] = load(from[y][x] + channel);
        both_axes<S, kSize>(Filter<S>::output_gradient, columns, points);
        float* out = to + int64_t(group) * kVectors * kLanes * conv.block + int64_t(at) * width + c;
#pragma GCC unroll 64
        for (int point = 0; point < kPoints; point++)
          store(out + point * gradient_pitch(), points[point / kSize][point % kSize]);
      }
    }
  }

  void multiply(const float* inputs, const float* gradients, float* sums, int count, int group, bool first) const {
    const int channels = conv.in.channels, n_vectors = conv.width(group);
    for (int point = 0; point < kPoints; point++) {
      const float* panel = gradients + point * gradient_pitch() + int64_t(group) * kVectors * kLanes * conv.block;
      float* out = sums + point * sum_pitch();
      for (int c = 0; c < channels; c += kRows)
        with_size(std::min(kRows, channels - c), n_vectors, [&]<int R, int N>() {
          Sums<float, R, N> s{};
          float* b = out + int64_t(c) * N * kLanes;
          if (!first)
            for (int r = 0; r < R; r++)
              for (int n = 0; n < N; n++) s.at[r][n] = load(b + (r * N + n) * kLanes);
          const float* a = inputs + point * conv.input_pitch() + c;
          s.add([&](int r, int64_t k) { return a[k * channels + r]; }, panel, count);
          for (int r = 0; r < R; r++)
            for (int n = 0; n < N; n++) store(b + (r * N + n) * kLanes, s.at[r][n]);
        });
    }
  }

  void finish(float* const* parts, int count, int group) const {
    const int channels = conv.in.channels, width = conv.width(group) * kLanes;
    for (int first = 0; first < channels; first += kLanes)
      for (int n = 0; n < width; n += kLanes) {
        alignas(64) float block[kLanes][kTaps][kLanes];
        for (int k = 0; k < kLanes; k++) {
          Vec columns[kSize][kSize], points[3][3];
          const int64_t at = int64_t(first + k) * width + n;
          for (int point = 0; point < kPoints; point++) {
            Vec sum = load(parts[0] + point * sum_pitch() + at);
            for (int i = 1; i < count; i++) sum += load(parts[i] + point * sum_pitch() + at);
            columns[point % kSize][point / kSize] = sum;
          }
          both_axes<kSize, 3>(Filter<S>::weight_gradient, columns, points);
          for (int tap = 0; tap < kTaps; tap++) store(block[k][tap], points[tap / 3][tap % 3]);
        }
        const int last = std::min(kLanes, to.inputs - first);
        for (int l = 0; l < kLanes; l++) {
          const int output = group * kVectors * kLanes + n + l;
          if (output >= to.outputs) break;
          for (int tap = 0; tap < kTaps; tap++) {
            float* out = to.at(output, first, tap);
            for (int k = 0; k < last; k++) out[k * to.input_step] = block[k][tap][l];
          }
        }
      }
  }
};

// Batch norm in training, with a sum and ReLU behind it: y = relu(scale * (x - mean) * inverse + shift + shortcut). Maps
// without memory are absent: a shortcut, or the gradient of one.
struct Norm {
  Map x, y, shortcut;
  const float *scale, *shift;
  float *mean, *inverse; // of each channel: written forward, read backward
  float *running_mean, *running_variance; // or null
  float epsilon, momentum;
};

struct NormGradient {
  Map x, y, gradient; // of y
  Map to, to_shortcut;
  const float *scale, *mean, *inverse;
  float *to_scale, *to_shift;
};

// Pixels in parts, however many threads there are, so that sums do not depend on them.
struct Pixels {
  static constexpr int kMost = 64, kLeast = 64;
  int64_t count;
  int parts;

  explicit Pixels(const Map& map)
      : count(pixels(map)), parts(int(std::clamp<int64_t>(count / kLeast, 1, kMost))) {}

  int64_t begin(int part) const { return count * part / parts; }

  // Calls f.template operator()<vectors>(channel, first pixel, last pixel, part), a line or more of the cache at once.
  template <typename F> void each(int channels, int threads, const F& f) const {
    constexpr int kMany = 4;
    in_parts(parts, threads, [&](int part) {
      int c = 0;
      for (; c + kMany * kLanes <= channels; c += kMany * kLanes)
        f.template operator()<kMany>(c, begin(part), begin(part + 1), part);
      if (c < channels)
        with_size<1, kMany>(1, (channels - c) / kLanes, [&]<int, int N>() {
          f.template operator()<N>(c, begin(part), begin(part + 1), part);
        });
    });
  }
};

// Two sums over pixels for each channel, of `terms(pixel, channel, a, b)`, in double precision between parts.
template <typename F> std::vector<double> channel_sums(const Map& map, int threads, const F& terms) {
  const Pixels all(map);
  const int channels = map.channels;
  std::vector<float> partial(size_t(all.parts) * 2 * channels);
  all.each(channels, threads, [&]<int N>(int c, int64_t first, int64_t last, int part) {
    Vec a[N]{}, b[N]{};
    for (int64_t at = first; at < last; at++)
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) terms(at, c + n * kLanes, a[n], b[n]);
    for (int n = 0; n < N; n++) {
      store(&partial[size_t(part) * 2 * channels + c + n * kLanes], a[n]);
      store(&partial[(size_t(part) * 2 + 1) * channels + c + n * kLanes], b[n]);
    }
  });
  std::vector<double> sums(2 * channels);
  for (int part = 0; part < all.parts; part++)
    for (int i = 0; i < 2 * channels; i++) sums[i] += partial[size_t(part) * 2 * channels + i];
  return sums;
}

inline Vec at(const Map& map, int64_t pixel, int channel) { return load(map.full + pixel * map.step + channel); }

template <bool kShortcut> void normalize(const Norm& norm, int threads) {
  const Map x = norm.x, y = norm.y, shortcut = norm.shortcut;
  const double count = double(pixels(x));
  // Distances from a pixel's values, which are near the mean: their squares lose little in the difference below.
  const auto sums = channel_sums(x, threads, [=](int64_t i, int c, Vec& a, Vec& b) {
    const Vec distance = at(x, i, c) - at(x, 0, c);
    a += distance;
    b += distance * distance;
  });
  std::vector<float> factor(x.channels);
  for (int c = 0; c < x.channels; c++) {
    const double distance = sums[c] / count, mean = x.full[c] + distance;
    const double variance = std::max(0., sums[x.channels + c] / count - distance * distance);
    norm.mean[c] = float(mean);
    norm.inverse[c] = float(1 / std::sqrt(variance + norm.epsilon));
    factor[c] = norm.scale[c] * norm.inverse[c];
    if (!norm.running_mean) continue;
    norm.running_mean[c] += norm.momentum * float(mean - norm.running_mean[c]);
    norm.running_variance[c] += norm.momentum * float(variance * count / (count - 1) - norm.running_variance[c]);
  }
  Pixels(x).each(x.channels, threads, [&]<int N>(int c, int64_t first, int64_t last, int) {
    Vec a[N], b[N], mean[N];
    for (int n = 0; n < N; n++) {
      a[n] = load(&factor[c + n * kLanes]);
      b[n] = load(norm.shift + c + n * kLanes);
      mean[n] = load(norm.mean + c + n * kLanes);
    }
    for (int64_t i = first; i < last; i++)
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) {
        const int channel = c + n * kLanes;
        Vec value = (at(x, i, channel) - mean[n]) * a[n] + b[n];
        if constexpr (kShortcut) value += at(shortcut, i, channel);
        store(y.full + i * y.step + channel, relu(value));
      }
  });
}

template <bool kShortcut> void normalize_gradient(const NormGradient& norm, int threads) {
  const Map x = norm.x, y = norm.y, gradient = norm.gradient, to = norm.to, to_shortcut = norm.to_shortcut;
  const double count = double(pixels(x));
  const auto masked = [=](int64_t i, int c) { return at(y, i, c) <= 0 ? Vec{} : at(gradient, i, c); };
  const auto sums = channel_sums(x, threads, [=, mean = norm.mean](int64_t i, int c, Vec& a, Vec& b) {
    const Vec g = masked(i, c);
    a += g;
    b += g * (at(x, i, c) - load(mean + c));
  });
  std::vector<float> slope(x.channels), offset(x.channels);
  for (int c = 0; c < x.channels; c++) {
    const double inverse = norm.inverse[c];
    norm.to_shift[c] = float(sums[c]);
    norm.to_scale[c] = float(sums[x.channels + c] * inverse);
    slope[c] = float(sums[x.channels + c] * inverse * inverse / count);
    offset[c] = float(sums[c] / count);
  }
  Pixels(x).each(x.channels, threads, [&]<int N>(int c, int64_t first, int64_t last, int) {
    Vec factor[N], mean[N], a[N], b[N];
    for (int n = 0; n < N; n++) {
      const int channel = c + n * kLanes;
      factor[n] = load(norm.scale + channel) * load(norm.inverse + channel);
      mean[n] = load(norm.mean + channel);
      a[n] = load(&slope[channel]);
      b[n] = load(&offset[channel]);
    }
    for (int64_t i = first; i < last; i++)
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) {
        const int channel = c + n * kLanes;
        const Vec g = masked(i, channel);
        if constexpr (kShortcut) store(to_shortcut.full + i * to_shortcut.step + channel, g);
        store(to.full + i * to.step + channel, factor[n] * (g - b[n] - a[n] * (at(x, i, channel) - mean[n])));
      }
  });
}

} // namespace

HRNET_MM_EXPORT void hrnet_mm_convolve(const Map* in, const Map* out, const Filters* filters, int tile, int threads) {
  (tile == 4 ? convolve<4> : convolve<2>)(*in, *out, *filters, threads);
}

HRNET_MM_EXPORT void hrnet_mm_filter_gradient(const Map* in, const Map* gradient, const Filters* to, int tile,
                                              int threads) {
  if (tile == 4) FilterGradient<4>(*in, *gradient, *to).run(threads);
  else FilterGradient<2>(*in, *gradient, *to).run(threads);
}

HRNET_MM_EXPORT void hrnet_mm_normalize(const Norm* norm, int threads) {
  (norm->shortcut.full ? normalize<true> : normalize<false>)(*norm, threads);
}

HRNET_MM_EXPORT void hrnet_mm_normalize_gradient(const NormGradient* norm, int threads) {
  (norm->to_shortcut.full ? normalize_gradient<true> : normalize_gradient<false>)(*norm, threads);
}
