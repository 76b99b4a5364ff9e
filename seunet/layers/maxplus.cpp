// One-dimensional max-plus convolution with a parabola, and its backward pass, on maps (outer, length, inner).
// Compiled by native.py. The arithmetic is that of maxplus.py, operation by operation, so both give the same bits
// in float32. Channels lie innermost, so the loop over `inner` runs over neighbouring memory.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace {

constexpr int64_t BLOCK = 64;  // values whose maximum is kept in registers while all taps pass

inline float load(const float* p) { return *p; }
inline void store(float* p, float v) { *p = v; }

struct bfloat16 { uint16_t bits; };
inline float load(const bfloat16* p) {
    uint32_t wide = static_cast<uint32_t>(p->bits) << 16;
    float value;
    std::memcpy(&value, &wide, 4);
    return value;
}
inline void store(bfloat16* p, float v) {  // to the nearest, ties to even
    uint32_t wide;
    std::memcpy(&wide, &v, 4);
    p->bits = static_cast<uint16_t>(std::isnan(v) ? 0x7fc0 : (wide + 0x7fff + ((wide >> 16) & 1)) >> 16);
}

// 0, 1, 2, 3, 4, … ↦ 0, −1, 1, −2, 2, …
inline int64_t tap_of(int64_t order) { return order % 2 ? -(order + 1) / 2 : order / 2; }

template <typename T, typename P>
void maximum(const T* x, const float* penalty, T* best, P* place, int64_t outer, int64_t length, int64_t inner,
             int64_t outputs, int64_t stride, int64_t step, int64_t radius) {
    for (int64_t row = 0; row < outer * outputs; ++row) {
        const T* line = x + row / outputs * length * inner;
        const int64_t origin = row % outputs * stride;
        for (int64_t start = 0; start < inner; start += BLOCK) {
            const int64_t count = std::min(BLOCK, inner - start);
            float value[BLOCK];
            int32_t winner[BLOCK];
            for (int64_t i = 0; i < count; ++i) {
                value[i] = load(line + origin * inner + start + i);
                winner[i] = 0;
            }
            for (int64_t order = 1; order <= 2 * radius; ++order) {
                const int64_t tap = tap_of(order), place_of_tap = origin + step * tap;
                if (place_of_tap < 0 || place_of_tap >= length) continue;
                const T* source = line + place_of_tap * inner + start;
                const float square = static_cast<float>(tap * tap);
                const int32_t number = static_cast<int32_t>(order);
                for (int64_t i = 0; i < count; ++i) {
                    const float candidate = load(source + i) - penalty[start + i] * square;
                    winner[i] = candidate > value[i] ? number : winner[i];
                    value[i] = candidate > value[i] ? candidate : value[i];
                }
            }
            for (int64_t i = 0; i < count; ++i) {
                store(best + row * inner + start + i, value[i]);
                place[row * inner + start + i] = static_cast<P>(winner[i]);
            }
        }
    }
}

// grad_x comes as float32 zeros, even for bfloat16: several outputs may add to one input
template <typename T, typename P>
void scatter(const T* grad, const P* place, float* grad_x, float* squares, int64_t outer, int64_t length, int64_t inner,
             int64_t outputs, int64_t stride, int64_t step) {
    for (int64_t row = 0; row < outer * outputs; ++row) {
        const int64_t o = row / outputs, origin = row % outputs * stride;
        float* target = grad_x + o * length * inner;
        for (int64_t i = 0; i < inner; ++i) {
            const float g = load(grad + row * inner + i);
            const int64_t tap = tap_of(place[row * inner + i]);
            target[(origin + step * tap) * inner + i] += g;
            squares[o * inner + i] += g * static_cast<float>(tap * tap);
        }
    }
}

}  // namespace

#define EXPORT(NAME, T, P)                                                                                          \
    extern "C" void maximum_##NAME(const T* x, const float* penalty, T* best, P* place, int64_t outer,              \
                                   int64_t length, int64_t inner, int64_t outputs, int64_t stride, int64_t step,    \
                                   int64_t radius) {                                                                \
        maximum(x, penalty, best, place, outer, length, inner, outputs, stride, step, radius);                      \
    }                                                                                                               \
    extern "C" void scatter_##NAME(const T* grad, const P* place, float* grad_x, float* squares, int64_t outer,     \
                                   int64_t length, int64_t inner, int64_t outputs, int64_t stride, int64_t step) {  \
        scatter(grad, place, grad_x, squares, outer, length, inner, outputs, stride, step);                         \
    }

EXPORT(float32_int8, float, int8_t)
EXPORT(float32_int16, float, int16_t)
EXPORT(bfloat16_int8, bfloat16, int8_t)
EXPORT(bfloat16_int16, bfloat16, int16_t)
