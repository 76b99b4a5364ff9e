// Batch norm with ReLU on channels-last maps, one or several: normalisation.py says what is computed. A map is seen as
// pixels × channels. Sums are taken per block of pixels, so they do not depend on the number of threads.
#include "common.h"

namespace {

constexpr int64_t BLOCK = 512;  // pixels

struct Block { int64_t map, first, last; };  // pixels first … last − 1 of a map

std::vector<Block> blocks_of(const int64_t* pixels, int64_t maps) {
    std::vector<Block> blocks;
    for (int64_t map = 0; map < maps; ++map) {
        for (int64_t p = 0; p < pixels[map]; p += BLOCK) blocks.push_back({map, p, std::min(pixels[map], p + BLOCK)});
    }
    return blocks;
}

// Call f(block, number) for every block, in several threads.
template <typename F>
void over_blocks(const std::vector<Block>& blocks, int64_t threads, F f) {
    const int64_t count = static_cast<int64_t>(blocks.size());
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t number = 0; number < count; ++number) f(blocks[number], number);
}

// Of each map, the sums over its blocks of `width` numbers each.
std::vector<double> sums_of(const std::vector<Block>& blocks, const std::vector<float>& parts, int64_t maps,
                            int64_t width) {
    std::vector<double> sums(maps * width, 0.);
    for (size_t number = 0; number < blocks.size(); ++number) {
        double* sum = sums.data() + blocks[number].map * width;
        for (int64_t i = 0; i < width; ++i) sum[i] += parts[number * width + i];
    }
    return sums;
}

// out = Σ d, then Σ d², of each channel, d = x − shift
template <typename T>
void add_moments(const T* x, const float* shift, float* out, Block block, int64_t channels) {
    over_channels(channels, [&](int64_t c, auto width) {
        constexpr int W = decltype(width)::value;
        float sum[W] = {}, squares[W] = {}, origin[W];
        for (int i = 0; i < W; ++i) origin[i] = shift[c + i];
        for (int64_t p = block.first; p < block.last; ++p) {
            const T* from = x + p * channels + c;
            for (int i = 0; i < W; ++i) {
                const float d = load(from + i) - origin[i];
                sum[i] += d;
                squares[i] += d * d;
            }
        }
        for (int i = 0; i < W; ++i) out[c + i] = sum[i], out[channels + c + i] = squares[i];
    });
}

// Of each channel, mean and variance of the maps, which count alike, and a and b of batch norm as a x + b. Summed is
// x − shift, a value of x, because squares of x itself might be much larger than the variance.
template <typename T>
void statistics(const T* const* x, const std::vector<Block>& blocks, const int64_t* pixels, const float* weight,
                const float* bias, float* mean, float* variance, float* a, float* b, int64_t maps, int64_t channels,
                double eps, int64_t threads) {
    std::vector<float> shift(channels), parts(blocks.size() * 2 * channels);
    for (int64_t c = 0; c < channels; ++c) shift[c] = load(x[0] + c);
    over_blocks(blocks, threads, [&](Block block, int64_t number) {
        add_moments(x[block.map], shift.data(), parts.data() + number * 2 * channels, block, channels);
    });
    const std::vector<double> sums = sums_of(blocks, parts, maps, 2 * channels);
    for (int64_t c = 0; c < channels; ++c) {
        double first = 0, second = 0;  // Σ over maps of the means of d and d²
        for (int64_t map = 0; map < maps; ++map) {
            first += sums[map * 2 * channels + c] / (pixels[map] * maps);
            second += sums[map * 2 * channels + channels + c] / (pixels[map] * maps);
        }
        const double spread = std::max(0., second - first * first);
        mean[c] = first + shift[c];
        variance[c] = second != second ? NAN : spread;  // which `max` would hide
        a[c] = weight[c] / std::sqrt(variance[c] + eps);
        b[c] = bias[c] - mean[c] * a[c];
    }
}

// y = a x + b, then its positive part if `positive`
template <typename T>
void apply(const T* const* maps, T* const* outs, const std::vector<Block>& blocks, const float* a, const float* b,
           int64_t channels, int64_t positive, int64_t threads) {
    const float floor = positive ? 0.f : -INFINITY;
    over_blocks(blocks, threads, [&](Block block, int64_t) {
        const T* x = maps[block.map];
        T* y = outs[block.map];
        over_channels(channels, [&](int64_t c, auto width) {
            constexpr int W = decltype(width)::value;
            float slope[W], offset[W];
            for (int i = 0; i < W; ++i) slope[i] = a[c + i], offset[i] = b[c + i];
            for (int64_t p = block.first; p < block.last; ++p) {
                const int64_t place = p * channels + c;
                for (int i = 0; i < W; ++i) {
                    const float value = load(x + place + i) * slope[i] + offset[i];
                    store(y + place + i, value < floor ? floor : value);  // NaN stays
                }
            }
        });
    });
}

// out = Σ g, then Σ g (x − mean), g the gradient where a x + b is positive (everywhere unless `positive`)
template <typename T>
void add_products(const T* grad, const T* x, const float* a, const float* b, const float* mean, float* out, Block block,
                  int64_t channels, int64_t positive) {
    const float floor = positive ? 0.f : -INFINITY;
    over_channels(channels, [&](int64_t c, auto width) {
        constexpr int W = decltype(width)::value;
        float sum[W] = {}, products[W] = {}, slope[W], offset[W], middle[W];
        for (int i = 0; i < W; ++i) slope[i] = a[c + i], offset[i] = b[c + i], middle[i] = mean[c + i];
        for (int64_t p = block.first; p < block.last; ++p) {
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
}

// grad_x = a g + slope (x − mean) + offset, g as above
template <typename T>
void add_gradient(const T* grad, const T* x, T* grad_x, const float* a, const float* b, const float* mean,
                  const float* slope, const float* offset, Block block, int64_t channels, int64_t positive) {
    const float floor = positive ? 0.f : -INFINITY;
    over_channels(channels, [&](int64_t c, auto width) {
        constexpr int W = decltype(width)::value;
        float p0[W], p1[W], p2[W], p3[W], p4[W];
        for (int i = 0; i < W; ++i) {
            p0[i] = a[c + i], p1[i] = b[c + i], p2[i] = mean[c + i], p3[i] = slope[c + i], p4[i] = offset[c + i];
        }
        for (int64_t p = block.first; p < block.last; ++p) {
            const int64_t place = p * channels + c;
            for (int i = 0; i < W; ++i) {
                const float value = load(x + place + i);
                const float all = load(grad + place + i);
                const float g = value * p0[i] + p1[i] > floor ? all : 0.f;
                store(grad_x + place + i, p0[i] * g + p3[i] * (value - p2[i]) + p4[i]);
            }
        }
    });
}

// The gradients of weight and bias first, then those of the maps, which reach x through mean and variance as well:
// there a value of a map counts 1 / (maps · pixels).
template <typename T>
void backward(const T* const* grads, const T* const* x, T* const* grad_x, const int64_t* pixels, const float* mean,
              const float* variance, const float* a, const float* b, float* grad_weight, float* grad_bias, int64_t maps,
              int64_t channels, int64_t positive, double eps, int64_t threads) {
    const std::vector<Block> blocks = blocks_of(pixels, maps);
    std::vector<float> parts(blocks.size() * 2 * channels), slope(maps * channels), offset(maps * channels);
    over_blocks(blocks, threads, [&](Block block, int64_t number) {
        add_products(grads[block.map], x[block.map], a, b, mean, parts.data() + number * 2 * channels, block, channels,
                     positive);
    });
    const std::vector<double> sums = sums_of(blocks, parts, maps, 2 * channels);
    for (int64_t c = 0; c < channels; ++c) {
        double sum = 0, products = 0;
        for (int64_t map = 0; map < maps; ++map) {
            sum += sums[map * 2 * channels + c];
            products += sums[map * 2 * channels + channels + c];
        }
        const double inverse = 1 / std::sqrt(variance[c] + eps);
        grad_bias[c] = sum;
        grad_weight[c] = products * inverse;
        for (int64_t map = 0; map < maps; ++map) {
            const double share = a[c] / (static_cast<double>(maps) * pixels[map]);
            slope[map * channels + c] = -share * inverse * inverse * products;
            offset[map * channels + c] = -share * sum;
        }
    }
    over_blocks(blocks, threads, [&](Block block, int64_t) {
        const int64_t row = block.map * channels;
        add_gradient(grads[block.map], x[block.map], grad_x[block.map], a, b, mean, slope.data() + row,
                     offset.data() + row, block, channels, positive);
    });
}

}  // namespace

// facts: mean, variance, a and b, (4 × channels)
#define EXPORT(NAME, T)                                                                                                \
    extern "C" void normalise_##NAME(const T* const* x, T* const* y, const int64_t* pixels, float* facts,              \
                                     const float* weight, const float* bias, int64_t maps, int64_t channels,           \
                                     int64_t positive, double eps, int64_t threads) {                                  \
        const std::vector<Block> blocks = blocks_of(pixels, maps);                                                     \
        float *mean = facts, *variance = mean + channels, *a = variance + channels, *b = a + channels;                 \
        statistics(x, blocks, pixels, weight, bias, mean, variance, a, b, maps, channels, eps, threads);               \
        apply(x, y, blocks, a, b, channels, positive, threads);                                                        \
    }                                                                                                                  \
    extern "C" void normalise_apply_##NAME(const T* const* x, T* const* y, const int64_t* pixels, const float* a,      \
                                           const float* b, int64_t maps, int64_t channels, int64_t positive,           \
                                           int64_t threads) {                                                          \
        apply(x, y, blocks_of(pixels, maps), a, b, channels, positive, threads);                                       \
    }                                                                                                                  \
    extern "C" void normalise_backward_##NAME(const T* const* grads, const T* const* x, T* const* grad_x,              \
                                              const int64_t* pixels, const float* facts, float* grad_weight,           \
                                              float* grad_bias, int64_t maps, int64_t channels, int64_t positive,      \
                                              double eps, int64_t threads) {                                           \
        const float *mean = facts, *variance = mean + channels, *a = variance + channels, *b = a + channels;           \
        backward(grads, x, grad_x, pixels, mean, variance, a, b, grad_weight, grad_bias, maps, channels, positive,     \
                 eps, threads);                                                                                        \
    }

EXPORT(float32, float)
EXPORT(bfloat16, bfloat16)
