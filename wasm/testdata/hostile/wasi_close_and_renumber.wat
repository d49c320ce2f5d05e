;; end: deadline
;; A table of descriptors as large as numbers go would be the host's.
(module (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $flags (param i32 i32) (result i32)))
  (func (export "f") (loop $l
    (drop (call $renumber (i32.const 1) (i32.const 0x7fffffff)))
    (drop (call $renumber (i32.const 2) (i32.const 0x7fffffff)))
    (drop (call $close (i32.const 0))) (drop (call $close (i32.const 1)))
    (drop (call $renumber (i32.const 2) (i32.const 0)))
    (drop (call $renumber (i32.const 0) (i32.const 0x7fffffff)))
    (drop (call $flags (i32.const 2) (i32.const -1)))
    (br $l))))
