// Batch norm with ReLU on channels-last maps, one or several: normalisation.py says what is computed. A map is seen as
// pixels × channels. Sums are taken per block of pixels, so they do not depend on the number of threads.
#include "exports.h"

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
    over_registers(channels, [&](int64_t c, auto lanes, auto registers) {
        constexpr int L = decltype(lanes)::value, R = decltype(registers)::value;
        typename Vector<L>::type sum[R] = {}, squares[R] = {}, origin[R];
        for (int r = 0; r < R; ++r) origin[r] = load_vector<L>(shift + c + r * L);
        for (int64_t p = block.first; p < block.last; ++p) {
            const T* from = x + p * channels + c;
            for (int r = 0; r < R; ++r) {
                const auto d = load_vector<L>(from + r * L) - origin[r];
                sum[r] += d;
                squares[r] += d * d;
            }
        }
        for (int r = 0; r < R; ++r) {
            store_vector<L>(out + c + r * L, sum[r]);
            store_vector<L>(out + channels + c + r * L, squares[r]);
        }
    });
}

// What each channel has: mean and variance of the maps, which count alike, and a and b of batch norm as a x + b.
struct Facts {
    float *mean, *variance, *a, *b;
    Facts(float* values, int64_t channels)
        : mean(values), variance(mean + channels), a(variance + channels), b(a + channels) {}
};

// Summed is x − shift, a value of x, because squares of x itself might be much larger than the variance.
template <typename T>
void compute_facts(const T* const* x, const std::vector<Block>& blocks, const int64_t* pixels, const float* weight,
                   const float* bias, Facts facts, int64_t maps, int64_t channels, double eps, int64_t threads) {
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
        facts.mean[c] = first + shift[c];
        facts.variance[c] = second != second ? NAN : spread;  // which `max` would hide
        facts.a[c] = weight[c] / std::sqrt(facts.variance[c] + eps);
        facts.b[c] = bias[c] - facts.mean[c] * facts.a[c];
    }
}

// y = a x + b, then its positive part if `positive`; facts (4 × channels) are computed
template <typename T>
void normalise(const T* const* maps, T* const* outs, const int64_t* pixels, float* values, const float* weight,
               const float* bias, int64_t count, int64_t channels, int64_t positive, double eps, int64_t threads) {
    const std::vector<Block> blocks = blocks_of(pixels, count);
    const Facts facts(values, channels);
    compute_facts(maps, blocks, pixels, weight, bias, facts, count, channels, eps, threads);
    const float floor = positive ? 0.f : -INFINITY;
    over_blocks(blocks, threads, [&](Block block, int64_t) {
        const T* x = maps[block.map];
        T* y = outs[block.map];
        over_registers(channels, [&](int64_t c, auto lanes, auto registers) {
            constexpr int L = decltype(lanes)::value, R = decltype(registers)::value;
            typedef typename Vector<L>::type Values;
            Values slope[R], offset[R];
            for (int r = 0; r < R; ++r) {
                slope[r] = load_vector<L>(facts.a + c + r * L), offset[r] = load_vector<L>(facts.b + c + r * L);
            }
            for (int64_t p = block.first; p < block.last; ++p) {
                const int64_t place = p * channels + c;
                for (int r = 0; r < R; ++r) {
                    const Values value = load_vector<L>(x + place + r * L) * slope[r] + offset[r];
                    store_vector<L>(y + place + r * L, value < floor ? Values{} + floor : value);  // NaN stays
                }
            }
        });
    });
}

// out = Σ g, then Σ g (x − mean), g the gradient where a x + b is positive (everywhere unless `positive`)
template <typename T>
void add_products(const T* grad, const T* x, Facts facts, float* out, Block block, int64_t channels, int64_t positive) {
    const float floor = positive ? 0.f : -INFINITY;
    over_registers(channels, [&](int64_t c, auto lanes, auto registers) {
        constexpr int L = decltype(lanes)::value, R = decltype(registers)::value;
        typedef typename Vector<L>::type Values;
        Values sum[R] = {}, products[R] = {}, slope[R], offset[R], middle[R];
        for (int r = 0; r < R; ++r) {
            const int64_t start = c + r * L;
            slope[r] = load_vector<L>(facts.a + start), offset[r] = load_vector<L>(facts.b + start);
            middle[r] = load_vector<L>(facts.mean + start);
        }
        for (int64_t p = block.first; p < block.last; ++p) {
            const int64_t place = p * channels + c;
            for (int r = 0; r < R; ++r) {
                const Values value = load_vector<L>(x + place + r * L), all = load_vector<L>(grad + place + r * L);
                const Values g = value * slope[r] + offset[r] > floor ? all : Values{};
                sum[r] += g;
                products[r] += g * (value - middle[r]);
            }
        }
        for (int r = 0; r < R; ++r) {
            store_vector<L>(out + c + r * L, sum[r]);
            store_vector<L>(out + channels + c + r * L, products[r]);
        }
    });
}

// grad_x = a g + slope (x − mean) + offset, g as above
template <typename T>
void add_gradient(const T* grad, const T* x, T* grad_x, Facts facts, const float* slope, const float* offset, Block block,
                  int64_t channels, int64_t positive) {
    const float floor = positive ? 0.f : -INFINITY;
    over_registers(channels, [&](int64_t c, auto lanes, auto registers) {
        constexpr int L = decltype(lanes)::value, R = decltype(registers)::value;
        typedef typename Vector<L>::type Values;
        Values p0[R], p1[R], p2[R], p3[R], p4[R];
        for (int r = 0; r < R; ++r) {
            const int64_t start = c + r * L;
            p0[r] = load_vector<L>(facts.a + start), p1[r] = load_vector<L>(facts.b + start);
            p2[r] = load_vector<L>(facts.mean + start);
            p3[r] = load_vector<L>(slope + start), p4[r] = load_vector<L>(offset + start);
        }
        for (int64_t p = block.first; p < block.last; ++p) {
            const int64_t place = p * channels + c;
            for (int r = 0; r < R; ++r) {
                const Values value = load_vector<L>(x + place + r * L), all = load_vector<L>(grad + place + r * L);
                const Values g = value * p0[r] + p1[r] > floor ? all : Values{};
                store_vector<L>(grad_x + place + r * L, p0[r] * g + p3[r] * (value - p2[r]) + p4[r]);
            }
        }
    });
}

// The gradients of weight and bias first, then those of the maps, which reach x through mean and variance as well:
// there a value of a map counts 1 / (maps · pixels).
template <typename T>
void backward(const T* const* grads, const T* const* x, T* const* grad_x, const int64_t* pixels, float* values,
              float* grad_weight, float* grad_bias, int64_t maps, int64_t channels, int64_t positive, double eps,
              int64_t threads) {
    const std::vector<Block> blocks = blocks_of(pixels, maps);
    const Facts facts(values, channels);
    std::vector<float> parts(blocks.size() * 2 * channels), slope(maps * channels), offset(maps * channels);
    over_blocks(blocks, threads, [&](Block block, int64_t number) {
        add_products(grads[block.map], x[block.map], facts, parts.data() + number * 2 * channels, block, channels, positive);
    });
    const std::vector<double> sums = sums_of(blocks, parts, maps, 2 * channels);
    for (int64_t c = 0; c < channels; ++c) {
        double sum = 0, products = 0;
        for (int64_t map = 0; map < maps; ++map) {
            sum += sums[map * 2 * channels + c];
            products += sums[map * 2 * channels + channels + c];
        }
        const double inverse = 1 / std::sqrt(facts.variance[c] + eps);
        grad_bias[c] = sum;
        grad_weight[c] = products * inverse;
        for (int64_t map = 0; map < maps; ++map) {
            const double share = facts.a[c] / (static_cast<double>(maps) * pixels[map]);
            slope[map * channels + c] = -share * inverse * inverse * products;
            offset[map * channels + c] = -share * sum;
        }
    }
    over_blocks(blocks, threads, [&](Block block, int64_t) {
        const int64_t row = block.map * channels;
        add_gradient(grads[block.map], x[block.map], grad_x[block.map], facts, slope.data() + row, offset.data() + row, block,
                     channels, positive);
    });
}

EXPORT(normalise_float32, normalise<float>)
EXPORT(normalise_bfloat16, normalise<bfloat16>)
EXPORT(normalise_backward_float32, backward<float>)
EXPORT(normalise_backward_bfloat16, backward<bfloat16>)

}  // namespace
