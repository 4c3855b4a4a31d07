// Convolutions of vector.cpp and layers in training against sums as they are written, for processors on which PyTorch
// cannot run the tests: on a machine of another kind, it runs in an emulator. It prints the largest relative error, which
// must be small.

#include "../../hrnet_mm/fast/native/vector.cpp"

#include <cstdio>
#include <random>

namespace {

// The transform of three weights by a point, or infinity; `points` are those of vector.cpp.
std::vector<double> transform(int tile, const double* w) {
  const double a = std::sqrt(0.5), b = std::sqrt(2.0);
  const std::vector<double> points = tile == 2 ? std::vector<double>{0, 1, -1} : std::vector<double>{0, a, -a, b, -b};
  std::vector<double> out;
  for (double p : points) {
    double scale = 1;
    for (double q : points)
      if (p != q) scale *= p - q;
    out.push_back((w[0] + p * w[1] + p * p * w[2]) / scale);
  }
  out.push_back(w[2]);
  return out;
}

// The numbers of one pair of channels, one for each tap or point.
std::vector<double> values(int kernel, int tile, const std::vector<double>& w) {
  if (!tile) return {w.begin(), w.begin() + kernel * kernel};
  std::vector<std::vector<double>> rows;
  for (int y = 0; y < 3; y++) rows.push_back(transform(tile, &w[3 * y]));
  std::vector<double> out((tile + 2) * (tile + 2));
  for (int x = 0; x < tile + 2; x++) {
    const double column[3] = {rows[0][x], rows[1][x], rows[2][x]};
    const auto transformed = transform(tile, column);
    for (int y = 0; y < tile + 2; y++) out[y * (tile + 2) + x] = transformed[y];
  }
  return out;
}

double error(int images, int inputs, int outputs, int height, int width, int kernel, int stride, int tile, int threads) {
  std::mt19937 random(inputs * 1000 + height);
  std::normal_distribution<float> normal;
  const auto fill = [&](std::vector<float>& x) { for (float& v : x) v = normal(random); };
  const int padding = kernel / 2, h = (height + 2 * padding - kernel) / stride + 1;
  const int w = (width + 2 * padding - kernel) / stride + 1;
  const int depth = (inputs + kLanes - 1) / kLanes * kLanes, padded = (outputs + kLanes - 1) / kLanes * kLanes;
  std::vector<float> x(size_t(images) * inputs * height * width), y(size_t(images) * outputs * h * w), bias(padded);
  std::vector<float> in(size_t(images) * height * width * depth), out(size_t(images) * h * w * padded);
  fill(x);
  for (int o = 0; o < outputs; o++) bias[o] = normal(random);
  std::vector<std::vector<double>> weight(size_t(outputs) * inputs, std::vector<double>(9));
  for (auto& pair : weight)
    for (double& v : pair) v = normal(random);
  const int points = tile ? (tile + 2) * (tile + 2) : kernel * kernel;
  std::vector<float> packed;
  for (int group = 0; group < padded; group += kVectors * kLanes)
    for (int point = 0; point < points; point++)
      for (int i = 0; i < depth; i++)
        for (int o = group; o < std::min(padded, group + kVectors * kLanes); o++)
          packed.push_back(i < inputs && o < outputs ? values(kernel, tile, weight[o * inputs + i])[point] : 0);
  Convolution conv{};
  conv.in = {images, height, width, depth, depth, in.data(), {}};
  conv.out = {images, h, w, padded, padded, out.data(), {}};
  conv.weight = packed.data();
  conv.bias = bias.data();
  conv.kernel = kernel;
  conv.stride = stride;
  conv.padding = padding;
  conv.depth = depth;
  conv.tile = tile;
  std::vector<int32_t> positions;
  for (int o = 0; o < outputs; o++) positions.push_back(o);
  Program program(1, 1, 1);
  hrnet_mm_input(&program, 0, &conv.in, 0, inputs);
  hrnet_mm_conv(&program, 1, &conv);
  hrnet_mm_output(&program, 2, &conv.out, 0, positions.data(), outputs);
  const float* sources[] = {x.data()};
  float* targets[] = {y.data()};
  hrnet_mm_run(&program, sources, targets, threads);
  double largest = 0, difference = 0;
  for (int n = 0; n < images; n++)
    for (int o = 0; o < outputs; o++)
      for (int i = 0; i < h; i++)
        for (int j = 0; j < w; j++) {
          double sum = bias[o];
          for (int c = 0; c < inputs; c++)
            for (int dy = 0; dy < kernel; dy++)
              for (int dx = 0; dx < kernel; dx++) {
                const int u = i * stride - padding + dy, v = j * stride - padding + dx;
                if (u < 0 || v < 0 || u >= height || v >= width) continue;
                sum += weight[o * inputs + c][dy * kernel + dx] * x[((size_t(n) * inputs + c) * height + u) * width + v];
              }
          largest = std::max(largest, std::abs(sum));
          difference = std::max(difference, std::abs(sum - y[((size_t(n) * outputs + o) * h + i) * w + j]));
        }
  return difference / largest;
}

// Layers in training. A convolution is linear in its input and in its weights, so that each gradient times what it is the
// gradient of equals the gradient of the output times the output.
double training_error(int images, int inputs, int outputs, int height, int width, int tile, int threads) {
  std::mt19937 random(inputs * 1000 + height);
  std::normal_distribution<float> normal;
  const auto numbers = [&](size_t count) {
    std::vector<float> x(count);
    for (float& v : x) v = normal(random);
    return x;
  };
  const size_t pixels = size_t(images) * height * width;
  auto x = numbers(pixels * inputs), dy = numbers(pixels * outputs), weight = numbers(size_t(outputs) * inputs * 9);
  std::vector<float> y(dy.size()), dx(x.size()), dw(weight.size());
  const auto map = [&](std::vector<float>& values, int channels) {
    return Map{images, height, width, channels, channels, values.data(), {}};
  };
  const Map in = map(x, inputs), out = map(y, outputs), of_out = map(dy, outputs), of_in = map(dx, inputs);
  const Filters filters{weight.data(), outputs, inputs, inputs * 9, 9, 3, 1};
  const Filters turned{weight.data() + 8, inputs, outputs, 9, inputs * 9, -3, -1};
  const Filters of_weight{dw.data(), outputs, inputs, inputs * 9, 9, 3, 1};
  hrnet_mm_convolve(&in, &out, &filters, tile, threads);
  hrnet_mm_convolve(&of_out, &of_in, &turned, tile, threads);
  hrnet_mm_filter_gradient(&in, &of_out, &of_weight, tile, threads);
  const auto product = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++) sum += double(a[i]) * b[i];
    return sum;
  };
  double expected = 0;
  for (int n = 0; n < images; n++)
    for (int i = 0; i < height; i++)
      for (int j = 0; j < width; j++)
        for (int o = 0; o < outputs; o++)
          for (int tap = 0; tap < 9; tap++) {
            const int u = i - 1 + tap / 3, v = j - 1 + tap % 3;
            if (u < 0 || v < 0 || u >= height || v >= width) continue;
            const float* pixel = &x[((size_t(n) * height + u) * width + v) * inputs];
            double sum = 0;
            for (int c = 0; c < inputs; c++) sum += double(pixel[c]) * weight[(size_t(o) * inputs + c) * 9 + tap];
            expected += sum * dy[((size_t(n) * height + i) * width + j) * outputs + o];
          }
  const double scale = std::sqrt(product(y, y) * product(dy, dy)) / std::sqrt(double(y.size()));
  return std::max({std::abs(product(y, dy) - expected), std::abs(product(dx, x) - expected),
                   std::abs(product(dw, weight) - expected)}) / scale;
}

// Batch norm with a shortcut and ReLU, and its gradients, against the formulas in double precision.
double norm_error(int pixels, int channels, int threads) {
  std::mt19937 random(channels);
  std::normal_distribution<float> normal;
  const auto numbers = [&](size_t count) {
    std::vector<float> x(count);
    for (float& v : x) v = normal(random) + 1;
    return x;
  };
  auto x = numbers(size_t(pixels) * channels), shortcut = numbers(x.size()), dy = numbers(x.size());
  auto scale = numbers(channels), shift = numbers(channels);
  std::vector<float> y(x.size()), dx(x.size()), of_shortcut(x.size()), mean(channels), inverse(channels);
  std::vector<float> of_scale(channels), of_shift(channels);
  const auto map = [&](std::vector<float>& v) { return Map{1, 1, pixels, channels, channels, v.data(), {}}; };
  const Norm norm{map(x), map(y), map(shortcut), scale.data(), shift.data(), mean.data(), inverse.data(), nullptr, nullptr,
                  1e-5f, 0};
  const NormGradient gradient{map(x), map(y), map(dy), map(dx), map(of_shortcut), scale.data(), mean.data(),
                              inverse.data(), of_scale.data(), of_shift.data()};
  hrnet_mm_normalize(&norm, threads);
  hrnet_mm_normalize_gradient(&gradient, threads);
  double worst = 0;
  for (int c = 0; c < channels; c++) {
    double m = 0, v = 0, g = 0, gx = 0;
    const auto at = [&](int i) { return size_t(i) * channels + c; };
    for (int i = 0; i < pixels; i++) m += x[at(i)] / double(pixels);
    for (int i = 0; i < pixels; i++) v += (x[at(i)] - m) * (x[at(i)] - m) / pixels;
    const double r = 1 / std::sqrt(v + 1e-5);
    const auto is_on = [&](int i) { return (x[at(i)] - m) * r * scale[c] + shift[c] + shortcut[at(i)] > 0; };
    for (int i = 0; i < pixels; i++) {
      g += is_on(i) * dy[at(i)];
      gx += is_on(i) * dy[at(i)] * (x[at(i)] - m) * r;
    }
    for (int i = 0; i < pixels; i++) {
      const double normalized = (x[at(i)] - m) * r, on = is_on(i);
      worst = std::max(worst, std::abs(y[at(i)] - on * (normalized * scale[c] + shift[c] + shortcut[at(i)])));
      worst = std::max(worst, std::abs(of_shortcut[at(i)] - on * dy[at(i)]));
      worst = std::max(worst, std::abs(dx[at(i)] - scale[c] * r * (on * dy[at(i)] - g / pixels - normalized * gx / pixels)));
    }
    worst = std::max({worst, std::abs(of_shift[c] - g) / pixels, std::abs(of_scale[c] - gx) / pixels});
  }
  return worst / 4;
}

} // namespace

int main() {
  double worst = 0;
  for (int threads : {1, 2})
    for (int tile : {0, 2, 4})
      for (int channels : {3, 18, 40}) {
        worst = std::max(worst, error(2, channels, 37, 13, 10, 3, 1, tile, threads));
        if (tile) continue;
        worst = std::max(worst, error(1, channels, 37, 13, 10, 3, 2, 0, threads));
        worst = std::max(worst, error(1, channels, 37, 13, 10, 1, 1, 0, threads));
      }
  for (int threads : {1, 2}) {
    for (int tile : {2, 4})
      for (int channels : {16, 48}) worst = std::max(worst, training_error(2, channels, 64, 13, 10, tile, threads));
    for (int channels : {16, 80}) worst = std::max(worst, norm_error(300, channels, threads));
  }
  std::printf("%d lanes, largest relative error %.1e\n", kLanes, worst);
  return worst < 3e-6 ? 0 : 1;
}
