#include "kernel.h"

static u8 composite[1 << 17];

// The number of primes below n: a loop of one store.
KERNEL(sieve) {
	u32 most = (u32)n, found = 0;
	__builtin_memset(composite, 0, most);
	for (u32 i = 2; i < most; i++) {
		if (composite[i]) continue;
		found++;
		for (u32 j = i + i; j < most; j += i) composite[j] = 1;
	}
	return found;
}
