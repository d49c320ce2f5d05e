#include "kernel.h"

static u32 f0(u32 x) { return x + 1; }
static u32 f1(u32 x) { return x * 3; }
static u32 f2(u32 x) { return x ^ 0x5555; }
static u32 f3(u32 x) { return x >> 1 | x << 31; }
typedef u32 (*step)(u32);
static step steps[4] = {f0, f1, f2, f3};

// n calls through a table.
KERNEL(indirect) {
	u32 x = 1;
	for (i64 i = 0; i < n; i++) x = steps[(x >> 3) & 3](x);
	return x;
}
