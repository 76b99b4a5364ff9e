// Two-dimensional max-plus convolution with a parabola, row by row then column by column, on channels-last maps. The
// arithmetic is that of maxplus.py, operation by operation, so both give the same bits in float32.
#include "exports.h"

namespace {

// penalty[c] k² for k = 0 … radius; the channels are repeated, so that a register may begin at any of them.
struct Penalties {
    int64_t channels, length;
    std::vector<float> values;

    Penalties(const float* penalty, int64_t channels, int64_t radius)
        : channels(channels), length(channels + WIDEST), values((radius + 1) * length) {
        for (int64_t k = 0; k <= radius; ++k) {
            const float square = static_cast<float>(k * k);
            for (int64_t i = 0; i < length; ++i) values[k * length + i] = penalty[i % channels] * square;
        }
    }
    // for the channels from that of the i-th number of a row on
    const float* from(int64_t i) const { return values.data() + i % channels; }
};

// For each of `total` neighbouring numbers i, the maximum over k of source(k)[i] − penalty k², k from −below to above,
// and the tap that won, go to keep. As many numbers as registers hold stay there while all taps pass. Taps k and −k
// have the same penalty: only the larger number of both pays it.
template <typename Source, typename Keep>
inline void best_of(Source source, const Penalties& penalties, int64_t total, int64_t below, int64_t above, Keep keep) {
    const int64_t both = std::min(below, above), last = std::max(below, above), side = above > below ? 1 : -1;
    over_registers(total, [&](int64_t start, auto lanes, auto registers) {
        constexpr int L = decltype(lanes)::value, R = decltype(registers)::value;
        typedef typename Vector<L>::type Values;
        const float* penalty = penalties.from(start);
        Values value[R], winner[R] = {};
        for (int r = 0; r < R; ++r) value[r] = load_vector<L>(source(0) + start + r * L);
        const auto compare = [&](int r, Values x, int64_t k, Values tap) {
            const Values candidate = x - load_vector<L>(penalty + k * penalties.length + r * L);
            winner[r] = candidate > value[r] ? tap : winner[r];
            value[r] = candidate > value[r] ? candidate : value[r];
        };
        for (int64_t k = 1; k <= both; ++k) {
            const auto *before = source(-k) + start, *behind = source(k) + start;
            const Values number = Values{} + static_cast<float>(k);
            for (int r = 0; r < R; ++r) {
                const Values a = load_vector<L>(before + r * L), b = load_vector<L>(behind + r * L);
                compare(r, b > a ? b : a, k, b > a ? number : -number);
            }
        }
        for (int64_t k = both + 1; k <= last; ++k) {
            const auto* row = source(side * k) + start;
            const Values number = Values{} + static_cast<float>(side * k);
            for (int r = 0; r < R; ++r) compare(r, load_vector<L>(row + r * L), k, number);
        }
        for (int r = 0; r < R; ++r) keep(start + r * L, std::integral_constant<int, L>{}, value[r], winner[r]);
    });
}

// A row of pixels, its columns sorted by their remainder of `stride`, so that those that a tap reads for neighbouring
// outputs are neighbours; beyond its ends lies −∞.
struct SortedRow {
    int64_t stride, channels, margin, length;  // length: of the columns of one remainder, in numbers
    std::vector<float> values;
    std::vector<const float*> taps;  // what the taps −radius … radius read for the first output

    SortedRow(int64_t stride, int64_t channels, int64_t outputs, int64_t step, int64_t radius)
        : stride(stride), channels(channels), margin(step * radius / stride + 1),
          length((outputs + 2 * margin) * channels), values(stride * length, -INFINITY) {
        for (int64_t tap = -radius; tap <= radius; ++tap) {
            const int64_t column = step * tap, remainder = (column % stride + stride) % stride;
            taps.push_back(first(remainder) + (column - remainder) / stride * channels);
        }
    }
    float* first(int64_t remainder) { return values.data() + remainder * length + margin * channels; }

    void fill(const float* row, int64_t width) {
        for (int64_t remainder = 0; remainder < stride; ++remainder) {
            float* out = first(remainder);
            for (int64_t column = remainder; column < width; column += stride, out += channels) {
                std::copy_n(row + column * channels, channels, out);
            }
        }
    }
};

// rows and columns receive the taps, unless both are null
template <typename T, typename P>
void dilate(const T* x, const float* penalty, T* best, P* rows, P* columns, int64_t images, int64_t height,
            int64_t width, int64_t channels, int64_t out_height, int64_t out_width, int64_t stride, int64_t step,
            int64_t radius, int64_t threads) {
    const int64_t length = width * channels;
    const Penalties penalties(penalty, channels, radius);
#pragma omp parallel num_threads(threads)
    {
        std::vector<float> row(length);
        std::vector<P> taps(length);
        SortedRow sorted(stride, channels, out_width, step, radius);
#pragma omp for schedule(static)
        for (int64_t line = 0; line < images * out_height; ++line) {
            const int64_t origin = line % out_height * stride;
            const T* middle = x + (line / out_height * height + origin) * length;
            best_of([&](int64_t tap) { return middle + step * tap * length; }, penalties, length,
                    std::min(radius, origin / step), std::min(radius, (height - 1 - origin) / step),
                    [&](int64_t i, auto lanes, auto value, auto tap) {
                        store_vector<decltype(lanes)::value>(row.data() + i, value);
                        if (rows != nullptr) store_integers<decltype(lanes)::value>(taps.data() + i, tap);
                    });
            sorted.fill(row.data(), width);
            const int64_t place = line * out_width * channels;
            best_of([&](int64_t tap) { return sorted.taps[radius + tap]; }, penalties, out_width * channels, radius,
                    radius, [&](int64_t i, auto lanes, auto value, auto tap) {
                        store_vector<decltype(lanes)::value>(best + place + i, value);
                        if (rows != nullptr) store_integers<decltype(lanes)::value>(columns + place + i, tap);
                    });
            if (rows == nullptr) continue;
            for (int64_t q = 0; q < out_width; ++q) {
                const P* column = columns + place + q * channels;
                const P* tap = taps.data() + q * stride * channels;
                P* out = rows + place + q * channels;
                for (int64_t c = 0; c < channels; ++c) out[c] = tap[step * channels * column[c] + c];
            }
        }
    }
}

EXPORT(dilate_float32_int8, dilate<float, int8_t>)
EXPORT(dilate_float32_int16, dilate<float, int16_t>)
EXPORT(dilate_bfloat16_int8, dilate<bfloat16, int8_t>)
EXPORT(dilate_bfloat16_int16, dilate<bfloat16, int16_t>)

}  // namespace
