#include "exports.h"

extern "C" const char* exported_functions() { return exported().c_str(); }
