;; end: deadline
;; The path is as long as the memory.
(module (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32))) (memory 256)
  (func (export "f") (memory.fill (i32.const 0) (i32.const 47) (i32.const 0x1000000))
    (loop $l (drop (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 0xfffff0) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0)))
      (drop (call $open (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 0xfffff0) (i32.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 0)))
      (br $l))))
