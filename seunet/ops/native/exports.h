// The functions that Python calls, with the types of their arguments: each source registers its own when the library is
// loaded, and the compiler says the types.
#pragma once
#include "common.h"
#include <string>

template <typename T> struct Type;
template <> struct Type<float> { static constexpr const char* name = "float"; };
template <> struct Type<double> { static constexpr const char* name = "double"; };
template <> struct Type<bfloat16> { static constexpr const char* name = "bfloat16"; };
template <> struct Type<int8_t> { static constexpr const char* name = "int8_t"; };
template <> struct Type<int16_t> { static constexpr const char* name = "int16_t"; };
template <> struct Type<int32_t> { static constexpr const char* name = "int32_t"; };
template <> struct Type<int64_t> { static constexpr const char* name = "int64_t"; };

// Such as "float**" for const float* const*.
template <typename T>
std::string type_name() {
    if constexpr (std::is_pointer_v<T>) return type_name<std::remove_cv_t<std::remove_pointer_t<T>>>() + "*";
    else return Type<T>::name;
}

// A line for each function: its name and the types of its arguments, with spaces between them.
inline std::string& exported() {
    static std::string lines;
    return lines;
}

struct Export {
    template <typename... Arguments>
    Export(const char* name, void (*)(Arguments...)) {
        exported() += name;
        ((exported() += " " + type_name<Arguments>()), ...);
        exported() += "\n";
    }
};

// By a macro, so that `FUNCTION` is put together before it becomes a text.
#define REGISTER(FUNCTION) REGISTER_AS(FUNCTION)
#define REGISTER_AS(FUNCTION) static const Export registered_##FUNCTION(#FUNCTION, FUNCTION);
