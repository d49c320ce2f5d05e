;; fault: error
;; text: code -3 (fatal)
(module
  (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "fn_f") (param f64) (result f64) (local.get 0))
  (func (export "fc_f") (param $rows i32) (param $in i32) (param $out i32) (result i32) (i32.const -3)))
