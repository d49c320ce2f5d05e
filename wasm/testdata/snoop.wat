;; Looks for what a guest must not see: how many bytes of environment and
;; arguments there are, the first preopened folder, files, random bytes, the time.
(module
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "etc/passwd")
  (func (export "env") (result i32) (drop (call $environ (i32.const 0) (i32.const 4))) (i32.load (i32.const 4)))
  (func (export "args") (result i32) (drop (call $args (i32.const 0) (i32.const 4))) (i32.load (i32.const 4)))
  (func (export "preopen") (result i32) (call $prestat (i32.const 3) (i32.const 0)))
  (func (export "random") (result i64) (drop (call $random (i32.const 0) (i32.const 8))) (i64.load (i32.const 0)))
  (func (export "clock") (result i64) (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 0))) (i64.load (i32.const 0)))
  (func (export "open") (result i32)
    (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 10) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0))))
