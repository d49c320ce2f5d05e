// What every kernel begins with: it exports one function i64 -> i64 of its own name.
typedef unsigned char u8;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

#define KERNEL(name) __attribute__((export_name(#name))) i64 name(i64 n)

// seeded numbers, the same in Go.
static inline u32 next(u32 *s) { return *s = *s * 1664525u + 1013904223u; }
