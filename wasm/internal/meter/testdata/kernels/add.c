#include "kernel.h"

// The call itself.
KERNEL(add) { return n + 3; }
