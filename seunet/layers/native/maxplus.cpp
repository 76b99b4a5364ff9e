// Two-dimensional max-plus convolution with a parabola, row by row then column by column, and its backward pass, on
// channels-last maps. The arithmetic is that of maxplus.py, operation by operation, so both give the same bits in
// float32.
#include "common.h"

namespace {

constexpr int64_t BLOCK = 64;  // values whose maximum is kept in registers while all taps pass

// 0, 1, 2, 3, 4, … ↦ 0, −1, 1, −2, 2, …
inline int64_t tap_of(int64_t order) { return order % 2 ? -(order + 1) / 2 : order / 2; }

// out(i) = max over k of row(origin + step k)(i) − penalty(i) k²; the tap that won
template <typename T, typename P>
void best_row(const T* x, const float* penalty, float* out, P* taps, int64_t length, int64_t rows, int64_t origin,
              int64_t step, int64_t radius) {
    for (int64_t start = 0; start < length; start += BLOCK) {
        const int64_t count = std::min(BLOCK, length - start);
        float value[BLOCK];
        int32_t winner[BLOCK];
        for (int64_t i = 0; i < count; ++i) {
            value[i] = load(x + origin * length + start + i);
            winner[i] = 0;
        }
        for (int64_t order = 1; order <= 2 * radius; ++order) {
            const int64_t tap = tap_of(order), row = origin + step * tap;
            if (row < 0 || row >= rows) continue;
            const T* source = x + row * length + start;
            const float square = static_cast<float>(tap * tap);
            const int32_t number = static_cast<int32_t>(tap);
            for (int64_t i = 0; i < count; ++i) {
                const float candidate = load(source + i) - penalty[start + i] * square;
                winner[i] = candidate > value[i] ? number : winner[i];
                value[i] = candidate > value[i] ? candidate : value[i];
            }
        }
        for (int64_t i = 0; i < count; ++i) {
            out[start + i] = value[i];
            taps[start + i] = static_cast<P>(winner[i]);
        }
    }
}

// The same along a row of pixels, at the output column `origin` / stride; both taps of the winner are kept.
template <typename T, typename P>
void best_column(const float* row, const P* row_taps, const float* penalty, T* best, P* rows, P* columns,
                 int64_t width, int64_t channels, int64_t origin, int64_t step, int64_t radius) {
    over_channels(channels, [&](int64_t c, auto constant) {
        constexpr int W = decltype(constant)::value;
        float value[W], cost[W];
        int32_t winner[W];
        for (int i = 0; i < W; ++i) {
            value[i] = row[origin * channels + c + i];
            cost[i] = penalty[c + i];
            winner[i] = 0;
        }
        for (int64_t order = 1; order <= 2 * radius; ++order) {
            const int64_t tap = tap_of(order), column = origin + step * tap;
            if (column < 0 || column >= width) continue;
            const float* source = row + column * channels + c;
            const float square = static_cast<float>(tap * tap);
            const int32_t number = static_cast<int32_t>(tap);
            for (int i = 0; i < W; ++i) {
                const float candidate = source[i] - cost[i] * square;
                winner[i] = candidate > value[i] ? number : winner[i];
                value[i] = candidate > value[i] ? candidate : value[i];
            }
        }
        for (int i = 0; i < W; ++i) {
            store(best + c + i, value[i]);
            columns[c + i] = static_cast<P>(winner[i]);
            rows[c + i] = row_taps[(origin + step * winner[i]) * channels + c + i];
        }
    });
}

template <typename T, typename P>
void dilate(const T* x, const float* penalty, T* best, P* rows, P* columns, int64_t images, int64_t height,
            int64_t width, int64_t channels, int64_t out_height, int64_t out_width, int64_t stride, int64_t step,
            int64_t radius, int64_t threads) {
    const int64_t length = width * channels;
    std::vector<float> penalties(length);
    for (int64_t i = 0; i < length; ++i) penalties[i] = penalty[i % channels];
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> row(length);
        std::vector<P> taps(length);
#pragma omp for schedule(static)
        for (int64_t line = 0; line < images * out_height; ++line) {
            best_row(x + line / out_height * height * length, penalties.data(), row.data(), taps.data(), length, height,
                     line % out_height * stride, step, radius);
            for (int64_t q = 0; q < out_width; ++q) {
                const int64_t place = (line * out_width + q) * channels;
                best_column(row.data(), taps.data(), penalty, best + place, rows + place, columns + place, width,
                            channels, q * stride, step, radius);
            }
        }
    }
}

// grad_x comes as float32 zeros, even for bfloat16: several outputs may add to one input. Channels share nothing, so
// threads take channels; squares (images, channels) receives Σ g (k² + l²).
template <typename T, typename P>
void scatter(const T* grad, const P* rows, const P* columns, float* grad_x, float* squares, int64_t images,
             int64_t height, int64_t width, int64_t channels, int64_t out_height, int64_t out_width, int64_t stride,
             int64_t step, int64_t threads) {
    constexpr int64_t GROUP = 16;
    const int64_t groups = (channels + GROUP - 1) / GROUP;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t part = 0; part < images * groups; ++part) {
        const int64_t image = part / groups, first = part % groups * GROUP, last = std::min(channels, first + GROUP);
        float* target = grad_x + image * height * width * channels;
        float sums[GROUP] = {};
        for (int64_t pixel = 0; pixel < out_height * out_width; ++pixel) {
            const int64_t row = pixel / out_width * stride, column = pixel % out_width * stride;
            const int64_t place = (image * out_height * out_width + pixel) * channels;
            for (int64_t c = first; c < last; ++c) {
                const float g = load(grad + place + c);
                const int64_t k = rows[place + c], l = columns[place + c];
                target[((row + step * k) * width + column + step * l) * channels + c] += g;
                sums[c - first] += g * static_cast<float>(k * k + l * l);
            }
        }
        for (int64_t c = first; c < last; ++c) squares[image * channels + c] = sums[c - first];
    }
}

}  // namespace

#define EXPORT(NAME, T, P)                                                                                             \
    extern "C" void dilate_##NAME(const T* x, const float* penalty, T* best, P* rows, P* columns, int64_t images,      \
                                  int64_t height, int64_t width, int64_t channels, int64_t out_height,                 \
                                  int64_t out_width, int64_t stride, int64_t step, int64_t radius, int64_t threads) {  \
        dilate(x, penalty, best, rows, columns, images, height, width, channels, out_height, out_width, stride, step,  \
               radius, threads);                                                                                       \
    }                                                                                                                  \
    extern "C" void dilate_backward_##NAME(const T* grad, const P* rows, const P* columns, float* grad_x,              \
                                           float* squares, int64_t images, int64_t height, int64_t width,              \
                                           int64_t channels, int64_t out_height, int64_t out_width, int64_t stride,    \
                                           int64_t step, int64_t threads) {                                            \
        scatter(grad, rows, columns, grad_x, squares, images, height, width, channels, out_height, out_width, stride,  \
                step, threads);                                                                                        \
    }

EXPORT(float32_int8, float, int8_t)
EXPORT(float32_int16, float, int16_t)
EXPORT(bfloat16_int8, bfloat16, int8_t)
EXPORT(bfloat16_int16, bfloat16, int16_t)
