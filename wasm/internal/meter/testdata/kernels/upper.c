#include "kernel.h"

static u8 from[1 << 16], to[1 << 16];

// Writes n bytes in upper case; their sum.
KERNEL(upper) {
	u32 size = (u32)n, sum = 0;
	if (!from[0])
		for (u32 i = 0; i < size; i++) from[i] = (u8)(' ' + i * 31 % 95);
	for (u32 i = 0; i < size; i++) {
		u8 c = from[i];
		to[i] = c >= 'a' && c <= 'z' ? c - 32 : c;
	}
	for (u32 i = 0; i < size; i++) sum += to[i];
	return sum;
}
