#include "kernel.h"

static u8 buf[1 << 16];

// Copies and fills of 16 to 8,192 bytes, n times over; a sum of what is there.
KERNEL(copy) {
	u32 seed = 7;
	__builtin_memset(buf, 0, sizeof buf);
	for (i64 i = 0; i < n; i++) {
		u32 r = next(&seed), size = 16u << (r >> 28 & 7) | (r >> 20 & 15);
		u32 to = r >> 4 & 0x7fff, from = next(&seed) >> 9 & 0x7fff;
		if (r & 2)
			__builtin_memset(buf + to, (int)(r >> 12), size);
		else
			__builtin_memmove(buf + to, buf + from, size);
	}
	u64 sum = 0;
	for (u32 i = 0; i < sizeof buf; i += 97) sum = sum * 31 + buf[i];
	return (i64)sum;
}
