// Batch norm with ReLU on a channels-last map, seen as `pixels` × `channels`: normalisation.py says what is computed.
// Sums are taken per block of pixels, so they do not depend on the number of threads.
#include "common.h"

namespace {

// Call f(block, first, last) for every block of `size` pixels, in several threads.
template <typename F>
inline void over_blocks(int64_t pixels, int64_t size, int64_t threads, F f) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < (pixels + size - 1) / size; ++block) {
        f(block, block * size, std::min(pixels, (block + 1) * size));
    }
}

// sums[block] = (Σ d, Σ d²) of each channel, d = x − shift
template <typename T>
void moments(const T* x, const float* shift, float* sums, int64_t pixels, int64_t channels, int64_t size,
             int64_t threads) {
    over_blocks(pixels, size, threads, [&](int64_t block, int64_t first, int64_t last) {
        float* out = sums + block * 2 * channels;
        over_channels(channels, [&](int64_t c, auto width) {
            constexpr int W = decltype(width)::value;
            float sum[W] = {}, squares[W] = {}, origin[W];
            for (int i = 0; i < W; ++i) origin[i] = shift[c + i];
            for (int64_t p = first; p < last; ++p) {
                const T* from = x + p * channels + c;
                for (int i = 0; i < W; ++i) {
                    const float d = load(from + i) - origin[i];
                    sum[i] += d;
                    squares[i] += d * d;
                }
            }
            for (int i = 0; i < W; ++i) out[c + i] = sum[i], out[channels + c + i] = squares[i];
        });
    });
}

// y = a x + b, then its positive part if `positive`
template <typename T>
void apply(const T* x, const float* a, const float* b, T* y, int64_t pixels, int64_t channels, int64_t positive,
           int64_t size, int64_t threads) {
    const float floor = positive ? 0.f : -INFINITY;
    over_blocks(pixels, size, threads, [&](int64_t, int64_t first, int64_t last) {
        over_channels(channels, [&](int64_t c, auto width) {
            constexpr int W = decltype(width)::value;
            float slope[W], offset[W];
            for (int i = 0; i < W; ++i) slope[i] = a[c + i], offset[i] = b[c + i];
            for (int64_t p = first; p < last; ++p) {
                const int64_t place = p * channels + c;
                for (int i = 0; i < W; ++i) {
                    const float value = load(x + place + i) * slope[i] + offset[i];
                    store(y + place + i, value < floor ? floor : value);  // NaN stays
                }
            }
        });
    });
}

// sums[block] = (Σ g, Σ g d), d = x − mean, g the gradient where a x + b is positive (everywhere unless `positive`)
template <typename T>
void reduce(const T* grad, const T* x, const float* a, const float* b, const float* mean, float* sums, int64_t pixels,
            int64_t channels, int64_t positive, int64_t size, int64_t threads) {
    const float floor = positive ? 0.f : -INFINITY;
    over_blocks(pixels, size, threads, [&](int64_t block, int64_t first, int64_t last) {
        float* out = sums + block * 2 * channels;
        over_channels(channels, [&](int64_t c, auto width) {
            constexpr int W = decltype(width)::value;
            float sum[W] = {}, products[W] = {}, slope[W], offset[W], middle[W];
            for (int i = 0; i < W; ++i) slope[i] = a[c + i], offset[i] = b[c + i], middle[i] = mean[c + i];
            for (int64_t p = first; p < last; ++p) {
                const int64_t place = p * channels + c;
                for (int i = 0; i < W; ++i) {
                    const float value = load(x + place + i);
                    const float all = load(grad + place + i);
                    const float g = value * slope[i] + offset[i] > floor ? all : 0.f;
                    sum[i] += g;
                    products[i] += g * (value - middle[i]);
                }
            }
            for (int i = 0; i < W; ++i) out[c + i] = sum[i], out[channels + c + i] = products[i];
        });
    });
}

// grad_x = a g + slope (x − mean) + offset, g as above
template <typename T>
void backward(const T* grad, const T* x, const float* a, const float* b, const float* mean, const float* slope,
              const float* offset, T* grad_x, int64_t pixels, int64_t channels, int64_t positive, int64_t size, int64_t threads) {
    const float floor = positive ? 0.f : -INFINITY;
    over_blocks(pixels, size, threads, [&](int64_t, int64_t first, int64_t last) {
        over_channels(channels, [&](int64_t c, auto width) {
            constexpr int W = decltype(width)::value;
            float p0[W], p1[W], p2[W], p3[W], p4[W];
            for (int i = 0; i < W; ++i) {
                p0[i] = a[c + i], p1[i] = b[c + i], p2[i] = mean[c + i], p3[i] = slope[c + i], p4[i] = offset[c + i];
            }
            for (int64_t p = first; p < last; ++p) {
                const int64_t place = p * channels + c;
                for (int i = 0; i < W; ++i) {
                    const float value = load(x + place + i);
                    const float all = load(grad + place + i);
                    const float g = value * p0[i] + p1[i] > floor ? all : 0.f;
                    store(grad_x + place + i, p0[i] * g + p3[i] * (value - p2[i]) + p4[i]);
                }
            }
        });
    });
}

}  // namespace

#define EXPORT(NAME, T)                                                                                                \
    extern "C" void moments_##NAME(const T* x, const float* shift, float* sums, int64_t pixels, int64_t channels,      \
                                   int64_t size, int64_t threads) {                                                    \
        moments(x, shift, sums, pixels, channels, size, threads);                                                      \
    }                                                                                                                  \
    extern "C" void normalise_##NAME(const T* x, const float* a, const float* b, T* y, int64_t pixels,                 \
                                     int64_t channels, int64_t positive, int64_t size, int64_t threads) {              \
        apply(x, a, b, y, pixels, channels, positive, size, threads);                                                  \
    }                                                                                                                  \
    extern "C" void normalise_reduce_##NAME(const T* grad, const T* x, const float* a, const float* b,                 \
                                            const float* mean, float* sums, int64_t pixels, int64_t channels,          \
                                            int64_t positive, int64_t size, int64_t threads) {                         \
        reduce(grad, x, a, b, mean, sums, pixels, channels, positive, size, threads);                                  \
    }                                                                                                                  \
    extern "C" void normalise_backward_##NAME(const T* grad, const T* x, const float* a, const float* b,               \
                                              const float* mean, const float* slope, const float* offset, T* grad_x,   \
                                              int64_t pixels, int64_t channels, int64_t positive, int64_t size,        \
                                              int64_t threads) {                                                       \
        backward(grad, x, a, b, mean, slope, offset, grad_x, pixels, channels, positive, size, threads);               \
    }

EXPORT(float32, float)
EXPORT(bfloat16, bfloat16)
