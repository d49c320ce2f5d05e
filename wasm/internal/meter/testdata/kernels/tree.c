#include "kernel.h"

typedef struct node { struct node *left, *right; u32 value; } node;
static node pool[1 << 13];
static u32 used;

__attribute__((noinline)) static node *make(i32 depth) {
	node *t = &pool[used++];
	t->value = used;
	t->left = depth ? make(depth - 1) : 0;
	t->right = depth ? make(depth - 1) : 0;
	return t;
}

__attribute__((noinline)) static u64 count(const node *t) { return t->left ? count(t->left) * 3 + count(t->right) * 5 + t->value : t->value; }

// A tree of depth n is built and walked.
KERNEL(tree) {
	used = 0;
	return (i64)count(make((i32)n));
}
