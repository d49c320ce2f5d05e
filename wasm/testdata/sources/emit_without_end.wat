;; next: 1024 x map[n:1]; deadline ran longer than; 1024 x map[n:1]
;; callMs: 200
;; It does not care that no more is taken.
(module
  (import "vanth" "emit" (func $emit (param i32 i32 i32 i32 i32 i64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\81\a1n\00")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func $row (param $h i32) (param $k i32) (result i32)
    (i32.store8 (i32.const 19) (local.get $k))
    (call $emit (local.get $h) (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
    (loop $l (drop (call $row (local.get $h) (i32.const 1))) (br $l)) (i64.const 0)))
