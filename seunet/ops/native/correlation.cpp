// The gradients of kernel and bias of a correlation that several channels-last maps share, each with its own stride and
// dilation: shared_kernel.py says what is computed. Only pixels that a tap reaches are read.
#pragma GCC optimize("fp-contract=fast")  // here nothing has to have the bits of torch
#include "exports.h"

namespace {

// Output channels whose sums are held in registers, numbers in a register, and registers for each sum: 16 registers of the
// 32 that AVX-512 has, else 8 of 16.
constexpr int OUT = 8, L = REGISTER, WIDE = REGISTER == 16 ? 2 : 1;

// What one map has: images, height and width of the input, height and width of the output, stride and step of
// the taps, and by how many zeros the input is continued.
struct Geometry { int64_t images, height, width, out_height, out_width, stride, step, zeros; };

// The outputs p, from first to last − 1, whose input stride·p + offset lies in [0, length).
struct Range {
    int64_t first, last;
    Range(int64_t outputs, int64_t length, int64_t stride, int64_t offset)
        : first(offset < 0 ? (-offset + stride - 1) / stride : 0),
          last(offset < length ? std::min(outputs, (length - 1 - offset) / stride + 1) : 0) {}
};

// sums[o][c] += Σ grad[p][o] x[stride·p + tap − zeros][c] over images and outputs, R · L channels c
template <int R>
inline void add_products(const float* grad, const float* x, const Geometry& map, int64_t down, int64_t right, int64_t in,
                         int64_t out, typename Vector<L>::type (&sums)[OUT][R]) {
    const int64_t top = map.step * down - map.zeros, left = map.step * right - map.zeros;
    const Range rows(map.out_height, map.height, map.stride, top);
    const Range columns(map.out_width, map.width, map.stride, left);
    for (int64_t image = 0; image < map.images; ++image) {
        for (int64_t p = rows.first; p < rows.last; ++p) {
            const float* g = grad + ((image * map.out_height + p) * map.out_width + columns.first) * out;
            const int64_t row = image * map.height + map.stride * p + top;
            const float* v = x + (row * map.width + map.stride * columns.first + left) * in;
            for (int64_t q = columns.first; q < columns.last; ++q, g += out, v += map.stride * in) {
                typename Vector<L>::type values[R];
                for (int r = 0; r < R; ++r) values[r] = load_vector<L>(v + r * L);
                for (int o = 0; o < OUT; ++o) {
                    for (int r = 0; r < R; ++r) sums[o][r] += g[o] * values[r];
                }
            }
        }
    }
}

// Adds to kernel (out, side, side, in). A thread passes over one map with all taps of a row before it takes the next map,
// so that what it reads of the map, R · L and OUT channels of every pixel, stays in its cache.
template <int R>
void add_kernel(const float* const* grads, const float* const* xs, const Geometry* maps, float* kernel, int64_t count,
                int64_t in, int64_t out, int64_t side, int64_t threads) {
    const int64_t across = in / (R * L), tiles = out / OUT * across, taps = side * side;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t task = 0; task < tiles * side; ++task) {
        const int64_t tile = task / side, row = task % side;
        const int64_t o = tile / across * OUT, c = tile % across * R * L;
        for (int64_t map = 0; map < count; ++map) {
            for (int64_t column = 0; column < side; ++column) {
                typename Vector<L>::type sums[OUT][R] = {};
                add_products<R>(grads[map] + o, xs[map] + c, maps[map], row, column, in, out, sums);
                for (int i = 0; i < OUT; ++i) {
                    for (int r = 0; r < R; ++r) {
                        float* sum = kernel + ((o + i) * taps + row * side + column) * in + c + r * L;
                        store_vector<L>(sum, load_vector<L>(sum) + sums[i][r]);
                    }
                }
            }
        }
    }
}

// Adds to bias (out).
void add_bias(const float* const* grads, const Geometry* maps, float* bias, int64_t count, int64_t out, int64_t threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t o = 0; o < out; o += OUT) {
        float sums[OUT] = {};
        for (int64_t map = 0; map < count; ++map) {
            const int64_t pixels = maps[map].images * maps[map].out_height * maps[map].out_width;
            for (int64_t p = 0; p < pixels; ++p) {
                for (int i = 0; i < OUT; ++i) sums[i] += grads[map][p * out + o + i];
            }
        }
        for (int i = 0; i < OUT; ++i) bias[o + i] += sums[i];
    }
}

}  // namespace

// `out` is a multiple of OUT, `in` of L; bias may be null.
extern "C" void correlation_backward_float32(const float* const* grads, const float* const* xs, const int64_t* geometry,
                                             float* kernel, float* bias, int64_t count, int64_t in, int64_t out,
                                             int64_t side, int64_t threads) {
    std::vector<Geometry> maps(count);
    std::memcpy(maps.data(), geometry, count * sizeof(Geometry));
    if (in % (WIDE * L) == 0) {
        add_kernel<WIDE>(grads, xs, maps.data(), kernel, count, in, out, side, threads);
    } else {
        add_kernel<1>(grads, xs, maps.data(), kernel, count, in, out, side, threads);
    }
    if (bias != nullptr) add_bias(grads, maps.data(), bias, count, out, threads);
}
REGISTER(correlation_backward_float32)
