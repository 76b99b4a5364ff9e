// What the compiled operators share: numbers in float32 or bfloat16, and loops over channels.
// Maps are channels-last, [image][row][column][channel]. All arithmetic is in float32.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

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

// How many numbers a register holds. Compilers take wider vectors apart, comparisons into single numbers.
#ifdef __AVX512F__
constexpr int REGISTER = 16;
#elif defined(__AVX__)
constexpr int REGISTER = 8;
#else
constexpr int REGISTER = 4;
#endif
constexpr int WIDEST = 4 * REGISTER;  // as many numbers are handled at once at most

// W numbers that the processor handles at once, or a few of its registers full. Comparisons of arrays in a loop would do,
// but compilers turn the choice of a number into branches, which are mispredicted.
template <int W>
struct Vector {
    typedef float type __attribute__((vector_size(4 * W)));
    typedef uint32_t Wide __attribute__((vector_size(4 * W)));
    typedef uint16_t Short __attribute__((vector_size(2 * W)));
};

// Of bfloat16 as whole vectors, too: compilers load and store the elements of a vector one by one.
template <int W, typename T>
inline typename Vector<W>::type load_vector(const T* p) {
    typename Vector<W>::type v;
    if constexpr (std::is_same_v<T, float>) {
        std::memcpy(&v, p, sizeof v);
    } else {
        typename Vector<W>::Short bits;
        std::memcpy(&bits, p, sizeof bits);
        const auto wide = __builtin_convertvector(bits, typename Vector<W>::Wide) << 16;
        std::memcpy(&v, &wide, sizeof v);
    }
    return v;
}

template <int W, typename T>
inline void store_vector(T* p, typename Vector<W>::type v) {
    if constexpr (std::is_same_v<T, float>) {
        std::memcpy(p, &v, sizeof v);
    } else {
        typename Vector<W>::Wide wide;
        std::memcpy(&wide, &v, sizeof v);
        wide = (wide + 0x7fff + ((wide >> 16) & 1)) >> 16;  // as `store` rounds
        const auto bits = __builtin_convertvector(v == v ? wide : 0 * wide + 0x7fc0, typename Vector<W>::Short);
        std::memcpy(p, &bits, sizeof bits);
    }
}

// whole numbers, as smaller integers; in two steps, each of them one instruction
template <int W, typename P>
inline void store_integers(P* p, typename Vector<W>::type v) {
    typedef int32_t Wide __attribute__((vector_size(4 * W)));
    typedef P Integers __attribute__((vector_size(W * sizeof(P))));
    const Integers integers = __builtin_convertvector(__builtin_convertvector(v, Wide), Integers);
    std::memcpy(p, &integers, sizeof integers);
}

// Call f(start, width) on neighbouring channels; width is a constant of the compiler, so that they fill registers.
template <typename F>
inline void over_channels(int64_t channels, F f) {
    int64_t c = 0;
    for (; c + WIDEST <= channels; c += WIDEST) f(c, std::integral_constant<int, WIDEST>{});
    for (; c + 16 <= channels; c += 16) f(c, std::integral_constant<int, 16>{});
    for (; c + 8 <= channels; c += 8) f(c, std::integral_constant<int, 8>{});
    for (; c + 4 <= channels; c += 4) f(c, std::integral_constant<int, 4>{});
    for (; c < channels; ++c) f(c, std::integral_constant<int, 1>{});
}

// The same, with the width as R registers of L numbers each: f(start, L, R).
template <typename F>
inline void over_registers(int64_t channels, F f) {
    over_channels(channels, [&](int64_t start, auto constant) {
        constexpr int W = decltype(constant)::value, L = std::min(W, REGISTER);
        f(start, std::integral_constant<int, L>{}, std::integral_constant<int, W / L>{});
    });
}

// The same, with widths that fit in one register.
template <typename F>
inline void over_vectors(int64_t channels, F f) {
    over_registers(channels, [&](int64_t start, auto lanes, auto registers) {
        for (int i = 0; i < decltype(registers)::value; ++i) f(start + i * decltype(lanes)::value, lanes);
    });
}
