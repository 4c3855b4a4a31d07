// Convolutions of vector.cpp against sums as they are written, for processors on which PyTorch cannot run the tests: on
// a machine of another kind, it runs in an emulator. It prints the largest relative error, which must be small.

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
  std::printf("%d lanes, largest relative error %.1e\n", kLanes, worst);
  return worst < 3e-6 ? 0 : 1;
}
