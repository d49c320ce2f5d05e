#include "kernel.h"

static u32 table[256];
static u8 text[1 << 16];

// The CRC-32 of n bytes by a table.
KERNEL(crc) {
	if (!table[1]) {
		for (u32 i = 0; i < 256; i++) {
			u32 c = i;
			for (i32 k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
			table[i] = c;
		}
		for (u32 i = 0; i < sizeof text; i++) text[i] = (u8)(i * 7);
	}
	u32 c = ~0u;
	for (u32 i = 0; i < (u32)n; i++) c = table[(u8)(c ^ text[i])] ^ c >> 8;
	return ~c;
}
