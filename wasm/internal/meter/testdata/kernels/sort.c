#include "kernel.h"

static u32 list[1 << 14];

// Quicksort; short parts by insertion.
__attribute__((noinline)) static void sortPart(u32 *lo, u32 *hi) {
	while (hi - lo > 12) {
		u32 pivot = lo[(hi - lo) / 2], *i = lo, *j = hi - 1;
		for (;;) {
			while (*i < pivot) i++;
			while (*j > pivot) j--;
			if (i >= j) break;
			u32 t = *i;
			*i++ = *j;
			*j-- = t;
		}
		sortPart(lo, i);
		lo = i;
	}
	for (u32 *i = lo + 1; i < hi; i++) {
		u32 v = *i, *j = i;
		for (; j > lo && j[-1] > v; j--) *j = j[-1];
		*j = v;
	}
}

// Sorts n numbers; the hash of what comes out.
KERNEL(sort) {
	u32 seed = 1, size = (u32)n;
	for (u32 i = 0; i < size; i++) list[i] = next(&seed);
	sortPart(list, list + size);
	u64 hash = 0;
	for (u32 i = 0; i < size; i++) hash = hash * 31 + list[i];
	return (i64)hash;
}
