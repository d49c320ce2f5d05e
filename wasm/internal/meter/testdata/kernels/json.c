#include "kernel.h"

static const char row[] = "{\"id\": 42, \"name\": \"sensor-17\", \"temp\": -215, \"tags\": [\"a\", \"b\\n\\\"c\", []], \"ok\": true, \"up\": null, \"pos\": {\"x\": 1, \"y\": [2, 3]}}";
static u8 text[1 << 17];
static u32 size;
static u8 stack[64];

static void write(u32 n) {
	text[size++] = '[';
	for (u32 i = 0; i < n; i++) {
		if (i) text[size++] = ',';
		for (u32 k = 0; k < sizeof row - 1; k++) text[size++] = row[k];
	}
	text[size++] = ']';
}

// Parses a list of n rows. The sum of its numbers, 2^20 times that of the lengths of its strings, 2^50 times its depth;
// -1 if it is no JSON.
KERNEL(json) {
	if (!size) write((u32)n);
	const u8 *p = text, *end = text + size;
	u32 depth = 0, deepest = 0;
	i64 sum = 0, lengths = 0;
	while (p < end) {
		u8 c = *p++;
		switch (c) {
		case ' ': case '\t': case '\n': case '\r': case ',': case ':':
			break;
		case '{': case '[':
			if (depth == sizeof stack) return -1;
			stack[depth++] = c;
			if (depth > deepest) deepest = depth;
			break;
		case '}': case ']':
			if (!depth || stack[--depth] != c - 2) return -1;
			break;
		case '"':
			for (;; p++) {
				if (p >= end) return -1;
				if (*p == '"') break;
				if (*p == '\\') p++;
				lengths++;
			}
			p++;
			break;
		case 't': case 'n':
			p += 3;
			break;
		case 'f':
			p += 4;
			break;
		case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9': {
			i64 v = c == '-' ? 0 : c - '0';
			while (p < end && (u8)(*p - '0') < 10) v = v * 10 + (*p++ - '0');
			sum += c == '-' ? -v : v;
			break;
		}
		default:
			return -1;
		}
	}
	return depth ? -1 : sum + (lengths << 20) + ((i64)deepest << 50);
}
