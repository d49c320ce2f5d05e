;; The guest of Extism. It takes its input and gives its output as the kits for plugins
;; do: 8 bytes at a time, by the host's load_u64 and store_u64, since both lie in a memory
;; that is not the guest's. Numbers travel as 8 bytes each, little-endian.
(module
  (import "extism:host/env" "input_offset" (func $input (result i64)))
  (import "extism:host/env" "input_length" (func $length (result i64)))
  (import "extism:host/env" "load_u64" (func $load_u64 (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 6)

  (func (export "add") (result i32)
    (local $in i64)
    (local.set $in (call $input))
    (call $number (i64.add
      (call $load_u64 (local.get $in))
      (call $load_u64 (i64.add (local.get $in) (i64.const 8)))))
    (i32.const 0))

  (func (export "fib") (result i32)
    (call $number (call $fib (call $load_u64 (call $input))))
    (i32.const 0))

  ;; The input to 64 KiB, and from there out again.
  (func (export "echo") (result i32)
    (local $in i64) (local $out i64) (local $len i64) (local $words i64) (local $i i64)
    (local.set $in (call $input))
    (local.set $len (call $length))
    (local.set $words (i64.and (local.get $len) (i64.const -8)))
    (block $loaded
      (loop $next
        (br_if $loaded (i64.ge_u (local.get $i) (local.get $words)))
        (i64.store (i32.add (i32.const 65536) (i32.wrap_i64 (local.get $i)))
          (call $load_u64 (i64.add (local.get $in) (local.get $i))))
        (local.set $i (i64.add (local.get $i) (i64.const 8)))
        (br $next)))
    (block $loaded
      (loop $next
        (br_if $loaded (i64.ge_u (local.get $i) (local.get $len)))
        (i32.store8 (i32.add (i32.const 65536) (i32.wrap_i64 (local.get $i)))
          (call $load_u8 (i64.add (local.get $in) (local.get $i))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
    (local.set $out (call $alloc (local.get $len)))
    (local.set $i (i64.const 0))
    (block $stored
      (loop $next
        (br_if $stored (i64.ge_u (local.get $i) (local.get $words)))
        (call $store_u64 (i64.add (local.get $out) (local.get $i))
          (i64.load (i32.add (i32.const 65536) (i32.wrap_i64 (local.get $i)))))
        (local.set $i (i64.add (local.get $i) (i64.const 8)))
        (br $next)))
    (block $stored
      (loop $next
        (br_if $stored (i64.ge_u (local.get $i) (local.get $len)))
        (call $store_u8 (i64.add (local.get $out) (local.get $i))
          (i32.load8_u (i32.add (i32.const 65536) (i32.wrap_i64 (local.get $i)))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
    (call $output (local.get $out) (local.get $len))
    (i32.const 0))

  (func $number (param $value i64)
    (local $out i64)
    (local.set $out (call $alloc (i64.const 8)))
    (call $store_u64 (local.get $out) (local.get $value))
    (call $output (local.get $out) (i64.const 8)))

  (func $fib (param $n i64) (result i64)
    (if (i64.lt_s (local.get $n) (i64.const 2)) (then (return (local.get $n))))
    (i64.add
      (call $fib (i64.sub (local.get $n) (i64.const 1)))
      (call $fib (i64.sub (local.get $n) (i64.const 2))))))
