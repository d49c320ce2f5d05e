;; open: error no
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "\81\a1n\00")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  ;; ext 1: {"msg": "no", "class": "io"}
  (data (i32.const 64) "\c7\11\01\82\a3msg\a2no\a5class\a2io")
  (func (export "so_s_open") (param i32 i32 i32) (result i64) (i64.const 0x0000004080000014))
  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
    (i64.const 0)))
