// Linear interpolation of channels-last maps along both axes, added to a map or in a maximum over maps, and backward.
// interpolation.py says what is computed. Output i of an axis reads inputs first[i] and second[i], with the weights
// 1 − weight[i] and weight[i]. These tables come as three arrays, of the rows and then the columns of each map.
#include "exports.h"

namespace {

struct Axis { const int32_t* first; const int32_t* second; const float* weight; };

// One output row, before the columns: the blend of two input rows, (columns × channels).
template <typename T>
void blend_rows(const T* x, Axis y, int64_t row, int64_t length, float* out) {
    const T* a = x + y.first[row] * length;
    const T* b = x + y.second[row] * length;
    const float w = y.weight[row];
    if (w == 0.f) {
        for (int64_t i = 0; i < length; ++i) out[i] = load(a + i);
    } else {
        for (int64_t i = 0; i < length; ++i) out[i] = load(a + i) + w * (load(b + i) - load(a + i));
    }
}

// z = y + up(x), or its positive part; x (images, h, w, channels), y and z (images, height, width, channels)
template <typename T>
void add(const T* x, const T* y, T* z, const int32_t* const* firsts, const int32_t* const* seconds,
         const float* const* weights, int64_t images, int64_t h, int64_t w, int64_t height, int64_t width, int64_t channels,
         int64_t positive, int64_t threads) {
    const float floor = positive ? 0.f : -INFINITY;
    const Axis rows{firsts[0], seconds[0], weights[0]}, columns{firsts[1], seconds[1], weights[1]};
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> blended(w * channels);
#pragma omp for schedule(static)
        for (int64_t line = 0; line < images * height; ++line) {
            blend_rows(x + line / height * h * w * channels, rows, line % height, w * channels, blended.data());
            for (int64_t j = 0; j < width; ++j) {
                const float* p = blended.data() + columns.first[j] * channels;
                const float* q = blended.data() + columns.second[j] * channels;
                const int64_t place = (line * width + j) * channels;
                const float weight = columns.weight[j];
                over_channels(channels, [&](int64_t c, auto constant) {
                    for (int i = 0; i < decltype(constant)::value; ++i) {
                        const float value = p[c + i] + weight * (q[c + i] - p[c + i]) + load(y + place + c + i);
                        store(z + place + c + i, value < floor ? floor : value);  // NaN stays
                    }
                });
            }
        }
    }
}

// best = max over maps of keep · up(x); place: the first map that has it. Sizes h, w and axes differ between maps.
template <typename T>
void maximum(const T* const* maps, const float* keep, const int64_t* sizes, const int32_t* const* firsts,
             const int32_t* const* seconds, const float* const* weights, T* best, int8_t* place, int64_t count,
             int64_t images, int64_t height, int64_t width, int64_t channels, int64_t threads) {
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> blended, highest(width * channels), winner(width * channels);
#pragma omp for schedule(static)
        for (int64_t line = 0; line < images * height; ++line) {
            const int64_t image = line / height;
            for (int64_t s = 0; s < count; ++s) {
                const int64_t h = sizes[2 * s], w = sizes[2 * s + 1];
                const Axis rows{firsts[2 * s], seconds[2 * s], weights[2 * s]};
                const Axis columns{firsts[2 * s + 1], seconds[2 * s + 1], weights[2 * s + 1]};
                const float* factor = keep + (s * images + image) * channels;
                blended.resize(w * channels);
                blend_rows(maps[s] + image * h * w * channels, rows, line % height, w * channels, blended.data());
                for (int64_t j = 0; j < width; ++j) {
                    const float* p = blended.data() + columns.first[j] * channels;
                    const float* q = blended.data() + columns.second[j] * channels;
                    const float weight = columns.weight[j];
                    over_vectors(channels, [&](int64_t c, auto lanes) {
                        constexpr int L = decltype(lanes)::value;
                        typedef typename Vector<L>::type Values;
                        float *top = highest.data() + j * channels + c, *number = winner.data() + j * channels + c;
                        const Values a = load_vector<L>(p + c), b = load_vector<L>(q + c);
                        const Values value = (a + weight * (b - a)) * load_vector<L>(factor + c);
                        const Values before = s == 0 ? value : load_vector<L>(top);
                        const Values owner = s == 0 ? Values{} : load_vector<L>(number);
                        store_vector<L>(top, value > before ? value : before);
                        store_vector<L>(number, value > before ? Values{} + static_cast<float>(s) : owner);
                    });
                }
            }
            const int64_t start = line * width * channels;
            over_vectors(width * channels, [&](int64_t i, auto lanes) {
                constexpr int L = decltype(lanes)::value;
                store_vector<L>(best + start + i, load_vector<L>(highest.data() + i));
                store_integers<L>(place + start + i, load_vector<L>(winner.data() + i));
            });
        }
    }
}

// grad_x: the transpose of up on a gradient (images, height, width, channels). With a place, only where that is
// `number`, times keep. Each input row gathers from the output rows first_row[r] … last_row[r] − 1.
template <typename T>
void transpose(const T* grad, const int8_t* place, const float* keep, T* grad_x, const int32_t* const* firsts,
               const int32_t* const* seconds, const float* const* weights, const int32_t* first_row,
               const int32_t* last_row, int64_t number, int64_t images, int64_t h, int64_t w, int64_t height,
               int64_t width, int64_t channels, int64_t threads) {
    const Axis rows{firsts[0], seconds[0], weights[0]}, columns{firsts[1], seconds[1], weights[1]};
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> gathered(width * channels), line(w * channels);
#pragma omp for schedule(static)
        for (int64_t r = 0; r < images * h; ++r) {
            const int64_t image = r / h, row = r % h, length = width * channels;
            std::fill(gathered.begin(), gathered.end(), 0.f);
            std::fill(line.begin(), line.end(), 0.f);
            for (int64_t i = first_row[row]; i < last_row[row]; ++i) {
                const float weight =
                    (rows.first[i] == row ? 1.f - rows.weight[i] : 0.f) + (rows.second[i] == row ? rows.weight[i] : 0.f);
                const T* g = grad + (image * height + i) * length;
                if (place == nullptr) {
                    for (int64_t k = 0; k < length; ++k) gathered[k] += weight * load(g + k);
                } else {
                    const int8_t* winner = place + (image * height + i) * length;
                    const int8_t mine = static_cast<int8_t>(number);
                    for (int64_t k = 0; k < length; ++k) {
                        const float all = weight * load(g + k);
                        gathered[k] += winner[k] == mine ? all : 0.f;
                    }
                }
            }
            for (int64_t j = 0; j < width; ++j) {
                const float* g = gathered.data() + j * channels;
                float* p = line.data() + columns.first[j] * channels;
                float* q = line.data() + columns.second[j] * channels;
                const float weight = columns.weight[j];
                over_channels(channels, [&](int64_t c, auto constant) {
                    for (int i = 0; i < decltype(constant)::value; ++i) p[c + i] += (1.f - weight) * g[c + i];
                    if (weight != 0.f) {
                        for (int i = 0; i < decltype(constant)::value; ++i) q[c + i] += weight * g[c + i];
                    }
                });
            }
            T* out = grad_x + r * w * channels;
            for (int64_t j = 0; j < w; ++j) {
                for (int64_t c = 0; c < channels; ++c) {
                    const float factor = keep == nullptr ? 1.f : keep[image * channels + c];
                    store(out + j * channels + c, line[j * channels + c] * factor);
                }
            }
        }
    }
}

EXPORT(interpolate_add_float32, add<float>)
EXPORT(interpolate_add_bfloat16, add<bfloat16>)
EXPORT(interpolate_maximum_float32, maximum<float>)
EXPORT(interpolate_maximum_bfloat16, maximum<bfloat16>)
EXPORT(interpolate_transpose_float32, transpose<float>)
EXPORT(interpolate_transpose_bfloat16, transpose<bfloat16>)

}  // namespace
