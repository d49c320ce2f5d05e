;; fault: bad result
;; text: row 3 of 3: found bool 7, expected 0 or 1
;; returns: bool
(module
  (memory (export "memory") 1)
  (func (export "vanth_abi_1") (result i32) (i32.const 0))
  (func (export "vanth_buf") (param i32) (result i32) (i32.const 4096))
  (func (export "fn_f") (param f64) (result i32) (i32.const 1))
  (func (export "fc_f") (param $rows i32) (param $in i32) (param $out i32) (result i32) (i32.store8 offset=2 (local.get $out) (i32.const 7)) (i32.const 0)))
