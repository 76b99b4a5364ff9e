// The gradient of the weights of a dilated correlation on channels-last maps: dilated.py says what is computed.
// Only pixels that a tap reaches are read.
#pragma GCC optimize("fp-contract=fast")  // here nothing has to have the bits of torch
#include "common.h"

namespace {

constexpr int OUT = 8, IN = 32, L = 16;  // output and input channels whose sums are held in registers, and a register

// The outputs p, from first to last − 1, whose input stride·p + offset lies in [0, length).
struct Range {
    int64_t first, last;
    Range(int64_t outputs, int64_t length, int64_t stride, int64_t offset)
        : first(offset < 0 ? (-offset + stride - 1) / stride : 0),
          last(offset < length ? std::min(outputs, (length - 1 - offset) / stride + 1) : 0) {}
};

// sum[o][c] = Σ grad[p][o] x[stride·p + offset][c] over images and outputs in `rows` × `columns`
inline void add_products(const float* grad, const float* x, float* sum, int64_t sum_stride, Range rows, Range columns,
                         int64_t row_offset, int64_t column_offset, int64_t images, int64_t height, int64_t width,
                         int64_t in, int64_t out_height, int64_t out_width, int64_t out, int64_t stride) {
    typedef Vector<L>::type Values;
    constexpr int R = IN / L;
    Values sums[OUT][R] = {};
    for (int64_t image = 0; image < images; ++image) {
        for (int64_t p = rows.first; p < rows.last; ++p) {
            const float* g = grad + ((image * out_height + p) * out_width + columns.first) * out;
            const int64_t row = image * height + stride * p + row_offset;
            const float* v = x + (row * width + stride * columns.first + column_offset) * in;
            for (int64_t q = columns.first; q < columns.last; ++q, g += out, v += stride * in) {
                Values values[R];
                for (int r = 0; r < R; ++r) values[r] = load_vector<L>(v + r * L);
                for (int o = 0; o < OUT; ++o) {
                    for (int r = 0; r < R; ++r) sums[o][r] += g[o] * values[r];
                }
            }
        }
    }
    for (int o = 0; o < OUT; ++o) {
        for (int r = 0; r < R; ++r) store_vector<L>(sum + o * sum_stride + r * L, sums[o][r]);
    }
}

}  // namespace

// grad (images, out_height, out_width, out), x (images, height, width, in), kernel (out, side, side, in); out and in are
// multiples of OUT and IN.
extern "C" void correlation_weights_float32(const float* grad, const float* x, float* kernel, int64_t images,
                                            int64_t height, int64_t width, int64_t in, int64_t out_height,
                                            int64_t out_width, int64_t out, int64_t side, int64_t stride, int64_t step,
                                            int64_t threads) {
    const int64_t across = in / IN, tiles = out / OUT * across;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t o = tile / across * OUT, c = tile % across * IN;
        for (int64_t tap = 0; tap < side * side; ++tap) {
            const int64_t down = step * (tap / side - side / 2), right = step * (tap % side - side / 2);
            add_products(grad + o, x + c, kernel + (o * side * side + tap) * in + c, side * side * in,
                         Range(out_height, height, stride, down), Range(out_width, width, stride, right), down, right,
                         images, height, width, in, out_height, out_width, out, stride);
        }
    }
}
