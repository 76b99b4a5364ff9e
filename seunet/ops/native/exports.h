// The table of functions that Python calls. Each source adds its own by EXPORT when the library is loaded, and the compiler
// says the types of their arguments; `native.functions` reads the table.
#pragma once
#include "common.h"
#include <string>

template <typename T> constexpr const char* TYPE = nullptr;
template <> inline constexpr const char* TYPE<float> = "float";
template <> inline constexpr const char* TYPE<double> = "double";
template <> inline constexpr const char* TYPE<bfloat16> = "bfloat16";
template <> inline constexpr const char* TYPE<int8_t> = "int8_t";
template <> inline constexpr const char* TYPE<int16_t> = "int16_t";
template <> inline constexpr const char* TYPE<int32_t> = "int32_t";
template <> inline constexpr const char* TYPE<int64_t> = "int64_t";

// Such as "float**" for const float* const*.
template <typename T>
std::string type_name() {
    if constexpr (std::is_pointer_v<T>) return type_name<std::remove_cv_t<std::remove_pointer_t<T>>>() + "*";
    else return TYPE<T>;
}

// A line for each function: its name, its address and the types of its arguments, with spaces between them.
inline std::string& table() {
    static std::string lines;
    return lines;
}
extern "C" __attribute__((used)) inline const char* exported_functions() { return table().c_str(); }

struct Export {
    template <typename... Arguments>
    Export(const char* name, void (*function)(Arguments...)) {
        table() += std::string(name) + " " + std::to_string(reinterpret_cast<uintptr_t>(function));
        ((table() += " " + type_name<Arguments>()), ...);
        table() += "\n";
    }
};
#define EXPORT(NAME, ...) static const Export exported_##NAME(#NAME, __VA_ARGS__);
