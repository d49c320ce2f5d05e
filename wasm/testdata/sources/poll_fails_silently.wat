;; next: error does not say why; error does not say why
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "\81\a1n\00")
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "so_s_poll") (param $h i32) (param i64) (result i64)
    (i64.const -2)))
