#include "kernel.h"

// Calls and nothing else. Without the barrier the compiler makes a loop of one of the two.
__attribute__((noinline)) static i64 rec(i64 n) {
	if (n < 2) return n;
	i64 a = rec(n - 1), b = rec(n - 2);
	__asm__("" : "+r"(b));
	return a + b;
}

KERNEL(fib) { return rec(n); }
