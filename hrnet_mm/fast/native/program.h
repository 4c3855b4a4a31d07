// A network as a list of operations that threads share, whatever unit of the processor computes them.
//
// Python describes the network through the functions at the end, and keeps all memory that it names.

#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <new>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Of the OpenMP library that PyTorch has loaded, whichever that is: declared here, because compilers would call their own.
extern "C" {
void GOMP_parallel(void (*work)(void*), void* data, unsigned threads, unsigned flags);
int omp_get_thread_num();
}

namespace {

inline void pause_thread() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

struct Map {
  int32_t images, height, width, channels;
  int64_t step;      // numbers from one pixel to the next: more than `channels` where the map is a slice of another
  float* full;       // pixel (0, 0) of the first image, or null if nothing reads the map as it is
  uint16_t* part[3]; // the same values as sums of bfloat16 numbers, smallest last
  uint8_t* bytes;    // the values as `value * inverse + zero`, rounded, or null
  float inverse;     // of the scale
  int32_t zero;
};

struct Axis { // which inputs make each output of a row or column, and their weights
  int32_t taps;
  const int32_t* index;
  const float* weight;
};

struct Term {
  Map map;
  Axis y, x;
};

struct Run { // input channels that follow one another in memory, several taps of a row where they touch
  int64_t offset;
  int32_t tiles;
};

struct Convolution {
  Map in, out, residual; // without a residual, this one is all zeros
  const void* weight;
  const float* bias;
  const float* scales; // of the sums of each output of bytes, or null for numbers
  int32_t relu, kernel, stride, padding;
  int32_t depth; // numbers of an input pixel that have weights
  int32_t tile;  // outputs along the side of a tile of Winograd's, or zero
  int32_t gather; // whether the inputs of a window must be copied together for the matrix unit
  int32_t run_count;
  const Run* runs;
};

struct Weights { // what an operation reads first of them
  const void* begin = nullptr;
  int64_t bytes = 0;
};

struct Op;

// What a thread carries from one operation to the next.
class Worker {
 public:
  Weights next; // of the next operation
  const Op* prepared = nullptr; // whose inputs, of which block, lie in the scratch memory
  int prepared_block = 0;

  ~Worker() { std::free(scratch_); }

  void* reserve(size_t bytes) {
    if (bytes > size_) {
      constexpr size_t kPage = 1 << 21;
      std::free(scratch_);
      size_ = (bytes + kPage - 1) / kPage * kPage;
      scratch_ = std::aligned_alloc(kPage, size_);
      if (!scratch_) std::abort();
      prepared = nullptr;
    }
    return scratch_;
  }

 private:
  void* scratch_ = nullptr;
  size_t size_ = 0;
};

struct Op {
  double cost = 1; // seconds on one thread, once measured
  virtual ~Op() = default;
  virtual int units() const = 0;
  virtual void run(int begin, int end, Worker& worker) const = 0;
  virtual Weights weights(int) const { return {}; } // from a unit on
};

// What a thread does to the unit before and after a network; defined where the kernels are.
void enter();
void leave();

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
      if (spins < 1000) pause_thread();
      else std::this_thread::yield();
    }
  }
};

// A network: levels one after another.
class Program {
 public:
  Program(int inputs, int outputs, int parts) : parts(parts), sources(inputs), targets(outputs) {}

  int parts; // of a split map
  std::vector<const float*> sources; // of the present call
  std::vector<float*> targets;

  void add(int level, Op* op) {
    while (levels_.size() <= size_t(level)) levels_.emplace_back();
    levels_[level].ops.emplace_back(op);
  }

  void set(const float* const* from, float* const* to) {
    std::copy_n(from, sources.size(), sources.begin());
    std::copy_n(to, targets.size(), targets.begin());
  }

  void run(int threads) {
    if (shares_ != threads) share(threads);
    for (Level& level : levels_) level.restart();
    const auto work = [](void* program) {
      enter();
      Worker worker;
      for (Level& level : static_cast<Program*>(program)->levels_) level.work(omp_get_thread_num(), worker);
      leave();
    };
    GOMP_parallel(work, this, threads, 0);
  }

  // The seconds of each operation on one thread, in the order of levels.
  void costs(double* to) const {
    for (const Level& level : levels_)
      for (const auto& op : level.ops) *to++ = op->cost;
  }

  // Runs and measures the operations one by one, for threads to share them by; `again` keeps what was less before.
  void calibrate(bool again) {
    shares_ = 0;
    enter();
    Worker worker;
    for (Level& level : levels_)
      for (const auto& op : level.ops) {
        const auto start = std::chrono::steady_clock::now();
        op->run(0, op->units(), worker);
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        op->cost = again ? std::min(op->cost, time.count()) : time.count();
      }
    leave();
  }

 private:
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

  std::deque<Level> levels_;
  int shares_ = 0; // for how many threads levels are shared
};

} // namespace

#define HRNET_MM_EXPORT extern "C" __attribute__((visibility("default")))

HRNET_MM_EXPORT void* hrnet_mm_program(int inputs, int outputs, int parts) { return new Program(inputs, outputs, parts); }

HRNET_MM_EXPORT void hrnet_mm_free(Program* program) { delete program; }

HRNET_MM_EXPORT void hrnet_mm_run(Program* program, const float* const* sources, float* const* targets, int threads) {
  program->set(sources, targets);
  program->run(threads);
}

HRNET_MM_EXPORT void hrnet_mm_calibrate(Program* program, const float* const* sources, float* const* targets, int again) {
  program->set(sources, targets);
  program->calibrate(again);
}

HRNET_MM_EXPORT void hrnet_mm_costs(const Program* program, double* to) { program->costs(to); }
