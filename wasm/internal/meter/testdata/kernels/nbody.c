#include "kernel.h"

typedef struct { double x, y, z, vx, vy, vz, mass; } body;
enum { bodies = 5 };
static body b[bodies];

// n steps of five bodies; the bits of their energy.
KERNEL(nbody) {
	for (i32 i = 0; i < bodies; i++) {
		double k = i + 1;
		b[i] = (body){k * 1.5, k * k * 0.25, -k, 0.1 / k, 0.02 * k, -0.01 * k, 1.0 / k};
	}
	for (i64 step = 0; step < n; step++) {
		for (i32 i = 0; i < bodies; i++) {
			for (i32 j = i + 1; j < bodies; j++) {
				double dx = b[i].x - b[j].x, dy = b[i].y - b[j].y, dz = b[i].z - b[j].z;
				double d2 = dx * dx + dy * dy + dz * dz;
				double mag = 0.01 / (d2 * __builtin_sqrt(d2));
				b[i].vx -= dx * (b[j].mass * mag);
				b[i].vy -= dy * (b[j].mass * mag);
				b[i].vz -= dz * (b[j].mass * mag);
				b[j].vx += dx * (b[i].mass * mag);
				b[j].vy += dy * (b[i].mass * mag);
				b[j].vz += dz * (b[i].mass * mag);
			}
		}
		for (i32 i = 0; i < bodies; i++) {
			b[i].x += 0.01 * b[i].vx;
			b[i].y += 0.01 * b[i].vy;
			b[i].z += 0.01 * b[i].vz;
		}
	}
	double e = 0;
	for (i32 i = 0; i < bodies; i++) e += b[i].mass * (b[i].vx * b[i].vx + b[i].vy * b[i].vy + b[i].vz * b[i].vz);
	i64 bits;
	__builtin_memcpy(&bits, &e, 8);
	return bits;
}
