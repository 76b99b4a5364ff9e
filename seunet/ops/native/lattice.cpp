// Copies between a channels-last map and its lattices: lattice.py says which. Tables give, for every row and column of
// the blocks, the row and column of the map, or −1 for none. A map has images × height × width pixels; of each image there
// are row_blocks × column_blocks blocks of block_height × block_width pixels.
#include "exports.h"

namespace {

struct Shape {
    int64_t images, height, width, row_blocks, column_blocks, block_height, block_width, channels;
};

// The number of table entries from v on that are neighbours: their pixels are copied at once.
inline int64_t run_length(const int32_t* columns, int64_t v, int64_t end) {
    int64_t length = 1;
    if (columns[v] < 0) return length;
    while (v + length < end && columns[v + length] == columns[v] + length) ++length;
    return length;
}

// blocks = map at the table's pixels, 0 where there is none
template <typename T>
void gather(const T* map, T* blocks, const int32_t* rows, const int32_t* columns, Shape s, int64_t threads) {
    const int64_t tasks = s.images * s.row_blocks * s.column_blocks * s.block_height, line = s.block_width * s.channels;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t task = 0; task < tasks; ++task) {
        const int64_t u = task % s.block_height, j = task / s.block_height % s.column_blocks;
        const int64_t i = task / (s.block_height * s.column_blocks) % s.row_blocks;
        const int64_t image = task / (s.block_height * s.column_blocks * s.row_blocks);
        const int64_t row = rows[i * s.block_height + u];
        T* to = blocks + task * line;
        if (row < 0) {
            std::memset(to, 0, line * sizeof(T));
            continue;
        }
        const T* from = map + (image * s.height + row) * s.width * s.channels;
        const int32_t* table = columns + j * s.block_width;
        for (int64_t v = 0; v < s.block_width;) {
            const int64_t run = run_length(table, v, s.block_width), bytes = run * s.channels * sizeof(T);
            if (table[v] < 0) {
                std::memset(to + v * s.channels, 0, bytes);
            } else {
                std::memcpy(to + v * s.channels, from + table[v] * s.channels, bytes);
            }
            v += run;
        }
    }
}

// map = sum of the block pixels whose table entry it is. Blocks of different i share no rows, so threads share none.
template <typename T>
void fold(const T* blocks, T* map, const int32_t* rows, const int32_t* columns, Shape s, int64_t once, int64_t threads) {
    const int64_t line = s.block_width * s.channels;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t task = 0; task < s.images * s.row_blocks; ++task) {
        const int64_t image = task / s.row_blocks, i = task % s.row_blocks;
        if (!once) {
            for (int64_t row = i; row < s.height; row += s.row_blocks) {
                std::memset(map + (image * s.height + row) * s.width * s.channels, 0, s.width * s.channels * sizeof(T));
            }
        }
        for (int64_t j = 0; j < s.column_blocks; ++j) {
            for (int64_t u = 0; u < s.block_height; ++u) {
                const int64_t row = rows[i * s.block_height + u];
                if (row < 0) continue;
                const T* from = blocks + ((task * s.column_blocks + j) * s.block_height + u) * line;
                T* to = map + (image * s.height + row) * s.width * s.channels;
                const int32_t* table = columns + j * s.block_width;
                for (int64_t v = 0; v < s.block_width;) {
                    const int64_t run = run_length(table, v, s.block_width), count = run * s.channels;
                    const T* source = from + v * s.channels;
                    T* target = to + table[v] * s.channels;
                    v += run;
                    if (table[v - run] < 0) continue;
                    if (once) {
                        std::memcpy(target, source, count * sizeof(T));
                    } else {
                        for (int64_t c = 0; c < count; ++c) store(target + c, load(target + c) + load(source + c));
                    }
                }
            }
        }
    }
}

}  // namespace

#define EXPORT(NAME, T)                                                                                               \
    extern "C" void lattice_gather_##NAME(const T* map, T* blocks, const int32_t* rows, const int32_t* columns,        \
                                          const int64_t* shape, int64_t threads) {                                     \
        gather(map, blocks, rows, columns, *reinterpret_cast<const Shape*>(shape), threads);                           \
    }                                                                                                                 \
    extern "C" void lattice_fold_##NAME(const T* blocks, T* map, const int32_t* rows, const int32_t* columns,          \
                                        const int64_t* shape, int64_t once, int64_t threads) {                         \
        fold(blocks, map, rows, columns, *reinterpret_cast<const Shape*>(shape), once, threads);                       \
    }                                                                                                                  \
    REGISTER(lattice_gather_##NAME)                                                                                    \
    REGISTER(lattice_fold_##NAME)

EXPORT(float32, float)
EXPORT(bfloat16, bfloat16)
