;; next: EOF
(module
  (import "vanth" "mark" (func $mark (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "\81\a1n\00")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
    (if (i32.ne (call $mark (local.get $h) (i32.const 0) (i32.const 65537)) (i32.const -3)) (then unreachable)) (i64.const -1)))
