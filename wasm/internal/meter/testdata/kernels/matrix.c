#include "kernel.h"

enum { most = 64 };
static double a[most][most], b[most][most], c[most][most];

// Multiplies two matrices of n times n; the sum of the product's diagonal.
KERNEL(matrix) {
	i32 size = (i32)n;
	for (i32 i = 0; i < size; i++)
		for (i32 j = 0; j < size; j++) a[i][j] = i + j, b[i][j] = i - j;
	for (i32 i = 0; i < size; i++) {
		for (i32 j = 0; j < size; j++) {
			double sum = 0;
			for (i32 k = 0; k < size; k++) sum += a[i][k] * b[k][j];
			c[i][j] = sum;
		}
	}
	double trace = 0;
	for (i32 i = 0; i < size; i++) trace += c[i][i];
	return (i64)trace;
}
