#!/bin/sh
# Compiles the kernels and notes what came out. It takes clang and wasm-ld with the wasm32 target; CLANG names another.
cd "$(dirname "$0")" || exit 1
for c in *.c; do
	"${CLANG:-clang}" --target=wasm32 -O2 -mbulk-memory -nostdlib -ffreestanding -fno-math-errno -ffp-contract=off -Wall -Wextra \
		-Wl,--no-entry,--strip-all,-z,stack-size=8192 -o "${c%.c}.wasm" "$c" || exit 1
	chmod 644 "${c%.c}.wasm"
done
sha256sum ./*.c ./*.h ./*.wasm | sed 's| \./| |' >sums.txt
