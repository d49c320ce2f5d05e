;; fault: bad result
;; text: row 2 of 3: found validity 2, expected 0 or 1
(module
  (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "fn_f") (param f64) (result f64) (local.get 0))
  (func (export "fc_f") (param $rows i32) (param $in i32) (param $out i32) (result i32) (i32.store8 offset=25 (local.get $out) (i32.const 2)) (i32.const 0)))
